"""Rules of durability.md that are one decision each: J1, J5's bound, L6, L7, W1, R1's details."""

import pytest

from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.incarnation import Parts
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.operations import (
    UNKNOWN,
    Appended,
    LeaseRow,
    Pair,
    Put,
    ReadJournal,
    ReadLease,
    Renew,
    Seal,
    Segment,
    ShardRow,
    SwapShard,
    WriteRows,
    WriteSegment,
)
from signet.core.durability.recovery import Recovery
from signet.core.durability.rows import timestamp
from signet.core.durability.shards import Shards
from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId, UserId

US, DEAD, OTHER = Incarnation(b"us"), Incarnation(b"dead"), Incarnation(b"other")
SHARD = ShardId(3)
DEVICE = DeviceId(UserId(b"u"), 1)
ROW = ShardRow(SHARD, US, Epoch(2))


def put(seq: int, epoch: int = 2) -> Put:
    return Put(SHARD, DEVICE, Position(epoch, seq), 0, b"%d" % seq)


def owner(memory_bytes: int = 10_000) -> Core:
    parts = Parts(OwnLease(US, 4.0, 0.5), Watch(0.5), Journal(US, 8), Memory(), Shards(US))
    core = Core(parts, row_after=3.0, memory_bytes=memory_bytes)
    core.lease.registered(0.0)
    core.compare(ROW)
    return core


def test_all_that_waits_is_one_segment_and_a_send_is_never_split() -> None:  # J1
    core = owner()
    core.append(1, SHARD, Epoch(2), [put(1), put(2)])
    core.append(2, SHARD, Epoch(2), [put(3)])
    assert core.write(0.0) == [WriteSegment(Segment(US, 1, (put(1), put(2), put(3))))]
    assert core.write(0.0) == []


def test_both_sends_of_a_segment_follow_from_its_confirmation() -> None:  # J1, J3
    core = owner()
    core.append(1, SHARD, Epoch(2), [put(1)])
    core.append(2, SHARD, Epoch(2), [put(2)])
    [segment] = core.write(0.0)
    assert isinstance(segment, WriteSegment)
    assert core.answered(0.1, segment, UNKNOWN) == [segment]  # J2
    assert core.answered(0.2, segment, True) == [Appended(1), Appended(2)]


def test_sends_are_refused_when_memory_is_short_and_taken_again_after_rows() -> None:  # J5
    core = owner(memory_bytes=1)
    assert core.append(1, SHARD, Epoch(2), [put(1)])
    [segment] = core.write(0.0)
    assert isinstance(segment, WriteSegment)
    core.answered(0.0, segment, True)
    assert not core.append(2, SHARD, Epoch(2), [put(2)])
    rows = WriteRows(DEVICE, (put(1),))
    assert rows in core.wake(3.0)
    core.answered(3.0, rows, True)
    assert core.append(2, SHARD, Epoch(2), [put(2)])


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_frame_that_means_another_epoch_is_refused(epoch: int) -> None:  # L7
    assert not owner().append(1, SHARD, Epoch(epoch), [put(1, epoch)])


def test_a_shard_is_released_only_when_its_taker_is_ready() -> None:  # L6
    core = owner()
    assert core.release(0.0, SHARD, taker_ready=False) == []
    assert core.shards.appends(SHARD, Epoch(2))
    released = SwapShard(ROW, ROW._replace(owner=None))
    assert core.release(0.0, SHARD, taker_ready=True) == [released]
    assert not core.shards.appends(SHARD, Epoch(2))


def test_a_shard_whose_owner_is_not_known_to_be_dead_is_not_taken() -> None:  # L5
    row = ShardRow(SHARD, OTHER, Epoch(5))
    alive = LeaseRow(OTHER, 9, 4.0, False, 1, None)
    assert owner().take(row, alive) == []
    assert owner().take(row, None) == []
    taken = ShardRow(SHARD, US, Epoch(6), (Pair(OTHER, Epoch(5)),))
    assert owner().take(row, alive._replace(dead=True)) == [SwapShard(row, taken)]


def test_a_renewal_that_was_tried_twice_counts_from_the_first_try() -> None:  # L2, L4
    lease = OwnLease(US, 4.0, 0.5)
    lease.registered(0.0)
    assert lease.renew(1.0, mark=1) == Renew(US, 0, 1)
    assert lease.answered(UNKNOWN) == ReadLease(US)
    assert lease.renew(2.0, mark=1) is None
    lease.answered(LeaseRow(US, 1, 4.0, False, 1, None))
    assert lease.deadline == 1.0 + 3.5


def test_a_reader_that_saw_less_than_the_seal_reads_again() -> None:  # R1
    recovery = Recovery(ROW._replace(unrecovered=(Pair(DEAD, Epoch(1)),)))
    recovery.start()
    dead = LeaseRow(DEAD, 7, 4.0, True, 1, None)
    assert recovery.lease_read(dead) == [ReadJournal(DEAD, 1, SHARD)]
    assert recovery.journal_read(()) == [Seal(DEAD, 0, SHARD)]
    again = recovery.sealed(Seal(DEAD, 0, SHARD), dead._replace(seal=1))
    assert again == [ReadJournal(DEAD, 1, SHARD)]
    late = Segment(DEAD, 1, (put(1, epoch=1),))
    assert recovery.journal_read((late,)) == [WriteRows(DEVICE, (put(1, epoch=1),))]


def test_timestamps_rise_with_positions_and_end_loudly() -> None:  # W1
    positions = [Position(1, 1), Position(1, 2), Position(1, 2**40 - 1), Position(2, 0)]
    stamps = [timestamp(position) for position in positions]
    assert stamps == sorted(set(stamps))
    assert timestamp(Position(2**22 - 1, 2**40 - 1)) < 2**63
    for beyond in (Position(2**22, 0), Position(1, 2**40)):
        with pytest.raises(ValueError, match="no timestamp"):
            timestamp(beyond)
