"""From the journals of the dead to rows, then serve (R1, R2, R4). One `Recovery` a taken shard.

Repeatable, and by several at once: rows have the same keys and timestamps whoever writes them (W1),
and all readers of a journal use the one end that is recorded in it (R1).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

from signet.core.durability.operations import (
    UNKNOWN,
    Acked,
    Answer,
    LeaseRow,
    Note,
    Noted,
    Operation,
    Pair,
    Put,
    ReadJournal,
    ReadLease,
    Record,
    SaveLast,
    Seal,
    Segment,
    ShardRow,
    SwapShard,
    Trim,
    WriteRows,
)
from signet.core.durability.weights import batch
from signet.core.ids import START, DeviceId, Incarnation, Position, ShardId


class Recovery:
    """Takes the pairs of one shard's `unrecovered` one after the other, then takes them off."""

    __slots__ = ("found", "lease", "pairs", "row", "writing")

    def __init__(self, row: ShardRow) -> None:
        self.row = row
        self.pairs = row.unrecovered
        self.lease: LeaseRow | None = None  # of the pair that is read now
        self.found: tuple[Segment, ...] | None = None
        self.writing: set[Operation] = set()

    def start(self) -> list[Operation]:
        """The next pair; when all are rows, take them off by LWT (R2)."""
        if self.pairs:
            return [ReadLease(self.pairs[0].incarnation, self.row.shard)]
        return [SwapShard(self.row, self.row._replace(unrecovered=()))]

    def lease_read(self, row: LeaseRow | Answer) -> list[Operation]:
        """The dead one's row: its mark, and its seal where another reader was first (R1)."""
        if not self.pairs:
            return []
        pair = self.pairs[0]
        if not isinstance(row, LeaseRow):
            return [ReadLease(pair.incarnation, self.row.shard)]  # L4: until it is known
        if row.incarnation != pair.incarnation or self.writing:
            return []  # the answer to a question that is settled
        if not self.may_read(row):
            return []
        if self.found is not None and row.seal is not None:
            return self.rows(row.seal)
        self.lease = row
        return [ReadJournal(row.incarnation, row.mark, self.row.shard)]

    def may_read(self, row: LeaseRow) -> bool:
        """Only a journal to which nothing can be confirmed any more: marked dead first (R1)."""
        return row.dead

    def journal_read(self, found: Answer) -> list[Operation]:
        """The end of the run without a gap becomes the seal, if there is none (R1)."""
        if self.lease is None or self.writing:
            return []
        if not is_journal(found):
            return [ReadJournal(self.lease.incarnation, self.lease.mark, self.row.shard)]
        self.found = found
        if self.lease.seal is not None:
            return self.rows(self.lease.seal)
        end = self.end(self.lease.mark, found)
        return [Seal(self.lease.incarnation, end, self.row.shard)]

    def end(self, mark: int, found: Sequence[Segment]) -> int:
        """The last segment before the first that is missing (R1)."""
        numbers = {segment.number for segment in found}
        number = mark
        while number in numbers:
            number += 1
        return number - 1

    def sealed(self, seal: Seal, row: Answer) -> list[Operation]:
        """The row after the seal's LWT: its seal is the one that counts, ours or not (R1)."""
        if self.lease is None or seal.incarnation != self.lease.incarnation or self.writing:
            return []
        if self.found is None:
            return []  # another shard's recovery sealed it; ours is still to read
        if not isinstance(row, LeaseRow):
            return [ReadLease(seal.incarnation, self.row.shard)]  # L4
        if row.seal is None:
            return [seal]
        return self.rows(self.seal_of(seal, row.seal))

    def seal_of(self, ours: Seal, recorded: int) -> int:
        """Every reader uses the first one (R1)."""
        return recorded

    def rows(self, seal: int) -> list[Operation]:
        """All live entries of the pair up to the seal, and their acknowledged positions (R2)."""
        assert self.lease is not None
        assert self.found is not None
        if self.end(self.lease.mark, self.found) < seal:  # R1: another saw more; so do we now
            self.lease, self.found = self.lease._replace(seal=seal), None
            return [ReadJournal(self.lease.incarnation, self.lease.mark, self.row.shard)]
        operations = row_writes(self.pairs[0], self.row, self.found, seal)
        self.writing = set(operations)
        return operations or self.next_pair()

    def written(self, operation: Operation, answer: Answer) -> list[Operation]:
        """A row or trim is confirmed; unknown: the same again, it is repeatable."""
        if operation not in self.writing:
            return []
        if answer is UNKNOWN:
            return [operation]
        self.writing.discard(operation)
        return [] if self.writing else self.next_pair()

    def next_pair(self) -> list[Operation]:
        self.pairs = self.pairs[1:]
        self.lease, self.found, self.writing = None, None, set()
        return self.start()


def is_journal(answer: Answer) -> TypeGuard[tuple[Segment, ...]]:
    """Whether it is what `ReadJournal` answers: rows are tuples too."""
    return isinstance(answer, tuple) and not isinstance(answer, LeaseRow | ShardRow)


def row_writes(pair: Pair, row: ShardRow, found: Iterable[Segment], seal: int) -> list[Operation]:
    """What a dead journal holds of a shard, as operations on rows.

    What lies beyond the seal is ignored, for ever (R1). What was acknowledged becomes no row; its
    last number does, in the trim or with the rows (J6).
    """
    puts: dict[DeviceId, dict[Position, Put]] = {}
    acked: dict[DeviceId, Position] = {}
    notes: dict[DeviceId, Note] = {}
    for number, record in records(row.shard, found, seal):
        device = record.device
        if isinstance(record, Acked):
            acked[device] = max(acked.get(device, record.position), record.position)
        elif isinstance(record, Noted):
            stamp = Position(record.epoch, number)
            notes[device] = Note(stamp, record.counter, record.resumable)
        elif record.position.epoch == pair.epoch:
            puts.setdefault(device, {})[record.position] = record
    operations: list[Operation] = []
    for device, items in puts.items():
        live = [items[p] for p in sorted(items) if device not in acked or p > acked[device]]
        while live:
            rows = batch(live)
            operations.append(WriteRows(device, rows))
            del live[: len(rows)]
    operations += [Trim(device, position, row.shard) for device, position in acked.items()]
    heads = (SaveLast(device, START, START, note, row.shard) for device, note in notes.items())
    return [*operations, *heads]


def records(shard: ShardId, found: Iterable[Segment], seal: int) -> Iterator[tuple[int, Record]]:
    """A shard's records up to the seal, with the number of their segment."""
    for segment in found:
        if segment.number <= seal:
            for record in segment.records:
                if record.shard == shard:
                    yield segment.number, record


def deletable(journal: LeaseRow, rows: Iterable[ShardRow]) -> bool:
    """Whether a dead journal may go: no shard names it, as owner or in `unrecovered` (R4)."""
    if not journal.dead:
        return False
    return not any(names(row, journal.incarnation) for row in rows)


def names(row: ShardRow, incarnation: Incarnation) -> bool:
    """Whether the journal may hold something of the shard (R4)."""
    return row.owner == incarnation or any(p.incarnation == incarnation for p in row.unrecovered)
