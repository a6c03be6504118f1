"""What the rules of durability rest on, asked of a real Cassandra: one operation after another.

tests/support/simulation/store.py says that Cassandra is so; here it says so itself.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator

import pytest

from signet.adapters.inbox_cassandra.driver import Driver
from signet.adapters.inbox_cassandra.migrate import migrate
from signet.adapters.inbox_cassandra.schema import VERSION
from signet.adapters.inbox_cassandra.session import Session
from signet.adapters.inbox_cassandra.url import parse
from signet.adapters.schema import OldSchema
from signet.core import limits
from signet.core.durability.operations import (
    Acked,
    DeletePartition,
    LeaseRow,
    MarkDead,
    Note,
    Operation,
    Pair,
    Put,
    ReadJournal,
    ReadLease,
    ReadShard,
    Renew,
    SaveLast,
    Seal,
    Segment,
    ShardRow,
    SwapShard,
    Sweep,
    Trim,
    WriteRows,
    WriteSegment,
)
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from tests.support.cassandra import SLOW_S, cassandra_url, clear, keyspace_of
from tests.support.lanes import Server

__all__ = ["cassandra_url"]
pytestmark = pytest.mark.lane("cassandra")
NOW_MS = 1_700_000_000_000
SHARD = ShardId(5)
READ = "read_items"


@pytest.fixture
async def driver(cassandra_url: str) -> AsyncIterator[Driver]:
    session = await Session.open(parse(cassandra_url), SLOW_S)
    yield Driver(session, lambda: NOW_MS)
    await session.close()


def somebody() -> DeviceId:
    return DeviceId(UserId(os.urandom(16)), 1)


def somewhere() -> Incarnation:
    return Incarnation(os.urandom(16))


def put(device: DeviceId, seq: int, epoch: int = 1, accepted_ms: int = NOW_MS) -> Put:
    return Put(SHARD, device, Position(epoch, seq), accepted_ms, b"%d" % seq)


async def numbers(driver: Driver, device: DeviceId) -> list[tuple[int, int]]:
    found = await driver.read(READ, *device, *START, 1000)
    return [(row.epoch, row.seq) for row in found]


async def head(driver: Driver, device: DeviceId) -> list[object]:
    found = await driver.read("read_head", *device)
    return list(found[0]) if found else []


# --- rows (W1) ------------------------------------------------------------------------------------


async def test_in_whatever_order_rows_and_a_trim_arrive_the_same_is_left(driver: Driver) -> None:
    for order in itertools.permutations(range(4)):
        device = somebody()
        operations: list[Operation] = [
            WriteRows(device, (put(device, 1), put(device, 2))),
            WriteRows(device, (put(device, 3),)),
            Trim(device, Position(1, 2), SHARD),  # the timestamp of the row that it goes up to
            Trim(device, Position(1, 1), SHARD),
        ]
        for n in order:
            assert await driver.perform(operations[n]) is True
        assert await numbers(driver, device) == [(1, 3)], order
        acked, last, *_ = await head(driver, device)
        assert (acked, last) == (1 << 40 | 2, 1 << 40 | 3), order


async def test_a_row_of_a_later_epoch_outlives_any_trim_of_an_earlier_one(driver: Driver) -> None:
    device = somebody()
    await driver.perform(WriteRows(device, (put(device, 1, epoch=2),)))
    await driver.perform(Trim(device, Position(1, 2**40 - 1), SHARD))
    assert await numbers(driver, device) == [(2, 1)]


async def test_a_head_is_not_deleted_with_what_is_before_it_and_has_no_end(driver: Driver) -> None:
    device, end = somebody(), Position(2**22 - 1, 2**40 - 1)
    note = Note(Position(1, 7), 5, (4, 5))
    await driver.perform(SaveLast(device, Position(1, 9), Position(1, 8), note, SHARD))
    await driver.perform(Sweep(device, end, SHARD))
    acked, last, swept, connection = await head(driver, device)
    assert (acked, connection) == (1 << 40 | 8, [5, 4, 5])
    assert last == swept == 2**62 - 1


async def test_of_two_connections_that_of_the_later_record_holds(driver: Driver) -> None:
    early, late = Note(Position(1, 9), 6, (6,)), Note(Position(2, 1), 2, ())
    for notes in ((early, late), (late, early)):
        device = somebody()
        for note in notes:
            await driver.perform(SaveLast(device, START, START, note, SHARD))
        assert (await head(driver, device))[3] == [2]


async def test_time_to_live_runs_from_acceptance(driver: Driver) -> None:  # W2
    device = somebody()
    over = NOW_MS - (limits.ITEM_TTL + limits.ROW_GRACE) * 1000
    rows = (put(device, 1, accepted_ms=over + 1000), put(device, 2, accepted_ms=NOW_MS))
    await driver.perform(WriteRows(device, rows))
    async with asyncio.timeout(30):
        while await numbers(driver, device) != [(1, 2)]:
            await asyncio.sleep(0.1)
    assert (await head(driver, device))[1] == 1 << 40 | 2, "the head stays"


# --- the journal ----------------------------------------------------------------------------------


def segment(life: Incarnation, number: int) -> Segment:
    return Segment(life, number, (put(somebody(), number), Acked(SHARD, somebody(), START)))


async def test_a_journal_is_read_from_the_mark_to_the_first_gap(driver: Driver) -> None:  # R1
    life, k = somewhere(), limits.JOURNAL_PARTITION
    there = {n: segment(life, n) for n in [*range(k - 2, k + 3), k + 4]}
    for one in there.values():
        assert await driver.perform(WriteSegment(one)) is True
    found = await driver.perform(ReadJournal(life, k - 1, SHARD))
    assert found == tuple(there[n] for n in range(k - 1, k + 3))
    other = await driver.perform(ReadJournal(life, k - 1, ShardId(6)))
    assert other == tuple(Segment(life, n, ()) for n in range(k - 1, k + 3))
    await driver.perform(WriteSegment(segment(life, k + 3)))
    again = await driver.perform(ReadJournal(life, k - 1, SHARD))
    assert isinstance(again, tuple)
    assert len(again) == 6, "who asks twice has seen that there is more"


async def test_a_segment_that_comes_after_its_deletion_stays_away(driver: Driver) -> None:  # J4
    life = somewhere()
    await driver.perform(WriteSegment(segment(life, 1)))
    await driver.perform(DeletePartition(life, 0))
    await driver.perform(WriteSegment(segment(life, 1)))
    await driver.perform(WriteSegment(segment(life, 2)))
    assert await driver.perform(ReadJournal(life, 1, SHARD)) == ()


# --- conditional writes ---------------------------------------------------------------------------


async def test_of_many_takes_at_once_one_is_done_and_all_see_it(
    driver: Driver, cassandra_url: str
) -> None:  # L5
    clear(cassandra_url)
    row = ShardRow(SHARD, None, Epoch(0))
    for epoch in (1, 2):
        takers = [somewhere() for _ in range(8)]
        pairs = (Pair(somewhere(), Epoch(1)),)
        swaps = [SwapShard(row, ShardRow(SHARD, life, Epoch(epoch), pairs)) for life in takers]
        said = await asyncio.gather(*(certain(driver, swap) for swap in swaps))
        assert len(set(said)) == 1
        row = said[0]
        assert row.owner in takers
        assert await driver.perform(ReadShard(SHARD)) == row
    released = row._replace(owner=None)
    assert await certain(driver, SwapShard(row, released)) == released
    late = SwapShard(row, row._replace(unrecovered=()))
    assert await certain(driver, late) == released, "a released shard is another row"


async def certain(driver: Driver, swap: SwapShard) -> ShardRow:
    """The row after the swap: contention may leave the outcome unknown, then it is read (L4)."""
    said: object = await driver.perform(swap)
    while not isinstance(said, ShardRow):
        said = await driver.perform(ReadShard(swap.old.shard))
    return said


async def test_a_lease_is_renewed_on_its_counter_until_it_is_dead_and_is_sealed_once(
    driver: Driver,
) -> None:  # L1, L2, R1
    life = somewhere()
    await driver.insert_lease(life, 4.0)
    await driver.insert_lease(life, 9.0)
    row = LeaseRow(life, 0, 4.0, False, 1, None)
    assert await driver.perform(ReadLease(life)) == row
    renewed = await driver.perform(Renew(life, 0, 7))
    assert isinstance(renewed, LeaseRow)
    assert (renewed.counter, renewed.mark, renewed.dead) == (1, 7, False)
    again = await driver.perform(Renew(life, 0, 9))
    assert again == row._replace(counter=1, mark=7), "the same counter again changes nothing"
    alive = await driver.perform(Seal(life, 5, SHARD))
    assert isinstance(alive, LeaseRow)
    assert alive.seal is None, "who lives is not sealed"
    assert await driver.perform(MarkDead(life, 0)) is False
    assert await driver.perform(MarkDead(life, 1)) is True
    dead = await driver.perform(Renew(life, 1, 9))
    assert dead == row._replace(counter=1, mark=7, dead=True)
    seals = await asyncio.gather(*(sealed(driver, life, end) for end in range(6)))
    assert len(set(seals)) == 1


async def sealed(driver: Driver, life: Incarnation, end: int) -> int | None:
    operation: Operation = Seal(life, end, SHARD)
    while not isinstance(said := await driver.perform(operation), LeaseRow):
        operation = ReadLease(life)
    return said.seal


async def test_a_lease_that_is_not_there_has_an_empty_journal(driver: Driver) -> None:  # R4
    life = somewhere()
    assert await driver.perform(ReadLease(life)) == LeaseRow(life, 0, 0.0, True, 1, 0)
    assert await driver.perform(MarkDead(life, 0)) is False


# --- the schema -----------------------------------------------------------------------------------


async def test_two_migrations_at_once_make_one_schema(cassandra_server: Server) -> None:
    url = keyspace_of(cassandra_server)
    with pytest.raises(OldSchema):
        await Session.open(parse(url), SLOW_S)
    said = await asyncio.gather(migrate(url), migrate(url), migrate(url))
    assert sum("went from version 0" in one for one in said) == 1
    assert f"is at version {VERSION}" in await migrate(url)
    session = await Session.open(parse(url), SLOW_S)
    await session.close()
