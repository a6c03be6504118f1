"""People of the chaos suite who talk through a messenger on Kubernetes, from outside of it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tests.faults.chaos.crowd import Crowd
from tests.faults.chaos.ledger import Count, Ledger
from tests.support.kube_messenger import PATIENCE_S, Messenger

T = TypeVar("T")
COUNT, PER_SECOND = 18, 6.0  # three gateways have six each: a drain of one lasts some seconds
FEW = 9  # where nothing depends on that: to register and to part takes time


class People:
    """Those of one test."""

    def __init__(self, crowd: Crowd, ledger: Ledger) -> None:
        self.crowd, self.ledger = crowd, ledger

    async def meanwhile(self, work: Callable[[], T]) -> T:
        """Do what blocks, while they talk."""
        return await asyncio.to_thread(work)

    async def talk_on(self, messages: int = 20, within_s: float = PATIENCE_S) -> None:
        """So many more are SENT: talk goes on now."""
        wanted, over = len(self.ledger.sent) + messages, time.monotonic() + within_s
        while len(self.ledger.sent) < wanted:
            assert time.monotonic() < over, f"{len(self.ledger.sent)} SENT, {wanted} wanted"
            await asyncio.sleep(0.2)

    async def end(self, patience_s: float = PATIENCE_S) -> Count:
        """They stop, catch up, say farewell: nothing was lost, doubled or out of order."""
        await self.crowd.quiet()
        await self.crowd.caught_up(patience_s)
        await self.crowd.farewell()
        assert await self.crowd.caught_up(patience_s), self.ledger.missing()[:5]
        now = time.monotonic()
        count = self.ledger.count(now)
        assert count.good, [str(offence) for offence in self.ledger.offences(now)][:5]
        assert not self.crowd.unexpected, self.crowd.unexpected[:5]
        return count


@asynccontextmanager
async def people(chat: Messenger, folder: Path, count: int = COUNT) -> AsyncIterator[People]:
    """They talk inside; at its end they have `end`ed well."""
    ledger = Ledger()
    with chat.kube.network.entered():
        crowd = Crowd(
            people=count,
            processes=1,
            rate=PER_SECOND,
            restarts=0.0,
            seed=7,
            folder=folder,
            server=chat.rest,
            ledger=ledger,
            called=f"p{uuid.uuid4().hex[:8]}",  # others were on this messenger before
        )
        try:
            await crowd.enter()
            await crowd.greet()
            crowd.talk()
            some = People(crowd, ledger)
            yield some
            print(await some.end())
        finally:
            await crowd.kill()
