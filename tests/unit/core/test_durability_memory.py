"""What holds a journal's segments, and what lets go of them: J4, J5, J6, R2, R4, O4 in the core."""

from signet.core import limits
from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.incarnation import Parts
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.operations import (
    UNKNOWN,
    Acked,
    Effect,
    LeaseRow,
    Note,
    Noted,
    Pair,
    Put,
    ReadJournal,
    ReadLease,
    Record,
    SaveLast,
    Segment,
    ShardRow,
    SwapShard,
    Sweep,
    Trim,
    WriteRows,
    WriteSegment,
)
from signet.core.durability.recovery import row_writes
from signet.core.durability.shards import Shards
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId

US, DEAD = Incarnation(b"us"), Incarnation(b"dead")
SHARD, OTHER = ShardId(3), ShardId(4)
EPOCH = Epoch(2)
DEVICE, ELSEWHERE = DeviceId(UserId(b"u"), 1), DeviceId(UserId(b"e"), 1)


def owner() -> Core:
    parts = Parts(OwnLease(US, 1e9, 0.5), Watch(0.5), Journal(US, 8), Memory(), Shards(US))
    core = Core(parts, row_after=3.0, memory_bytes=10**9, head_after=10.0)
    core.lease.registered(0.0)
    for shard in (SHARD, OTHER):
        core.compare(ShardRow(shard, US, EPOCH))
    return core


def put(seq: int, device: DeviceId = DEVICE, shard: ShardId = SHARD, size: int = 1) -> Put:
    return Put(shard, device, Position(EPOCH, seq), 0, bytes(size))


def acked(seq: int) -> Acked:
    return Acked(SHARD, DEVICE, Position(EPOCH, seq))


def noted(counter: int) -> Noted:
    return Noted(SHARD, DEVICE, EPOCH, counter, (counter,))


def confirmed(core: Core, now: float, *records: Record) -> list[Effect]:
    """A segment of these records was written."""
    core.queue(0, records)
    [segment] = core.write(now)
    assert isinstance(segment, WriteSegment)
    return core.answered(now, segment, True)[:-1]


def rowless(core: Core) -> Core:
    core.memory.rowless.add(DEVICE)
    return core


# --- what holds a segment -------------------------------------------------------------------------


def test_a_later_acknowledgement_lets_go_of_all_earlier_segments() -> None:  # J4
    core = rowless(owner())
    for seq in range(1, 20):
        confirmed(core, 0.0, put(seq), acked(seq - 1))
        assert core.journal.mark() >= core.journal.next - 2


def test_a_device_that_says_nothing_more_has_its_head_saved_and_then_holds_nothing() -> None:  # J6
    core = rowless(owner())
    confirmed(core, 0.0, put(1), noted(5))
    confirmed(core, 1.0, acked(1))
    assert core.age(10.9) == []
    note = Note(Position(EPOCH, 1), 5, (5,))
    save = SaveLast(DEVICE, Position(EPOCH, 1), Position(EPOCH, 1), note, SHARD)
    assert core.age(11.0) == [save]
    assert core.journal.mark() == 1
    assert core.answered(11.0, save, UNKNOWN) == [save]
    core.answered(11.0, save, True)
    assert core.journal.mark() == 3


def test_a_head_that_was_overtaken_while_it_was_saved_is_saved_again() -> None:
    core = rowless(owner())
    confirmed(core, 0.0, noted(5))
    [save] = core.age(10.0)
    confirmed(core, 10.0, noted(6))
    assert isinstance(save, SaveLast)
    core.answered(10.0, save, True)
    assert core.journal.mark() == 2
    [again] = core.age(20.0)
    assert isinstance(again, SaveLast)
    assert again.note == Note(Position(EPOCH, 2), 6, (6,))


def test_an_item_that_is_repeated_holds_only_its_first_segment() -> None:  # J2
    core = owner()
    confirmed(core, 0.0, put(1))
    confirmed(core, 0.0, put(1))
    [rows] = core.age(3.0)
    core.answered(3.0, rows, True)  # type: ignore[arg-type]
    assert core.journal.mark() == 3
    assert core.memory.flushed(ShardRow(SHARD, US, EPOCH))


def test_an_item_that_comes_after_its_acknowledgement_is_not_there() -> None:  # W1
    core = rowless(owner())
    confirmed(core, 0.0, put(1), put(2), acked(2))
    confirmed(core, 0.0, put(1))
    assert not core.memory.items[DEVICE]
    assert core.memory.bytes == 0


# --- rows, trims ----------------------------------------------------------------------------------


def test_one_trim_of_a_device_is_under_way_and_the_next_goes_up_to_the_latest() -> None:
    core = owner()
    [first] = confirmed(core, 0.0, put(1), put(2), put(3), acked(1))
    assert first == Trim(DEVICE, Position(EPOCH, 1), SHARD)
    assert confirmed(core, 0.0, acked(2)) == []
    assert confirmed(core, 0.0, acked(3)) == []
    assert core.answered(0.0, first, True) == [Trim(DEVICE, Position(EPOCH, 3), SHARD)]


def test_rows_of_a_device_are_written_in_bounded_batches() -> None:
    core, size = owner(), limits.ROW_BATCH_BYTES // 2
    confirmed(core, 0.0, *(put(seq, size=size) for seq in range(1, 6)))
    written = []
    for _ in range(3):
        [rows] = core.age(3.0)
        assert isinstance(rows, WriteRows)
        written.append([row.position.seq for row in rows.rows])
        assert core.age(3.0) == []
        core.answered(3.0, rows, True)
    assert written == [[1, 2], [3, 4], [5]]
    assert core.age(3.0) == []


def test_a_segment_gathers_what_fits_and_a_large_append_is_one_of_its_own() -> None:  # J1
    core, half = owner(), limits.SEGMENT_BYTES // 2
    for seq, size in enumerate((half - 1000, half - 1000, half, 3 * half, 1), 1):
        core.queue(seq, [put(seq, size=size)])
    segments = []
    while core.journal.waiting:
        [write] = core.write(0.0)
        assert isinstance(write, WriteSegment)
        segments.append([record.position.seq for record in write.segment.records])  # type: ignore[union-attr]
    assert segments == [[1, 2], [3], [4], [5]]


def test_what_was_swept_holds_nothing() -> None:  # W2
    core = owner()
    confirmed(core, 0.0, put(1), put(2))
    [sweep] = core.sweep(DEVICE, Position(EPOCH, 1), SHARD)
    assert sweep == Sweep(DEVICE, Position(EPOCH, 1), SHARD)
    assert core.answered(0.0, sweep, UNKNOWN) == [sweep]
    core.answered(0.0, sweep, True)
    assert list(core.memory.items[DEVICE]) == [Position(EPOCH, 2)]


# --- release --------------------------------------------------------------------------------------


def test_a_shard_is_released_while_others_write_without_end() -> None:  # R4
    core = rowless(owner())
    confirmed(core, 0.0, put(1), put(2), acked(1))
    core.queue(1, [put(1, ELSEWHERE, OTHER)])
    core.write(0.0)  # never confirmed
    core.queue(2, [put(2, ELSEWHERE, OTHER)])  # never written
    flush = core.release(1.0, SHARD, taker_ready=True)
    assert {type(one) for one in flush} == {WriteRows, SaveLast}
    assert core.release(1.0, SHARD, taker_ready=True) == []
    for operation in flush:
        core.answered(1.0, operation, True)  # type: ignore[arg-type]
    row = ShardRow(SHARD, US, EPOCH)
    released = SwapShard(row, row._replace(owner=None))
    assert core.release(1.0, SHARD, taker_ready=True) == [released]
    assert DEVICE not in core.memory.rowless, "another may write rows now"
    assert DEVICE not in core.memory.last


# --- recovery -------------------------------------------------------------------------------------


def test_recovery_writes_the_latest_connection_and_not_those_of_other_shards() -> None:  # R2, O4
    other = noted(9)._replace(shard=OTHER)
    found = [Segment(DEAD, 1, (noted(5), other)), Segment(DEAD, 2, (noted(7),))]
    row = ShardRow(SHARD, US, Epoch(3))
    note = Note(Position(EPOCH, 2), 7, (7,))
    saved = [SaveLast(DEVICE, START, START, note, SHARD)]
    assert row_writes(Pair(DEAD, EPOCH), row, found, seal=2) == saved


def test_what_is_said_of_a_lease_is_said_to_the_shard_that_asked() -> None:
    core = owner()
    for shard in (SHARD, OTHER):
        row = ShardRow(shard, US, Epoch(3), (Pair(DEAD, EPOCH),))
        assert core.compare(row) == [ReadLease(DEAD, shard)]
    dead = LeaseRow(DEAD, 7, 4.0, True, 1, None)
    assert core.answered(0.0, ReadLease(DEAD, SHARD), dead) == [ReadJournal(DEAD, 1, SHARD)]
