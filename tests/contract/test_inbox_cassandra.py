"""What only an inbox with a journal does: rows, heads, recoveries, burials (J5, R2, R4)."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from cassandra.cluster import Session

from signet.adapters.inbox_cassandra.life import Pace
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.core import limits
from signet.core.durability.operations import Trim, WriteRows
from signet.core.ids import START, DeviceId, Incarnation, Position, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import Acknowledged, Batch, Connected, Entry, StoreUnavailable, Taken
from tests.support.cassandra import SLOW_S, cassandra_url, clear, plain
from tests.support.dying_inbox import AT_ONCE, Death, dying

__all__ = ["cassandra_url"]
pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(240)]
SHARDS = 32
SHARD = ShardId(9)
NOW_MS = 1_700_000_000_000
AGED_MS = NOW_MS - limits.ITEM_TTL * 1000 - 1
DAY_MS = 24 * 3600 * 1000
LONG_S = 1000.0
NEVER = 10**9
LATER = Pace(row_after=NEVER, head_after=NEVER)
SOON = 30.0
Opens = Callable[[Pace], CassandraInbox]


@pytest.fixture
def cql(cassandra_url: str) -> Iterator[Session]:
    clear(cassandra_url)
    with plain(cassandra_url) as session:
        yield session


@pytest.fixture
async def opens(cql: Session, cassandra_url: str) -> AsyncIterator[Opens]:
    stores: list[CassandraInbox] = []

    def open_one(pace: Pace) -> CassandraInbox:
        stores.append(
            CassandraInbox(
                cassandra_url, SHARDS, now_ms=lambda: NOW_MS, pace=pace, timeout_s=SLOW_S
            )
        )
        return stores[-1]

    yield open_one
    await asyncio.gather(*(store.close() for store in stores))


def somebody(shard: ShardId = SHARD) -> DeviceId:
    while shard_of(user := UserId(os.urandom(16)), SHARDS) != shard:
        pass
    return DeviceId(user, 1)


async def begin(store: CassandraInbox, *shards: ShardId) -> tuple[Incarnation, list[Taken]]:
    life = Incarnation(os.urandom(16))
    await store.register(life, LONG_S)
    for other, counter in (await store.leases()).items():
        if other != life and counter is not None:
            assert await store.mark_dead(other, counter)
    return life, list(await store.take(life, shards or [SHARD]))


def entry(device: DeviceId, epoch: int, seq: int, accepted_ms: int = NOW_MS) -> Entry:
    return Entry(device, Position(epoch, seq), accepted_ms, b"%d" % seq)


def batch(one: Taken, device: DeviceId, *numbers: int, acked: int = 0) -> Batch:
    acks = [Acknowledged(device, Position(one.epoch, acked))] if acked else []
    return Batch(one.shard, one.epoch, [entry(device, one.epoch, seq) for seq in numbers], acks)


async def numbers(store: CassandraInbox, device: DeviceId) -> list[int]:
    async with asyncio.timeout(SOON):
        while True:
            try:
                page = await store.read(device, START, 1000, limits.MIB, NOW_MS)
                return [one.position.seq for one in page.entries]
            except StoreUnavailable:  # it is recovering (R3)
                continue


async def eventually(so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await so():
            await asyncio.sleep(0.02)


async def rows(cql: Session, device: DeviceId) -> list[int]:
    """What is in the table, from the beginning."""
    query = "SELECT seq, body FROM item WHERE user = %s AND device = %s"
    found = await asyncio.to_thread(cql.execute, query, device)
    return [row.seq for row in found if row.body is not None]


async def test_what_is_acknowledged_in_time_never_becomes_a_row_nor_is_deleted(
    cql: Session, cassandra_url: str
) -> None:  # J5
    device, seen = somebody(), Death(after=NEVER, unheard=False)
    store = dying(cassandra_url, SHARDS, NOW_MS, seen, LATER)
    life, (one,) = await begin(store)
    await store.heads([device])
    await store.append([batch(one, device, 1, 2)])
    await store.append([batch(one, device, 3, acked=2)])
    await store.release(life, [one])
    assert await rows(cql, device) == [3]
    writes = [one for one in seen.operations if isinstance(one, WriteRows)]
    assert [row.position.seq for write in writes for row in write.rows] == [3]
    assert not any(isinstance(operation, Trim) for operation in seen.operations)
    (head,) = await store.heads([device])
    assert (head.acknowledged, head.last) == (Position(one.epoch, 2), Position(one.epoch, 3))
    await store.close()


async def is_so(found: Awaitable[object], wanted: object) -> bool:
    return await found == wanted


async def test_rows_are_deleted_when_they_are_acknowledged(opens: Opens, cql: Session) -> None:
    store, device = opens(AT_ONCE), somebody()
    _, (one,) = await begin(store)
    await store.append([batch(one, device, 1, 2, 3)])
    await eventually(lambda: is_so(rows(cql, device), [1, 2, 3]))
    await store.append([batch(one, device, acked=2)])
    assert await numbers(store, device) == [3]
    await eventually(lambda: is_so(rows(cql, device), [3]))


async def test_the_journal_forgets_what_is_in_rows(opens: Opens, cql: Session) -> None:  # J4
    store, device = opens(AT_ONCE), somebody()
    life, (one,) = await begin(store)
    for seq in range(1, limits.JOURNAL_PARTITION + 5):
        await store.append([batch(one, device, seq, acked=seq)])
    query = "SELECT segment FROM journal WHERE incarnation = %s AND part = 0"

    async def forgotten() -> bool:
        await store.renew(life)
        return not (await asyncio.to_thread(cql.execute, query, [life])).all()

    await eventually(forgotten)
    assert await numbers(store, device) == []


async def test_a_router_takes_over_all_shards_of_a_dead_one(opens: Opens, cql: Session) -> None:
    here, there = opens(LATER), opens(LATER)
    shards = [ShardId(n) for n in range(SHARDS)]
    _, taken = await begin(here, *shards)
    devices = {one.shard: somebody(one.shard) for one in taken}
    for first in (1, 4):
        await here.append([batch(one, devices[one.shard], first, first + 1) for one in taken])
        await here.append([batch(one, devices[one.shard], first + 2) for one in taken])
    await here.append([batch(one, devices[one.shard], acked=one.shard % 4) for one in taken])
    await here.close()
    _, again = await begin(there, *shards)
    assert [one.epoch for one in again] == [one.epoch + 1 for one in taken]
    for one in again:
        await there.append([batch(one, devices[one.shard], 1)])  # R3: at once, in its own epoch
    for shard, device in devices.items():
        assert await numbers(there, device) == [*range(shard % 4 + 1, 7), 1]


async def test_the_journal_of_the_dead_goes_when_no_shard_names_it(
    opens: Opens, cql: Session
) -> None:  # R4
    here, there, device = opens(LATER), opens(AT_ONCE), somebody()
    dead, (one,) = await begin(here)
    await here.append([batch(one, device, 1)])
    await here.close()
    life, _ = await begin(there)
    assert await numbers(there, device) == [1]

    async def buried() -> bool:
        await there.shards()
        return dead not in await there.leases()

    await eventually(buried)
    query = "SELECT segment FROM journal WHERE incarnation = %s AND part = 0"
    assert not (await asyncio.to_thread(cql.execute, query, [dead])).all()
    assert life in await there.leases()
    assert await numbers(there, device) == [1]


async def test_a_busy_shard_is_released_beside_others_that_are_busier(opens: Opens) -> None:  # R4
    store, other = opens(LATER), ShardId(10)
    life, (one, busy) = await begin(store, SHARD, other)
    device, writes = somebody(), 0
    await store.append([batch(one, device, *range(1, 50), acked=20)])

    async def writing() -> None:
        nonlocal writes
        elsewhere = somebody(other)
        while True:
            writes += 1
            await store.append([batch(busy, elsewhere, writes)])

    load = asyncio.create_task(writing())
    async with asyncio.timeout(SOON):
        await store.release(life, [one])
    assert not load.done()
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    assert writes
    (row,) = [row for row in await store.shards() if row.shard == SHARD]
    assert row.owner is None
    assert await numbers(store, device) == list(range(21, 50))


async def test_a_released_shard_is_as_it_was_for_the_next_owner(opens: Opens) -> None:  # J6
    here, there, device, idle = opens(LATER), opens(LATER), somebody(), somebody()
    life, (one,) = await begin(here)
    note = Connected(device, 7, (6, 7))
    await here.append([Batch(SHARD, one.epoch, [entry(device, one.epoch, 1)], (), [note])])
    await here.append([batch(one, idle, 1, 2, acked=2)])
    before = await here.heads([device, idle])
    await here.release(life, [one])
    other = Incarnation(os.urandom(16))
    await there.register(other, LONG_S)
    assert len(await there.take(other, [SHARD])) == 1
    assert await there.heads([device, idle]) == before


async def test_rows_that_are_too_old_are_swept_though_their_owner_does_not_know_them(
    opens: Opens, cql: Session
) -> None:  # W2
    here, there, device = opens(AT_ONCE), opens(LATER), somebody()
    life, (one,) = await begin(here)
    aged = [entry(device, one.epoch, seq, AGED_MS - DAY_MS) for seq in (1, 2)]
    await here.append([Batch(SHARD, one.epoch, [*aged, entry(device, one.epoch, 3)])])
    await here.release(life, [one])
    await begin(there)
    assert [await there.sweep(AGED_MS + 1, 1) for _ in range(3)] == [1, 1, 0]
    assert await rows(cql, device) == [3]
    page = await there.read(device, START, 100, limits.MIB, NOW_MS)
    assert page.expired == [(Position(0, 1), Position(one.epoch, 2))]


async def test_the_same_shards_change_hands_again_and_again(opens: Opens) -> None:
    """What an owner knew of a shard before it gave it away is not what it knows after (W1)."""
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(owner(opens(AT_ONCE))) for _ in range(2)]
        device = somebody()
        for turn in range(6):
            store, life = (one, two)[turn % 2]
            (taken,) = await store.take(life, [SHARD])
            await store.append([batch(taken, device, 1, 2, 3, acked=2)])
            assert await numbers(store, device) == [3], turn
            await store.release(life, [taken])


@asynccontextmanager
async def owner(store: CassandraInbox) -> AsyncIterator[tuple[CassandraInbox, Incarnation]]:
    life = Incarnation(os.urandom(16))
    await store.register(life, LONG_S)
    yield store, life
