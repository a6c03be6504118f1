"""Pods of Signet as an operator meets them, in virtual time: they start, take streams, drain, end.

A pod behaves as its template says: `good`, `crashes`, `no-image`, `never-ready`, `no-room`. The
drain is that of services/signet/core/drain.py (V1 to V6), with streams as numbers.
"""

from dataclasses import dataclass, field

from signet_operator.names import Tier
from signet_operator.observed import Report, Stage

SCHEDULE_S, START_S, CRASH_S = 1.0, 4.0, 5.0
MEMBER_S = 10.0  # a membership record lives so long without its pod
MOVES = 50.0  # streams a second that a drain moves without a rate


class Refused(Exception):
    """The admin port does not answer, or says no."""


@dataclass
class SimPod:
    """One pod, and the process in it."""

    name: str
    uid: str
    tier: Tier
    ordinal: int
    revision: str
    behaves: str
    created_at: float
    node: str
    resource_version: int = 1
    wants_drain: bool = False
    deleting_at: float | None = None
    grace: float = 0.0
    ready: bool = False
    ready_changed_at: float = 0.0
    restarts: int = 0
    stage: Stage = Stage.ACTIVE
    load: int = 0
    deadline: float = 0.0
    rate: float = 0.0
    ending: bool = False
    stuck: bool = False  # it hears an order to drain, moves nobody, and says nothing
    deaf: bool = False  # its admin port does not answer
    accepts: float = 10.0
    moved: float = 0.0
    node_up: bool = True
    seen_alive_at: float = 0.0
    rebalanced: list[str] = field(default_factory=list)  # what it was asked for, each time

    # --- what the API says of it ---------------------------------------------------------------

    def running(self, now: float) -> bool:
        """A process of it runs, on a node that does."""
        bad = self.behaves in {"crashes", "no-image", "no-room"}
        return not bad and now - self.created_at >= SCHEDULE_S

    def serves(self) -> bool:
        return self.ready and self.node_up and self.deleting_at is None

    def trouble(self, now: float) -> str:
        if self.behaves == "no-room":
            return "Unschedulable"
        if now - self.created_at < SCHEDULE_S:
            return ""
        return {"crashes": "CrashLoopBackOff", "no-image": "ImagePullBackOff"}.get(self.behaves, "")

    def phase(self, now: float) -> str:
        waits = self.behaves in {"no-image", "no-room"} or now - self.created_at < SCHEDULE_S
        return "Pending" if waits else "Running"

    def report(self, now: float, members: frozenset[str]) -> Report | None:
        """What `GET /v1/pod` answers; None: nothing."""
        if not self.running(now) or not self.node_up or self.deaf or self.stuck:
            return None
        return Report(
            stage=self.stage,
            load=self.load,
            accepts=self.accepts if self.stage is Stage.ACTIVE else 0.0,
            left_s=max(0.0, self.deadline - now) if self.stage is Stage.DRAINING else 0.0,
            ending=self.ending,
            at=now,
            members=members,
        )

    # --- what may be asked of it -----------------------------------------------------------------

    def drain(self, now: float, deadline_s: float, rate: float, *, ending: bool = False) -> None:
        """V1; a signal (`ending`) needs no admin port."""
        if not ending and (self.deaf or not self.node_up or not self.running(now)):
            raise Refused(self.name)
        self.ending = self.ending or ending
        if self.stage is Stage.EMPTY:
            return
        self.stage, self.deadline, self.rate = Stage.DRAINING, now + deadline_s, rate

    def undrain(self) -> None:
        """V4."""
        if self.stage is not Stage.DRAINING or self.ending or self.deaf or not self.node_up:
            raise Refused(self.name)
        self.stage = Stage.ACTIVE

    # --- time ------------------------------------------------------------------------------------

    def live(self, now: float, step: float, *, survivors: bool) -> None:
        """A step of its own life; streams that leave it come back to others by themselves."""
        if not self.node_up:
            self.load = 0  # who was connected has noticed
            return
        self.seen_alive_at = now
        if self.behaves == "crashes":
            self.restarts = int((now - self.created_at) / CRASH_S)
        self._become_ready(now)
        if self.stage is Stage.DRAINING:
            self._move(now, step, survivors=survivors)

    def _become_ready(self, now: float) -> None:
        up = self.running(now) and self.behaves != "never-ready"
        ready = up and self.stage is Stage.ACTIVE and now - self.created_at >= START_S
        if ready != self.ready:
            self.ready, self.ready_changed_at = ready, now

    def _move(self, now: float, step: float, *, survivors: bool) -> None:
        if self.stuck:
            return
        self.moved += (self.rate or MOVES) * step
        gone = min(self.load, int(self.moved))
        self.load, self.moved = self.load - gone, self.moved - gone
        if not survivors or now >= self.deadline:  # V3, the deadline
            self.load = 0
        if not self.load:
            self.stage = Stage.EMPTY
