"""A router's store whose process dies between any two operations."""

import asyncio
from collections.abc import Callable

from signet.adapters.inbox_cassandra.driver import Driver
from signet.adapters.inbox_cassandra.life import Pace
from signet.adapters.inbox_cassandra.session import Session
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.core.durability.operations import Answer, Operation
from tests.support.cassandra import SLOW_S

AT_ONCE = Pace(row_after=0.0, head_after=0.0, tick=0.005)


class Death:
    """After so many operations. `unheard`: the last one is done, and nobody hears of it."""

    def __init__(self, after: int, unheard: bool) -> None:
        self.after, self.unheard = after, unheard
        self.operations: list[Operation] = []
        self.came = asyncio.Event()

    def performs(self, session: Session, now_ms: Callable[[], int]) -> Driver:
        return DyingDriver(session, now_ms, self)


class DyingDriver(Driver):
    """Sends nothing any more when it is dead, and hears nothing."""

    def __init__(self, session: Session, now_ms: Callable[[], int], death: Death) -> None:
        super().__init__(session, now_ms)
        self._death = death

    async def perform(self, operation: Operation) -> Answer:
        death = self._death
        death.operations.append(operation)
        if len(death.operations) > death.after and not death.unheard:
            await self._die()
        answer = await super().perform(operation)
        if len(death.operations) > death.after:
            await self._die()
        return answer

    async def _die(self) -> None:
        self._death.came.set()
        await asyncio.Event().wait()


def dying(url: str, shards: int, now_ms: int, death: Death, pace: Pace = AT_ONCE) -> CassandraInbox:
    return CassandraInbox(
        url,
        shards,
        now_ms=lambda: now_ms,
        pace=pace,
        performs=death.performs,
        timeout_s=SLOW_S,
    )
