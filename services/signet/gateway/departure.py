"""A gateway goes: its streams are asked to move, at a pace that the others accept (S7).

core/pace.py decides who is asked when; this performs it. Targets are the other gateways' names; ''
stands for the entry address, where no target can be reached by name. Nobody is asked to go there
before whoever stands before the gateways has seen that this one drains (`entry_lead`): they would
be led back here, and come later, in one wave with those who are asked then.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from signet.core.drain import Order
from signet.core.errors import Code
from signet.core.limits import BACKOFF_CAP, DRAIN_PART, PACE_STEP
from signet.core.pace import Pace
from signet.core.ring import Ring
from signet.core.session import Input, State
from signet.gateway.neighbours import Neighbours, public_address
from signet.gateway.session import Session
from signet.ports.members import Member
from signet.telemetry import metrics

if TYPE_CHECKING:
    from signet.gateway.hub import Hub

log = structlog.get_logger()

_GROUPED = 1_000  # streams that are placed on the ring without a pause
_LEAST = (
    0.001  # seconds of a pause: what is left before the deadline may be less than a clock shows
)
ENTRY = ""
_LEAD_PART = 1 / 8  # of the time for a drain, at most, until streams are asked back to the entry


class Departure:
    """One drain, from its first order to its end. `chance` is uniform in [0, 1)."""

    def __init__(
        self, hub: "Hub", neighbours: Neighbours, order: Order, chance: Callable[[], float]
    ) -> None:
        self._hub, self._neighbours, self._chance = hub, neighbours, chance
        self._order = order
        self._pace = Pace(order, hub.clock())
        self._entry_at = hub.clock() + self._lead()
        self._left: dict[str, list[Session]] = {}
        self._grouped_for: tuple[str, ...] | None = None
        self._changed = asyncio.Event()
        self.asked = 0

    def order(self, order: Order) -> None:
        """Go on under another order."""
        self._order = order
        self._pace.order(order, self._hub.clock())
        self._entry_at = min(self._entry_at, self._hub.clock() + self._lead())
        self._changed.set()

    def _lead(self) -> float:
        left = max(0.0, self._order.deadline - self._hub.clock())
        return min(self._hub.config.entry_lead, left * _LEAD_PART)

    @property
    def waiting(self) -> int:
        """How many were not asked yet."""
        return sum(map(len, self._left.values()))

    def status(self) -> dict[str, object]:
        """How far it is."""
        left = max(0.0, self._order.deadline - self._hub.clock())
        return {"asked": self.asked, "waiting": self.waiting, "seconds_left": round(left, 1)}

    async def run(self) -> None:
        """Until nobody is left; at the deadline, what is left is closed by name."""
        hub = self._hub
        while hub.sessions and hub.clock() < self._order.deadline:
            survivors = self._neighbours.active
            if not survivors:
                break
            await self._group(survivors)
            self._ask(survivors)
            if not self.waiting:
                self._grouped_for = None  # who was in its handshake has its turn when it is through
            await self._pause()
        self._close_the_rest()

    async def _pause(self) -> None:
        """A step; shorter when an order comes, when all have gone, or at the deadline."""
        self._changed.clear()
        until_end = max(_LEAST, self._order.deadline - self._hub.clock())
        waiting = [asyncio.ensure_future(one) for one in (self._changed.wait(), self._empty())]
        step = until_end if not self.waiting else min(PACE_STEP, until_end)
        try:
            await asyncio.wait(waiting, timeout=min(step, 1.0), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def _empty(self) -> None:
        await self._hub.wait_empty()

    async def _group(self, survivors: Mapping[str, Member]) -> None:
        """Put those who were not asked yet where they belong without this gateway, at random.

        Who is full now takes none: the ring of the others says where its part goes meanwhile.
        """
        able = tuple(sorted(name for name, member in survivors.items() if member.accepts > 0))
        if able == self._grouped_for:
            return
        ring = Ring(able)
        left: dict[str, list[Session]] = {}
        for number, session in enumerate(list(self._hub.sessions.values())):
            if number % _GROUPED == _GROUPED - 1:
                await asyncio.sleep(0)
            if session.state is State.ACTIVE:
                name = ring.at(session.address.device.user) or ENTRY
                public = public_address(survivors[name], session.transport) if name else ""
                left.setdefault(name if public else ENTRY, []).append(session)
        for sessions in left.values():
            sessions.sort(key=lambda _: self._chance())
        self._left, self._grouped_for = left, able

    def _accepts(self, survivors: Mapping[str, Member]) -> dict[str, float]:
        """What each target takes; the entry address leads to any: no more than the weakest."""
        accepts = {name: survivors[name].accepts for name in self._left if name in survivors}
        able = [member.accepts for member in survivors.values() if member.accepts > 0]
        by_name = sum(map(len, (s for n, s in self._left.items() if n != ENTRY)))
        accepts[ENTRY] = min(able) * (1 if by_name else len(able)) if able else 0.0
        return accepts

    def _ask(self, survivors: Mapping[str, Member]) -> None:
        now = self._hub.clock()
        left = {
            name: len(sessions)
            for name, sessions in self._left.items()
            if sessions and (name != ENTRY or now >= self._entry_at)
        }
        accepts = self._accepts(survivors)
        for name, count in self._pace.step(
            now, left, accepts, self._neighbours.draining + 1
        ).items():
            asked = 0
            while asked < count and self._left[name]:
                asked += self._ask_one(self._left[name].pop(), survivors.get(name))
            self.asked += asked
        metrics.DRAIN_LEFT.set(self.waiting)

    def _ask_one(self, session: Session, target: Member | None) -> bool:
        """Its moment within the step is chance's: those of one step do not come as one."""
        if session.state is not State.ACTIVE:
            return False
        to = public_address(target, session.transport) if target is not None else ""
        session.move(Input.DRAIN, to, self._chance() * PACE_STEP)
        return True

    def _close_the_rest(self) -> None:
        """By name, and with a time to come back at which the survivors, or we, can take them."""
        left = list(self._hub.sessions.values())
        survivors = self._neighbours.active
        if survivors:
            takes = sum(member.accepts for member in survivors.values()) * DRAIN_PART
            code, spread = Code.DRAINING, min(len(left) / max(takes, 1.0), BACKOFF_CAP)
        else:
            period = max(0.0, self._order.deadline - self._hub.clock())
            takes = self._hub.config.admit_rate
            code, spread = Code.NO_SURVIVOR, min(max(period, len(left) / takes), BACKOFF_CAP)
        if left:
            log.info("streams are closed", count=len(left), code=code.name)
        for session in left:
            session.end(code, retry_after_s=spread * self._chance())
