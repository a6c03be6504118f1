"""A router that ends gives its shards back, however long the store takes for it."""

import asyncio
import random
from collections.abc import Sequence

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.presence_memory import MemoryPresence
from signet.core.ids import Incarnation
from signet.core.limits import SHARDS_LOOK
from signet.ports.inbox import Taken
from signet.router.router import Router
from tests.support import virtual_time
from tests.support.troubled_inbox import Rows, TroubledInbox
from tests.support.troubled_users import TroubledUsers

SHARDS = 8


class SlowToRelease(TroubledInbox):
    """One shard after the other, as Cassandra does it, with a look at the rows between any two."""

    async def release(self, incarnation: Incarnation, shards: Sequence[Taken]) -> None:
        for one in shards:
            await super().release(incarnation, [one])
            await asyncio.sleep(2 * SHARDS_LOOK)


@virtual_time.in_virtual_time
async def test_what_it_has_released_itself_was_not_taken_by_another() -> None:
    chance, lost = random.Random(1), list[str]()
    loop = asyncio.get_running_loop()
    router = Router(
        SlowToRelease(Rows(), chance, SHARDS),
        TroubledUsers(chance),
        MemoryPresence(loop.time),
        MemoryEvents(),
        shards=SHARDS,
        alone=True,
        lost=lambda: lost.append("lost"),
        clock=loop.time,
    )
    await router.start()
    assert router.load() == SHARDS
    await router.stop()
    assert lost == []
