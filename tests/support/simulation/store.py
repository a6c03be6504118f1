"""A store that does what Cassandra may do: late writes, conditional rows, cells with timestamps.

It has four kinds of parts: a lease, a shard row, the journal of an incarnation, the inbox of a
device. Each operation touches one. A quorum sees every confirmed write; conditional writes and
serial reads are one order.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from signet.core.durability.operations import (
    Answer,
    DeletePartition,
    LeaseRow,
    MarkDead,
    Note,
    Operation,
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
from signet.core.durability.rows import timestamp
from signet.core.ids import START, Position

PER_PARTITION = 1
Stamp = Callable[[Position, int], int]
Cell = tuple[int, Position]  # timestamp, value


def by_position(position: Position, issued: int) -> int:
    """W1. `issued` is the wall clock of the writer, which the rule does not use."""
    return timestamp(position)


class Log(NamedTuple):
    """A journal: its segments in order, and the partitions that were deleted."""

    segments: tuple[Segment, ...] = ()
    deleted: frozenset[int] = frozenset()

    def get(self, n: int) -> Segment | None:
        return next((segment for segment in self.segments if segment.number == n), None)


class Inbox(NamedTuple):
    """The partition of a device."""

    rows: frozenset[tuple[int, Put]] = frozenset()
    trims: frozenset[Cell] = frozenset()
    acked: Cell = (-1, START)
    last: Cell = (-1, START)
    note: Note | None = None
    swept: Cell = (-1, START)

    def read(self) -> list[Put]:
        """Rows that are there, in order: at equal timestamps the tombstone wins."""
        return sorted(put for stamp, put in self.rows if not self.trimmed(stamp, put.position))

    def trimmed(self, stamp: int, position: Position) -> bool:
        return any(position <= end and stamp <= at for at, end in self.trims)


StorePart: TypeAlias = LeaseRow | ShardRow | Log | Inbox


def apply(
    part: StorePart, operation: Operation, issued: int, stamp: Stamp
) -> tuple[StorePart, Answer]:
    """The part after the operation, and what the store says."""
    match part:
        case LeaseRow():
            row = _lease(part, operation)
            return row, row
        case ShardRow():
            shard = _shard(part, operation)
            return shard, shard
        case Log():
            return _log(part, operation)
        case Inbox():
            return _inbox(part, operation, lambda position: stamp(position, issued)), True


Apply = Callable[[StorePart, Operation, int, Stamp], tuple[StorePart, Answer]]


def _lease(row: LeaseRow, operation: Operation) -> LeaseRow:
    match operation:
        case Renew(_, counter, mark) if not row.dead and row.counter == counter:
            return row._replace(counter=counter + 1, mark=mark)
        case MarkDead(_, counter) if row.counter == counter:
            return row._replace(dead=True)
        case Seal(_, end, _) if row.dead and row.seal is None:
            return row._replace(seal=end)
    return row


def _shard(row: ShardRow, operation: Operation) -> ShardRow:
    if isinstance(operation, SwapShard) and operation.old == row:
        return operation.new
    return row


def _log(log: Log, operation: Operation) -> tuple[Log, Answer]:
    match operation:
        case WriteSegment(segment) if segment.number // PER_PARTITION not in log.deleted:
            others = [s for s in log.segments if s.number != segment.number]
            return log._replace(segments=tuple(sorted([*others, segment], key=number))), True
        case DeletePartition(_, partition):
            kept = tuple(s for s in log.segments if s.number // PER_PARTITION != partition)
            return Log(kept, log.deleted | {partition}), True
        case ReadJournal(_, mark, _):
            return log, tuple(s for s in log.segments if s.number >= mark)
    return log, True


def number(segment: Segment) -> int:
    return segment.number


def _inbox(inbox: Inbox, operation: Operation, stamp: Callable[[Position], int]) -> Inbox:
    match operation:
        case WriteRows(_, puts):
            for put in puts:
                inbox = _row(inbox, (stamp(put.position), put))
            end = puts[-1].position
            return inbox._replace(last=max(inbox.last, (stamp(end), end)))
        case Trim(_, position, _):
            cut = (stamp(position), position)
            trims = inbox.trims | {cut}
            return inbox._replace(
                trims=trims, acked=max(inbox.acked, cut), last=max(inbox.last, cut)
            )
        case Sweep(_, position, _):
            cut = (stamp(position), position)
            trims = inbox.trims | {cut}
            return inbox._replace(
                trims=trims, swept=max(inbox.swept, cut), last=max(inbox.last, cut)
            )
        case SaveLast(_, position, ack, note, _):
            acked, last = (stamp(ack), ack), (stamp(position), position)
            newer = note is not None and (inbox.note is None or note.stamp > inbox.note.stamp)
            inbox = inbox._replace(note=note) if newer else inbox
            return inbox._replace(acked=max(inbox.acked, acked), last=max(inbox.last, last))
    return inbox


def _row(inbox: Inbox, cell: tuple[int, Put]) -> Inbox:
    known = next((c for c in inbox.rows if c[1].position == cell[1].position), None)
    if known is None:
        return inbox._replace(rows=inbox.rows | {cell})
    if cell[0] <= known[0]:
        return inbox
    return inbox._replace(rows=(inbox.rows - {known}) | {cell})


def reads(operation: Operation) -> bool:
    return isinstance(operation, ReadLease | ReadShard | ReadJournal)
