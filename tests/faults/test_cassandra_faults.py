"""Cassandra stopped, killed, away for longer than a lease: nothing is lost, nothing is doubled."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from signet.adapters.inbox_cassandra.life import Pace
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.core import limits
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import Acknowledged, Batch, Entry, NotOwner, StoreUnavailable, Taken
from tests.support.cassandra import cassandra_url, clear
from tests.support.lanes import Server

__all__ = ["cassandra_url"]
pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(180)]
SHARDS = 4
SHARD = ShardId(1)
NOW_MS = 1_700_000_000_000
LONG_S = 1000.0
NEVER = 10**9
SOON = 60.0


class Owner:
    """A store that holds a shard, and an inbox in it."""

    def __init__(self, store: CassandraInbox, life: Incarnation, one: Taken) -> None:
        self.store, self.life, self.one, self.epoch = store, life, one, one.epoch
        self.device = somebody()

    def batch(self, *numbers: int, acked: int = 0) -> list[Batch]:
        entries = [
            Entry(self.device, Position(self.epoch, seq), NOW_MS, b"%d" % seq) for seq in numbers
        ]
        acks = [Acknowledged(self.device, Position(self.epoch, acked))] if acked else []
        return [Batch(SHARD, self.epoch, entries, acks)]

    async def found(self) -> list[int]:
        page = await self.store.read(self.device, START, 1000, limits.MIB, NOW_MS)
        return [entry.position.seq for entry in page.entries]


def somebody() -> DeviceId:
    while shard_of(user := UserId(os.urandom(16)), SHARDS) != SHARD:
        pass
    return DeviceId(user, 1)


async def owner_in(url: str, lease_s: float, pace: Pace | None = None) -> Owner:
    store = CassandraInbox(url, SHARDS, now_ms=lambda: NOW_MS, pace=pace or Pace())
    life = Incarnation(os.urandom(16))
    await store.register(life, lease_s)
    (one,) = await store.take(life, [SHARD])
    return Owner(store, life, one)


@pytest.fixture
async def owner(cassandra_url: str) -> AsyncIterator[Owner]:
    clear(cassandra_url)
    made = await owner_in(cassandra_url, LONG_S)
    yield made
    await made.store.close()


async def append_until_known(owner: Owner, batches: list[Batch]) -> None:
    """As a router does: the same again until the outcome is known (J2)."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                return await owner.store.append(batches)
            except StoreUnavailable:
                continue


async def found_soon(owner: Owner) -> list[int]:
    async with asyncio.timeout(SOON):
        while True:
            try:
                return await owner.found()
            except StoreUnavailable:
                await asyncio.sleep(0.1)


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
    await append_until_known(owner, owner.batch(3, acked=1))
    await owner.store.append(owner.batch(4))
    assert await found_soon(owner) == [2, 3, 4]


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
    pending = asyncio.create_task(append_until_known(owner, owner.batch(6)))
    await asyncio.sleep(0)
    cassandra_server.kill()
    with pytest.raises(StoreUnavailable):
        await owner.found()
    await asyncio.to_thread(cassandra_server.start)
    await pending
    await append_until_known(owner, owner.batch(7, acked=2))
    assert await found_soon(owner) == [3, 4, 5, 6, 7]


async def test_who_takes_over_after_a_killed_store_has_all_that_was_confirmed(
    owner: Owner, cassandra_server: Server, cassandra_url: str
) -> None:
    for seq in range(1, 6):
        await owner.store.append(owner.batch(seq, acked=seq - 2 if seq > 2 else 0))
    await asyncio.to_thread(cassandra_server.restart)
    await owner.store.close()
    store = CassandraInbox(cassandra_url, SHARDS, now_ms=lambda: NOW_MS)
    (counter,) = (await store.leases()).values()
    assert await store.mark_dead(owner.life, counter or 0)
    life = Incarnation(os.urandom(16))
    await store.register(life, LONG_S)
    (one,) = await store.take(life, [SHARD])
    assert one.epoch == Epoch(owner.epoch + 1)
    after = Owner(store, life, one)
    after.device = owner.device
    assert await found_soon(after) == [4, 5]
    await store.close()


async def test_past_its_deadline_an_incarnation_confirms_nothing(
    cassandra_server: Server, cassandra_url: str
) -> None:  # L3
    clear(cassandra_url)
    owner = await owner_in(cassandra_url, 1.5)
    with cassandra_server.paused(), pytest.raises(NotOwner):
        await append_until_known(owner, owner.batch(1))
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
        await append_until_known(owner, owner.batch(seq))
    assert await owner.found() == list(range(1, 30))
    await owner.store.close()
