"""Who belongs at another gateway by the ring, and is told so: slowly, and once (design.md §4, §7).

A newcomer hears it in its Welcome; who is here already, when the ring has changed and has then been
quiet. Nobody is told of the same gateway twice, so a client that cannot reach it stays in peace.
"""

from collections import deque
from typing import TYPE_CHECKING

from signet.core.buckets import Bucket
from signet.core.limits import MOVE_QUIET, REBALANCE_LOOK, REBALANCE_PART, REBALANCE_RATE
from signet.core.session import Input, State
from signet.gateway.neighbours import Neighbours, public_address
from signet.gateway.session import Session
from signet.ports.members import Member
from signet.telemetry import metrics

if TYPE_CHECKING:
    from signet.gateway.hub import Hub


class Strays:
    """Those of one gateway."""

    def __init__(self, hub: "Hub", neighbours: Neighbours) -> None:
        self._hub, self._neighbours = hub, neighbours
        self._looked_at = neighbours.version
        self._to_look: deque[int] = deque()
        self._waiting: dict[str, deque[Session]] = {}  # by gateway
        self._targets: dict[str, Bucket] = {}
        self._rate = Bucket(1.0, hub.clock())
        self.asked = 0

    @property
    def waiting(self) -> int:
        """How many are to be looked at or to be told yet."""
        return len(self._to_look) + self._found

    @property
    def _found(self) -> int:
        return sum(map(len, self._waiting.values()))

    def welcome(self, session: Session) -> str:
        """The better address for a newcomer's Welcome, '' for none."""
        home = self._home(session)
        if home is None:
            return ""
        if not self._takes(home, self._hub.clock()):
            self._later(session)
            return ""
        session.told = home.name
        return public_address(home, session.transport)

    def _later(self, session: Session) -> None:
        self._to_look.append(session.number)
        if len(self._to_look) > 2 * len(self._hub.sessions) + REBALANCE_LOOK:  # most are gone
            self._to_look = deque(self._hub.sessions)

    def _home(self, session: Session) -> Member | None:
        """The other gateway that it is to be told of, if there is one."""
        home = self._neighbours.home(session.address.device.user)
        if home is None or session.told == home.name:
            return None
        return home if public_address(home, session.transport) else None

    def _takes(self, target: Member, now: float) -> bool:
        """Its part of what the target accepts, shared with all others that may send some."""
        others = max(1, len(self._neighbours.active))
        rate = target.accepts * REBALANCE_PART / others
        bucket = self._targets.setdefault(target.name, Bucket(1.0, now))
        return rate > 0 and not bucket.take(now, max(1.0, rate * self._hub.config.tick), rate)

    def again(self) -> None:
        """Somebody asked: also those are told once more who were, and stayed."""
        for session in self._hub.sessions.values():
            session.told = ""
        self._to_look = deque(self._hub.sessions)
        self._waiting.clear()

    def tick(self, now: float) -> None:
        """Look at some, ask some. A drain asks everybody, at a pace of its own."""
        if self._hub.refusing is not None:
            return
        if self._neighbours.version != self._looked_at:
            self._looked_at = self._neighbours.version
            self._to_look = deque(self._hub.sessions)
            self._waiting.clear()
        if now - self._neighbours.changed_at >= MOVE_QUIET:
            self._look()
            self._ask(now)

    def _look(self) -> None:
        for _ in range(min(REBALANCE_LOOK - self._found, len(self._to_look))):
            session = self._hub.sessions.get(self._to_look.popleft())
            if session is not None and session.state is State.ACTIVE:
                home = self._home(session)
                if home is not None:
                    self._waiting.setdefault(home.name, deque()).append(session)

    def _ask(self, now: float) -> None:
        burst = max(1.0, REBALANCE_RATE * self._hub.config.tick)
        for name, sessions in list(self._waiting.items()):
            while sessions:
                home = self._home(sessions[0])
                if sessions[0].state is not State.ACTIVE or home is None or home.name != name:
                    sessions.popleft()  # gone, told, or the ring is another one
                elif not self._takes(home, now):
                    break
                elif self._rate.take(now, burst, REBALANCE_RATE):
                    return
                else:
                    self._tell(sessions.popleft(), home)
            if not sessions:
                del self._waiting[name]

    def _tell(self, session: Session, home: Member) -> None:
        session.told = home.name
        session.move(Input.STRAY, public_address(home, session.transport), 0.0)
        self.asked += 1
        metrics.STRAYS_ASKED.inc()
