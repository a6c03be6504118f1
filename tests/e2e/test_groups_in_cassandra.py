"""A group's log in Cassandra: whoever takes the shard of a dead owner goes on with it (G1)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.router.router import Router
from tests.support.cassandra import SLOW_S, cassandra_url, clear
from tests.support.devices import Device
from tests.support.known_groups import KnownGroups
from tests.support.one_router import ALICE, BOB, SHARDS, connected
from tests.unit.router.groups.conftest import GROUP, groups
from tests.unit.router.groups.test_group_sends import answered, changes, messages

__all__ = ["cassandra_url", "groups"]
pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(180)]


async def start(url: str, groups: KnownGroups) -> Router:
    store = CassandraInbox(url, SHARDS, timeout_s=SLOW_S)
    presence, events = MemoryPresence(boot_clock), MemoryEvents()
    router = Router(
        store,
        groups.users,
        presence,
        events,
        groups=groups,
        shards=SHARDS,
        alone=True,
        lease_s=float("inf"),
    )
    await router.start()
    return router


async def die(router: Router) -> None:
    """As kill -9: nothing is written or released any more."""
    writer = router._context.writer._task
    tasks = [*router._tasks, *([writer] if writer else [])]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await router._context.store.close()


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():
            await asyncio.sleep(0.1)


async def test_what_a_dead_owner_answered_reaches_all_members_by_the_next_one(
    cassandra_url: str, groups: KnownGroups
) -> None:
    clear(cassandra_url)
    first = await start(cassandra_url, groups)
    first._groups._fan_out._pump = lambda: None  # type: ignore[method-assign]  # nothing goes out
    alice = await connected(first, ALICE)
    alice.send_group(groups.send(GROUP, 1, b"one"))
    alice.send_group(groups.send(GROUP, 2, b"two", base=1))
    assert {answer.code for answer in await answered(alice, 2)} == {None}
    groups.change(GROUP, ALICE, BOB)
    await first.group_changed(GROUP)
    await die(first)

    second = await start(cassandra_url, groups)
    try:
        groups.told(GROUP, 2)
        bob = await connected(second, BOB)
        await bob.until(lambda: len(messages(bob)) == 2 and len(changes(bob)) >= 1)
        assert [message.content for message in messages(bob)] == [b"one", b"two"]
        assert changes(bob)[0].record == b"change 2"
        places = [m.at.seq for m in messages(bob)] + [changes(bob)[0].at.seq]
        assert places == [1, 2, 3]
        store, shards = second._context.store, list(second._context.epochs)

        async def trimmed() -> bool:
            return not await store.logs(shards)

        await eventually(trimmed)
        again = Device(second, ALICE)
        again.counter = 5
        await again.connect()
        again.send_group(groups.send(GROUP, 3, b"three"))
        assert (await answered(again, 1))[0].code is None
        await bob.until(lambda: len(messages(bob)) == 3)
    finally:
        await second.stop()
        await second._context.store.close()
