"""What a pod says of its stores. The clock is virtual; the stores are scripts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from signet.core.limits import REACH_AGAIN, REACH_PERIOD, REACH_TIMEOUT
from signet.pod.reaching import Reaching
from signet.ports.inbox import StoreUnavailable
from tests.support.virtual_time import in_virtual_time


class Scripted:
    """A store that does what `does` does; counts how often it is asked, and how often at once."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.takes_s = 0.0
        self.asked = self.under_way = self.most_at_once = 0

    async def ping(self) -> None:
        self.asked += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.under_way -= 1
        if self.error is not None:
            raise self.error


@asynccontextmanager
async def asking(**stores: Scripted) -> AsyncIterator[Reaching]:
    def now() -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    reaching = Reaching(stores, now)
    running = asyncio.create_task(reaching.run())
    try:
        yield reaching
    finally:
        running.cancel()
        await asyncio.wait([running])


@in_virtual_time
async def test_each_store_is_named_with_since_when_it_answers_and_since_when_not() -> None:
    inbox, members = Scripted(), Scripted()
    async with asking(inbox=inbox, members=members) as reaching:
        assert reaching.shown() == {}  # nothing is said of what was not asked
        await asyncio.sleep(REACH_PERIOD * 1.5)
        members.error = ConnectionError()
        await asyncio.sleep(REACH_PERIOD * 3)
        assert reaching.shown() == {
            "inbox": {"reachable": True, "since_ms": 0},
            "members": {"reachable": False, "since_ms": REACH_PERIOD * 2000},
        }
        members.error = None
        await asyncio.sleep(REACH_AGAIN * 1.5)
        back = reaching.shown()["members"]
        assert back["reachable"] is True
        assert back["since_ms"] == (REACH_PERIOD * 4.5 + REACH_AGAIN / 2) * 1000


@in_virtual_time
async def test_a_store_whose_answer_is_late_does_not_answer_and_is_not_asked_twice_at_once() -> (
    None
):
    directory = Scripted()
    directory.takes_s = REACH_TIMEOUT * 4
    async with asking(directory=directory) as reaching:
        await asyncio.sleep(REACH_TIMEOUT * 1.01)
        assert reaching.shown()["directory"] == {
            "reachable": False,
            "since_ms": REACH_TIMEOUT * 1000,
        }
        await asyncio.sleep(REACH_TIMEOUT * 20)
        assert reaching.shown()["directory"]["since_ms"] == REACH_TIMEOUT * 1000
        assert directory.asked > 1
        assert directory.most_at_once == 1


@in_virtual_time
async def test_whatever_a_store_raises_the_others_are_asked_on() -> None:
    broken, inbox, directory = Scripted(), Scripted(), Scripted()
    broken.error, directory.error = RuntimeError("a bug"), StoreUnavailable()
    async with asking(events=broken, inbox=inbox, directory=directory) as reaching:
        await asyncio.sleep(REACH_PERIOD * 2.5)
        found = {name: said["reachable"] for name, said in reaching.shown().items()}
        assert found == {"directory": False, "events": False, "inbox": True}
        assert (broken.asked, inbox.asked) == (REACH_PERIOD * 2.5 // REACH_AGAIN + 1, 3)
    assert inbox.under_way == 0
