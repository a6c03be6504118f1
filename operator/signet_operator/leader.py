"""One operator writes: a Lease, held by a thread of its own that no event loop delays.

- E1 A replica leads until `lease_s` after it *sent* the renewal that succeeded last, by its own
  monotonic clock, less a margin. Others wait `lease_s` from when they *saw* the lease change.
- E2 Every write of the operator asks `leads` first; a process that was stopped past its lease finds
  it over as soon as it runs again.
- E3 Leadership that is lost is not taken up again by the same process: it ends at once.
- E4 An orderly end gives the lease back, so that the other one need not wait.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

MARGIN = 0.2  # of lease_s: between the last moment of a write and the first of another leader's
TRIES = 5  # renewals within a lease


class LeaseStore(Protocol):
    """The Lease object; every call ends within its own time-out. OSError where it cannot."""

    def read(self) -> "Record | None":
        """None: there is no such Lease."""
        ...

    def write(self, holder: str, seconds: int, seen: "Record | None") -> bool:
        """False: it is not as it was `seen` (409), or exists already."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A Lease as it was read. `version` is its resourceVersion; `holder` '' is nobody."""

    holder: str
    seconds: int
    version: str
    transitions: int = 0


class Leader:
    """`start` once; `leads` whenever something is to be written; `stop` at the end."""

    def __init__(
        self,
        store: LeaseStore,
        name: str,
        lease_s: float,
        *,
        lost: Callable[[str], None],
        gained: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._name, self._lease_s = store, name, lease_s
        self._lost, self._gained, self._clock = lost, gained, clock
        self._until = 0.0
        self._led = False
        self._seen: tuple[str, float] = ("", 0.0)  # another's version, and since when it stands
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this process may write now (E1, E2)."""
        return self._clock() < self._until

    def start(self) -> None:
        """Begin to try."""
        self._thread.start()

    def stop(self) -> None:
        """Try no more, and give the lease back (E4). Writes must have ended."""
        self._ending.set()
        self._thread.join(timeout=self._lease_s)
        self.give_back()

    def give_back(self) -> None:
        """Let the next one lead at once. Not for use beside the thread."""
        if not self.leads:
            return
        self._until = 0.0
        with contextlib.suppress(OSError):  # it runs out
            record = self._store.read()
            if record is not None and record.holder == self._name:
                self._store.write("", 1, record)

    def _run(self) -> None:
        while not self._ending.is_set():
            self.step()
            self._ending.wait(self._lease_s / TRIES)

    def step(self) -> None:
        """One try to take or to keep it. Tests call it with a clock of theirs."""
        sent = self._clock()
        if self._led and sent >= self._until:
            self._lost("the lease was not renewed in time")
            return
        with contextlib.suppress(OSError):  # E1: the deadline decides
            self._try(sent)

    def _try(self, sent: float) -> None:
        record = self._store.read()
        other = record is not None and record.holder not in {"", self._name}
        if record is not None and self._led and other:
            self._until = 0.0
            self._lost(f"{record.holder} leads")
            return
        # under our own name, a former life may still be writing: its lease must run out too
        standing = record is not None and record.holder and not self._led
        if record is not None and standing and not self._run_out(record, sent):
            return
        if not self._store.write(self._name, round(self._lease_s), record):
            return
        self._until = sent + self._lease_s * (1 - MARGIN)
        if not self._led:
            self._led = True
            self._gained()

    def _run_out(self, record: Record, now: float) -> bool:
        """Whether another's lease stands unchanged for as long as it says (E1)."""
        if self._seen[0] != record.version:
            self._seen = (record.version, now)
        return now - self._seen[1] >= record.seconds


class KubernetesLease:
    """LeaseStore in the Kubernetes API, with the synchronous client: it has its own thread."""

    def __init__(self, api: Any, namespace: str, name: str, call_s: float) -> None:
        self._api, self._namespace, self._name, self._call_s = api, namespace, name, call_s

    def read(self) -> Record | None:
        """See LeaseStore."""
        lease = self._call(self._api.read_namespaced_lease, self._name, self._namespace)
        if lease is None:
            return None
        spec = lease.spec
        return Record(
            spec.holder_identity or "",
            spec.lease_duration_seconds or 0,
            lease.metadata.resource_version,
            spec.lease_transitions or 0,
        )

    def write(self, holder: str, seconds: int, seen: Record | None) -> bool:
        """See LeaseStore."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        changed = seen is None or seen.holder != holder
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "renewTime": now,
            "leaseTransitions": (seen.transitions if seen else 0) + (1 if changed else 0),
        }
        if changed:
            spec["acquireTime"] = now
        body: Mapping[str, Any] = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                **({"resourceVersion": seen.version} if seen else {}),
            },
            "spec": spec,
        }
        if seen is None:
            done = self._call(self._api.create_namespaced_lease, self._namespace, body)
        else:
            done = self._call(self._api.replace_namespaced_lease, self._name, self._namespace, body)
        return done is not None

    def _call(self, verb: Callable[..., Any], *what: Any) -> Any:
        """None: 404 or 409."""
        from kubernetes.client import ApiException  # noqa: PLC0415 - a second of import
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            return verb(*what, _request_timeout=self._call_s)
        except ApiException as refused:
            if refused.status in {404, 409}:
                return None
            raise OSError(f"the Kubernetes API answers {refused.status}") from refused
        except HTTPError as failed:
            raise OSError("the Kubernetes API does not answer") from failed
