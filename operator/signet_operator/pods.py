"""What pods say of themselves: `GET /v1/pod` of their admin ports (docs/admin.md).

A pod that does not answer keeps its last report for a while (`KEEP_S`), then none: a plan must not
take an old "empty" for a new one, and `Report.at` says how old it is.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from signet_operator.desired.meta import tier_host
from signet_operator.observe import Object, owned
from signet_operator.observed import Report, Stage
from signet_operator.spec import ClusterSpec

ADMIN_PORT = 7403
CALL_S = 3.0  # a pod that does not answer must not hold up its cluster
AT_ONCE = 64  # calls at the same time, of all clusters
KEEP_S = 30.0
RATES = ("open_rate", "pending_bytes", "messages", "lag_ms", "cpu_percent")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a pod's admin port is. `server_name` is what its certificate must name; '' no TLS."""

    uid: str
    url: str
    server_name: str = ""
    tls: ssl.SSLContext | None = None


def address_of(
    spec: ClusterSpec, pod: Object, tls: ssl.SSLContext | None, *, template: str = ""
) -> Address:
    """Of a pod of a tier that has an IP. `template`: the operator's setting `admin_url`."""
    meta, ip, tier = pod["metadata"], pod["status"]["podIP"], owned(pod)
    host = f"[{ip}]" if ":" in ip else ip
    if template:
        named = {"ip": host, "pod": meta["name"], "tier": str(tier)}
        of = {"cluster": spec.name, "namespace": spec.namespace}
        return Address(meta["uid"], template.format(**named, **of))
    if tls is None:
        return Address(meta["uid"], f"http://{host}:{ADMIN_PORT}")
    assert tier is not None  # only such are looked at
    name = f"{meta['name']}.{tier_host(spec, tier)}"
    return Address(meta["uid"], f"https://{host}:{ADMIN_PORT}", name, tls)


class PodRefused(Exception):
    """The admin port answered, and not with what was wanted; or it did not answer at all."""


class Pods:
    """Asks and orders pods. One for the process; `close` at its end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, Report] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    async def look(self, pods: Iterable[Address]) -> Mapping[str, Report]:
        """The reports by UID, of those that answered now or lately."""
        pods = list(pods)
        await asyncio.gather(*(self._look(pod) for pod in pods))
        return self.last(pod.uid for pod in pods)

    def last(self, uids: Iterable[str]) -> Mapping[str, Report]:
        """What was said lately, without asking."""
        now = self._clock()
        return {
            uid: report
            for uid in uids
            if (report := self._last.get(uid)) is not None and now - report.at < KEEP_S
        }

    def forget(self, uids: Iterable[str]) -> None:
        """Pods that are gone."""
        for uid in uids:
            self._last.pop(uid, None)

    async def drain(self, pod: Address, deadline_s: float, rate: float) -> None:
        """Raises PodRefused."""
        await self._call("POST", pod, "/v1/drain", {"deadline_s": deadline_s, "rate": rate})

    async def undrain(self, pod: Address) -> None:
        """Raises PodRefused: it is empty already, say, or a signal has asked it."""
        await self._call("POST", pod, "/v1/undrain", {})

    async def rebalance(self, pod: Address) -> None:
        """Raises PodRefused."""
        await self._call("POST", pod, "/v1/rebalance", {})

    async def close(self) -> None:
        """End."""
        if self._session is not None:
            await self._session.close()

    async def _look(self, pod: Address) -> None:
        try:
            document = await self._call("GET", pod, "/v1/pod", None)
        except PodRefused:
            return
        self._last[pod.uid] = report_of(document, self._clock())

    async def _call(self, method: str, pod: Address, path: str, body: Any) -> Mapping[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S))
        try:
            async with (
                self._slots,
                self._session.request(
                    method,
                    pod.url + path,
                    json=body,
                    ssl=pod.tls if pod.tls is not None else True,
                    allow_redirects=False,
                    server_hostname=pod.server_name or None,
                ) as answer,
            ):
                if answer.status >= 300:
                    raise PodRefused(f"{path}: status {answer.status}")
                document: Mapping[str, Any] = await answer.json()
                return document
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise PodRefused(f"{path}: {type(error).__name__}") from error


def report_of(document: Mapping[str, Any], at: float) -> Report:
    """One answer of `GET /v1/pod` as a value; what it does not say is as if nothing were there."""
    try:
        stage = Stage(document.get("stage", ""))
    except ValueError:
        stage = Stage.UNKNOWN
    stores: Mapping[str, Any] = document.get("stores") or {}
    rates: Mapping[str, Any] = document.get("rates") or {}
    members = [(str(m.get("kind")), str(m.get("name"))) for m in document.get("members") or ()]
    return Report(
        stage=stage,
        load=int(document.get("load") or 0),
        accepts=float(document.get("accepts") or 0.0),
        left_s=float(document.get("deadline_s") or 0.0),
        ending=bool(document.get("ending")),
        stores_down=tuple(
            sorted(name for name, store in stores.items() if not store.get("reachable", True))
        ),
        bundle=str(document.get("bundle") or ""),
        certificate=str(document.get("certificate") or ""),
        schema=str(document.get("schema") or ""),
        rates={name: float(rates[name]) for name in RATES if name in rates},
        at=at,
        members=frozenset(name for _kind, name in members),
        misplaced=int(document.get("misplaced") or 0),
    )
