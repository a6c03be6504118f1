"""What ports/inbox.py says may be relied upon, on every adapter."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.adapters.inbox_sqlite import open_inbox
from signet.core import limits
from signet.core.groups import LOG_DEVICE
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import (
    Acknowledged,
    Batch,
    Connected,
    Entry,
    Head,
    InboxStore,
    NotOwner,
    OtherShards,
    ShardRow,
    Taken,
)
from tests.support.cassandra import SLOW_S, cassandra_url, clear

__all__ = ["cassandra_url"]
Open = Callable[[], Awaitable[InboxStore]]
SHARDS = 16
NOW_MS = 1_700_000_000_000
AGED_MS = NOW_MS - limits.ITEM_TTL * 1000 - 1
SHARD = ShardId(3)
LEASE_S = 100.0


@pytest.fixture
async def open_store(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens the same inboxes, as another process would."""
    opened: list[InboxStore] = []
    open_one: Open = request.getfixturevalue(f"{request.param}_inbox")

    async def open_another() -> InboxStore:
        opened.append(await open_one())
        return opened[-1]

    yield open_another
    await asyncio.gather(*(store.close() for store in opened))


@pytest.fixture
def sqlite_inbox(tmp_path: Path) -> Open:
    async def open_one() -> InboxStore:
        return open_inbox(tmp_path / "inbox.sqlite", SHARDS)

    return open_one


@pytest.fixture
def cassandra_inbox(cassandra_url: str) -> Open:
    clear(cassandra_url)

    async def open_one() -> InboxStore:
        return CassandraInbox(cassandra_url, SHARDS, now_ms=lambda: NOW_MS, timeout_s=SLOW_S)

    return open_one


every_adapter = pytest.mark.parametrize(
    "open_store",
    ["sqlite", pytest.param("cassandra", marks=pytest.mark.lane("cassandra"))],
    indirect=True,
)


def somebody(device: int = 1) -> DeviceId:
    """Whose inbox is in SHARD."""
    while shard_of(user := UserId(os.urandom(16)), SHARDS) != SHARD:
        pass
    return DeviceId(user, device)


async def incarnation(store: InboxStore) -> Incarnation:
    """One life of a router, registered, that lasts for a test."""
    life = Incarnation(os.urandom(16))
    await store.register(life, LEASE_S)
    return life


async def taken(store: InboxStore, shard: ShardId = SHARD) -> Epoch:
    """A shard that is ours."""
    (one,) = await store.take(await incarnation(store), [shard])
    return one.epoch


def entry(device: DeviceId, epoch: int, seq: int, accepted_ms: int = NOW_MS) -> Entry:
    return Entry(device, Position(epoch, seq), accepted_ms, b"%d.%d" % (epoch, seq))


def entries(device: DeviceId, epoch: int, *numbers: int) -> list[Entry]:
    return [entry(device, epoch, seq) for seq in numbers]


async def stored(store: InboxStore, device: DeviceId, after: Position = START) -> Sequence[Entry]:
    page = await store.read(device, after, 1000, limits.MIB, NOW_MS)
    assert not page.more
    return page.entries


# --- append and read ------------------------------------------------------------------------------


@every_adapter
async def test_what_was_appended_is_read_in_order_by_its_owner_and_by_the_next_one(
    open_store: Open,
) -> None:
    here, there, device = await open_store(), await open_store(), somebody()
    life = await incarnation(here)
    (one,) = await here.take(life, [SHARD])
    await here.append([Batch(SHARD, one.epoch, entries(device, one.epoch, 1, 2))])
    await here.append([Batch(SHARD, one.epoch, entries(device, one.epoch, 3))])
    everything = entries(device, one.epoch, 1, 2, 3)
    assert await stored(here, device) == everything
    assert await stored(here, device, Position(one.epoch, 1)) == everything[1:]
    await here.release(life, [one])
    await taken(there)
    assert await stored(there, device) == everything
    assert await stored(there, device, Position(one.epoch, 1)) == everything[1:]


@every_adapter
async def test_the_next_owner_finds_the_logs_of_groups_that_have_items(open_store: Open) -> None:
    here, there = await open_store(), await open_store()
    waiting, done, device = somebody(LOG_DEVICE), somebody(LOG_DEVICE), somebody()
    life = await incarnation(here)
    (one,) = await here.take(life, [SHARD])
    items = [entry(each, one.epoch, seq) for each in (waiting, done, device) for seq in (1, 2)]
    await here.append([Batch(SHARD, one.epoch, items)])
    up_to = Position(one.epoch, 2)
    await here.append([Batch(SHARD, one.epoch, acknowledged=[Acknowledged(done, up_to)])])
    assert await here.logs([SHARD]) == [waiting]
    await here.release(life, [one])
    next_epoch = await taken(there)
    assert await there.logs([ShardId(0)]) == []
    assert await there.logs([ShardId(0), SHARD]) == [waiting]
    done_now = [Acknowledged(waiting, up_to)]
    await there.append([Batch(SHARD, next_epoch, acknowledged=done_now)])
    assert await there.logs([SHARD]) == []


@every_adapter
async def test_a_read_crosses_epochs_without_a_gap(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    first = await taken(store)
    await store.append([Batch(SHARD, first, entries(device, first, 1, 2))])
    (life,) = [row.owner for row in await store.shards() if row.shard == SHARD]
    assert life is not None
    await store.release(life, [Taken(SHARD, first)])
    second = await taken(store)
    await store.append([Batch(SHARD, second, entries(device, second, 1))])
    assert second > first
    found = await stored(store, device, Position(first, 1))
    assert found == [*entries(device, first, 2), *entries(device, second, 1)]


@every_adapter
async def test_devices_and_users_do_not_see_each_others_items(open_store: Open) -> None:
    store, one = await open_store(), somebody()
    other, stranger = DeviceId(one.user, 2), somebody()
    epoch = await taken(store)
    mixed = [entry(one, epoch, 1), entry(stranger, epoch, 1), entry(other, epoch, 1)]
    await store.append([Batch(SHARD, epoch, mixed)])
    for device in (one, other, stranger):
        assert await stored(store, device) == [entry(device, epoch, 1)]


@every_adapter
async def test_the_same_append_again_has_no_effect(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    batch = Batch(
        SHARD,
        epoch,
        entries(device, epoch, 1, 2, 3),
        [Acknowledged(device, Position(epoch, 1))],
        [Connected(device, 7, (6, 7))],
    )
    await store.append([batch])
    before = await store.heads([device])
    await store.append([batch])  # J2
    assert await store.heads([device]) == before
    assert await stored(store, device) == entries(device, epoch, 2, 3)


@every_adapter
async def test_a_page_is_bounded_by_items_and_by_bytes_and_says_that_more_follows(
    open_store: Open,
) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    large = [Entry(device, Position(epoch, seq), NOW_MS, bytes(1000)) for seq in range(1, 6)]
    await store.append([Batch(SHARD, epoch, large)])
    by_items = await store.read(device, START, 2, limits.MIB, NOW_MS)
    assert (list(by_items.entries), by_items.more) == (large[:2], True)
    by_bytes = await store.read(device, START, 100, 2500, NOW_MS)
    assert 1 <= len(by_bytes.entries) < 5
    assert by_bytes.more
    one = await store.read(device, START, 100, 1, NOW_MS)
    assert (list(one.entries), one.more) == (large[:1], True), "a large item is not stuck"
    rest = await store.read(device, Position(epoch, 3), 2, limits.MIB, NOW_MS)
    assert (list(rest.entries), rest.more) == (large[3:], False)


# --- acknowledge ----------------------------------------------------------------------------------


@every_adapter
async def test_the_newest_items_come_oldest_first_bounded_by_items_and_by_bytes(
    open_store: Open,
) -> None:
    store, device = await open_store(), somebody()
    for life in [await incarnation(store) for _ in range(2)]:
        (one,) = await store.take(life, [SHARD])
        await store.append([Batch(SHARD, one.epoch, entries(device, one.epoch, 1, 2, 3))])
        await store.release(life, [one])
    everything = list(await stored(store, device))
    assert await store.newest(device, 4, limits.READ_BYTES) == everything[-4:]
    assert await store.newest(device, 100, limits.READ_BYTES) == everything
    assert await store.newest(device, 4, 1) == everything[-1:]
    assert await store.newest(somebody(), 4, limits.READ_BYTES) == []


@every_adapter
async def test_what_is_acknowledged_is_gone_whatever_comes_late(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    await store.append([Batch(SHARD, epoch, entries(device, epoch, 1, 2, 3))])
    await store.append([Batch(SHARD, epoch, (), [Acknowledged(device, Position(epoch, 2))])])
    await store.append([Batch(SHARD, epoch, entries(device, epoch, 1, 2))])  # W1
    await store.append([Batch(SHARD, epoch, (), [Acknowledged(device, Position(epoch, 1))])])
    assert await stored(store, device) == entries(device, epoch, 3)
    (head,) = await store.heads([device])
    assert (head.acknowledged, head.last) == (Position(epoch, 2), Position(epoch, 3))
    assert (head.items, head.bytes) == (1, len(b"1.3"))


@every_adapter
async def test_an_acknowledgement_in_the_append_that_brings_the_item_deletes_it(
    open_store: Open,
) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    acknowledged = [Acknowledged(device, Position(epoch, 2))]
    await store.append([Batch(SHARD, epoch, entries(device, epoch, 1, 2, 3), acknowledged)])
    assert await stored(store, device) == entries(device, epoch, 3)


# --- heads ----------------------------------------------------------------------------------------


@every_adapter
async def test_heads_come_in_the_order_asked_and_unknown_devices_are_at_the_start(
    open_store: Open,
) -> None:
    store, known, unknown = await open_store(), somebody(), somebody()
    epoch = await taken(store)
    connected = [Connected(known, 5, (3, 5))]
    await store.append([Batch(SHARD, epoch, entries(known, epoch, 1, 2), (), connected)])
    first, second = await store.heads([unknown, known])
    assert (first.device, first.last, first.acknowledged) == (unknown, START, START)
    assert (first.counter, first.resumable, first.items) == (0, (), 0)
    assert (second.device, second.last) == (known, Position(epoch, 2))
    assert (second.counter, second.resumable) == (5, (3, 5))
    assert (second.items, second.bytes) == (2, 6)


@every_adapter
async def test_the_last_number_outlives_the_items(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    life = await incarnation(store)
    (one,) = await store.take(life, [SHARD])
    epoch = one.epoch
    await store.append([Batch(SHARD, epoch, entries(device, epoch, 1, 2))])
    await store.append([Batch(SHARD, epoch, (), [Acknowledged(device, Position(epoch, 2))])])
    await store.release(life, [one])
    again = await open_store()
    (head,) = await again.heads([device])
    assert (head.last, head.items, head.bytes) == (Position(epoch, 2), 0, 0)  # J6


@every_adapter
async def test_a_lower_counter_does_not_replace_a_higher_one(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    for counter, resumable in ((5, (5,)), (4, (3, 4))):
        await store.append([Batch(SHARD, epoch, (), (), [Connected(device, counter, resumable)])])
    (head,) = await store.heads([device])
    assert (head.counter, head.resumable) == (5, (5,))  # O4


# --- drop, age ------------------------------------------------------------------------------------


@every_adapter
async def test_a_dropped_inbox_is_empty_and_its_numbers_go_on(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    other, epoch = DeviceId(device.user, 2), await taken(store)
    both = [*entries(device, epoch, 1, 2), entry(other, epoch, 1)]
    await store.append([Batch(SHARD, epoch, both, (), [Connected(device, 40, (40,))])])
    await store.drop(SHARD, epoch, [device, somebody()])
    (head,) = await store.heads([device])
    assert (head.last, head.items) == (Position(epoch, 2), 0)
    assert (head.counter, head.resumable) == (0, ()), "a device of that id may connect anew"
    await store.append([Batch(SHARD, epoch, entries(device, epoch, 1))])
    assert await stored(store, device) == []
    assert await stored(store, other) == [entry(other, epoch, 1)]


@every_adapter
async def test_an_inbox_that_is_dropped_for_good_has_no_items(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    await store.append([Batch(SHARD, epoch, entries(device, epoch, 1, 2))])
    await store.drop(SHARD, epoch, [device, somebody()], for_good=True)
    assert await stored(store, device) == []
    (head,) = await store.heads([device])
    assert head.items == 0


async def test_sqlite_forgets_the_heads_of_inboxes_that_are_dropped_for_good(
    sqlite_inbox: Open,
) -> None:
    store, device = await sqlite_inbox(), somebody()
    epoch = await taken(store)
    note = Connected(device, 40, (40,))
    await store.append([Batch(SHARD, epoch, entries(device, epoch, 1), (), [note])])
    await store.drop(SHARD, epoch, [device], for_good=True)
    assert await store.heads([device]) == [Head(device, START, START)]
    await store.close()


@every_adapter
async def test_what_is_too_old_is_reported_and_not_returned(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    aged = [entry(device, epoch, seq, AGED_MS) for seq in (1, 2)]
    await store.append([Batch(SHARD, epoch, [*aged, *entries(device, epoch, 3)])])
    page = await store.read(device, START, 100, limits.MIB, NOW_MS)
    assert list(page.entries) == entries(device, epoch, 3)
    ((_, last),) = page.expired
    assert last == Position(epoch, 2)
    page = await store.read(device, Position(epoch, 2), 100, limits.MIB, NOW_MS)
    assert not page.expired


@every_adapter
async def test_what_was_swept_is_reported_until_it_is_acknowledged(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    aged = [entry(device, epoch, seq, AGED_MS) for seq in (1, 2, 3)]
    await store.append([Batch(SHARD, epoch, [*aged, *entries(device, epoch, 4)])])
    await store.append([Batch(SHARD, epoch, (), [Acknowledged(device, Position(epoch, 1))])])
    assert await store.sweep(AGED_MS + 1, 100) == 2
    assert await store.sweep(AGED_MS + 1, 100) == 0
    page = await store.read(device, START, 100, limits.MIB, NOW_MS)
    assert list(page.entries) == entries(device, epoch, 4)
    assert list(page.expired) == [(Position(epoch, 2), Position(epoch, 3))]  # R7
    await store.append([Batch(SHARD, epoch, (), [Acknowledged(device, Position(epoch, 3))])])
    page = await store.read(device, START, 100, limits.MIB, NOW_MS)
    assert (list(page.entries), list(page.expired)) == (entries(device, epoch, 4), [])


@every_adapter
async def test_a_clock_that_stepped_back_makes_nothing_expire_that_is_behind_younger_items(
    open_store: Open,
) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    items = [entry(device, epoch, 1), entry(device, epoch, 2, AGED_MS), entry(device, epoch, 3)]
    await store.append([Batch(SHARD, epoch, items)])
    assert await store.sweep(AGED_MS + 1, 100) == 0
    page = await store.read(device, START, 100, limits.MIB, NOW_MS)
    assert (list(page.entries), list(page.expired)) == (items, [])


@every_adapter
async def test_a_sweep_is_bounded(open_store: Open) -> None:
    store, devices = await open_store(), [somebody(), somebody()]
    epoch = await taken(store)
    aged = [entry(device, epoch, seq, AGED_MS) for device in devices for seq in (1, 2, 3)]
    await store.append([Batch(SHARD, epoch, aged)])
    swept = [await store.sweep(AGED_MS + 1, 2) for _ in range(4)]
    assert swept == [2, 2, 2, 0]


# --- fences and leases ----------------------------------------------------------------------------


@every_adapter
async def test_a_shard_has_one_owner_and_every_take_raises_its_epoch(open_store: Open) -> None:
    here, there = await open_store(), await open_store()
    one, two = await incarnation(here), await incarnation(there)
    (first,) = await here.take(one, [SHARD])
    assert await there.take(two, [SHARD]) == []
    await here.release(one, [first])
    (second,) = await there.take(two, [SHARD])
    assert second.epoch > first.epoch  # L5
    await here.release(one, [first])  # late: it is not theirs any more (L6)
    rows = await here.shards()
    assert len(rows) == SHARDS
    assert ShardRow(SHARD, two, second.epoch) in rows
    assert rows[0] == ShardRow(ShardId(0), None, Epoch(0))


@every_adapter
async def test_a_write_in_another_epoch_is_refused_and_nothing_of_the_call_is_written(
    open_store: Open,
) -> None:
    store, device, other = await open_store(), somebody(), somebody()
    epoch = await taken(store)
    theirs = await taken(store, ShardId(4))
    fine = Batch(SHARD, epoch, entries(device, epoch, 1))
    late = Batch(ShardId(4), Epoch(theirs + 1), entries(other, theirs + 1, 1))
    with pytest.raises(NotOwner):
        await store.append([fine, late])
    assert await stored(store, device) == []
    await store.append([fine])
    with pytest.raises(NotOwner):
        await store.drop(SHARD, Epoch(epoch + 1), [device])
    assert await stored(store, device) == entries(device, epoch, 1)


@every_adapter
async def test_an_append_that_waits_beside_a_refused_one_is_written(open_store: Open) -> None:
    store, device = await open_store(), somebody()
    epoch = await taken(store)
    batches = [Batch(SHARD, Epoch(e), entries(device, e, 1)) for e in (epoch, epoch + 1)]
    fine, refused = await asyncio.gather(
        *(store.append([batch]) for batch in batches), return_exceptions=True
    )
    assert fine is None
    assert isinstance(refused, NotOwner)
    assert await stored(store, device) == entries(device, epoch, 1)


@every_adapter
async def test_who_is_marked_dead_neither_renews_nor_writes_and_its_shards_may_be_taken(
    open_store: Open,
) -> None:
    here, there, device = await open_store(), await open_store(), somebody()
    one, two = await incarnation(here), await incarnation(there)
    (first,) = await here.take(one, [SHARD])
    await here.renew(one)
    counter = (await there.leases())[one]
    assert counter is not None
    await here.renew(one)
    assert not await there.mark_dead(one, counter), "it has moved on (L2)"
    assert await there.mark_dead(one, counter + 1)
    assert (await here.leases())[one] is None
    with pytest.raises(NotOwner):
        await here.renew(one)
    with pytest.raises(NotOwner):
        await here.append([Batch(SHARD, first.epoch, entries(device, first.epoch, 1))])
    (second,) = await there.take(two, [SHARD])
    assert second.epoch > first.epoch


@every_adapter
async def test_an_unknown_or_dead_incarnation_takes_nothing(open_store: Open) -> None:
    store = await open_store()
    one = await incarnation(store)
    assert await store.mark_dead(one, (await store.leases())[one] or 0)
    for life in (one, Incarnation(os.urandom(16))):
        assert await store.take(life, [SHARD]) == []


# --- how many shards ------------------------------------------------------------------------------


@every_adapter
async def test_whoever_registers_first_says_how_many_shards_there_are(
    open_store: Open,
) -> None:
    """Another number puts users into shards of other owners: it registers nobody."""
    store = await open_store()
    await incarnation(store)
    other = await open_store()
    other._shards = 2 * SHARDS  # type: ignore[attr-defined] # as of another setting
    life = Incarnation(os.urandom(16))
    for _ in range(2):
        with pytest.raises(OtherShards, match=f"{2 * SHARDS} here, .* in {SHARDS}$"):
            await other.register(life, LEASE_S)
    assert life not in await store.leases()
    await incarnation(await open_store())
