"""Cassandra stopped, killed, away for longer than a lease: nothing is lost, nothing is doubled."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from signet.adapters.inbox_cassandra.life import Pace
from signet.core import limits
from signet.ports.inbox import NotOwner, StoreUnavailable
from tests.support.cassandra import cassandra_url, clear
from tests.support.inbox_owner import LONG_S, SHARD, Owner, after, owner_in
from tests.support.lanes import Server

__all__ = ["cassandra_url"]
pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(180)]
NEVER = 10**9


@pytest.fixture
async def owner(cassandra_url: str) -> AsyncIterator[Owner]:
    clear(cassandra_url)
    made = await owner_in(cassandra_url, LONG_S)
    yield made
    await made.store.close()


async def test_an_append_to_a_stopped_store_is_unknown_until_it_goes_on_and_is_there_once(
    owner: Owner, cassandra_server: Server
) -> None:
    await owner.store.append(owner.batch(1, 2))
    with cassandra_server.paused():
        batch = owner.batch(3, acked=1)
        with pytest.raises(StoreUnavailable):
            await owner.store.append(batch)
        with pytest.raises(StoreUnavailable):
            await owner.store.append(batch)
    await owner.append(owner.batch(3, acked=1))
    await owner.store.append(owner.batch(4))
    assert await owner.found_soon() == [2, 3, 4]


async def test_the_loop_goes_on_while_the_store_is_stopped(
    owner: Owner, cassandra_server: Server
) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    turning = asyncio.create_task(turn())
    with cassandra_server.paused():
        appends = [owner.store.append(owner.batch(n)) for n in range(1, 40)]
        said = await asyncio.gather(*appends, owner.found(), return_exceptions=True)
    turning.cancel()
    assert all(isinstance(one, StoreUnavailable) for one in said)
    assert turns > 20 * limits.STORE_PATIENCE


async def test_what_was_appended_outlives_a_killed_store_and_appends_go_on(
    owner: Owner, cassandra_server: Server
) -> None:
    for seq in range(1, 6):
        await owner.store.append(owner.batch(seq))
    pending = asyncio.create_task(owner.append(owner.batch(6)))
    await asyncio.sleep(0)
    cassandra_server.kill()
    with pytest.raises(StoreUnavailable):
        await owner.found()
    await asyncio.to_thread(cassandra_server.start)
    await pending
    await owner.append(owner.batch(7, acked=2))
    assert await owner.found_soon() == [3, 4, 5, 6, 7]


async def test_who_takes_over_after_a_killed_store_has_all_that_was_confirmed(
    owner: Owner, cassandra_server: Server, cassandra_url: str
) -> None:
    for seq in range(1, 6):
        await owner.store.append(owner.batch(seq, acked=seq - 2 if seq > 2 else 0))
    await asyncio.to_thread(cassandra_server.restart)
    await owner.store.close()
    following = await after(owner, cassandra_url)
    assert following.epoch == owner.epoch + 1
    assert await following.found_soon() == [4, 5]
    await following.store.close()


async def test_past_its_deadline_an_incarnation_confirms_nothing(
    cassandra_server: Server, cassandra_url: str
) -> None:  # L3
    clear(cassandra_url)
    owner = await owner_in(cassandra_url, 1.5)
    with cassandra_server.paused(), pytest.raises(NotOwner):
        await owner.append(owner.batch(1))
    with pytest.raises(NotOwner):
        await owner.store.append(owner.batch(2))
    with pytest.raises(NotOwner):
        await owner.store.renew(owner.life)
    with pytest.raises(StoreUnavailable):
        await owner.found()
    assert await owner.store.take(owner.life, [SHARD]) == []
    await owner.store.close()


async def test_a_renewed_lease_goes_on(cassandra_url: str) -> None:  # L1
    clear(cassandra_url)
    owner = await owner_in(cassandra_url, limits.LEASE)
    before = (await owner.store.leases())[owner.life]
    for _ in range(3):
        await owner.store.renew(owner.life)
    assert before is not None
    assert (await owner.store.leases())[owner.life] == before + 3
    await owner.store.append(owner.batch(1))
    await owner.store.close()


async def test_when_memory_is_short_items_become_rows_and_sends_go_on(
    cassandra_url: str,
) -> None:  # J5
    clear(cassandra_url)
    small = Pace(row_after=NEVER, head_after=NEVER, memory=4 * limits.RECORD_BYTES)
    owner = await owner_in(cassandra_url, LONG_S, small)
    for seq in range(1, 30):
        await owner.append(owner.batch(seq))
    assert await owner.found() == list(range(1, 30))
    await owner.store.close()
