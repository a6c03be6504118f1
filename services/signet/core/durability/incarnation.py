"""One life of a router against the store: calls and answers in, operations out.

Do the effects in order. After `End` perform none, and end the process. The parts are arguments, so
that tests can break one rule at a time.
"""

from collections.abc import Sequence
from typing import NamedTuple

from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.operations import (
    UNKNOWN,
    Acked,
    Answer,
    Appended,
    Effect,
    End,
    LeaseRow,
    Operation,
    ReadJournal,
    ReadLease,
    ReadShard,
    Record,
    Renew,
    SaveLast,
    Seal,
    Segment,
    ShardRow,
    SwapShard,
    Trim,
    WriteRows,
    WriteSegment,
)
from signet.core.durability.shards import Shards
from signet.core.ids import START, DeviceId, Epoch, ShardId


class Parts(NamedTuple):
    """What one life is made of."""

    lease: OwnLease
    watch: Watch
    journal: Journal
    memory: Memory
    shards: Shards


class Incarnation:
    """See the module's text. `row_after` is seconds, `memory_items` the bound of J5."""

    __slots__ = ("journal", "lease", "memory", "memory_items", "row_after", "shards", "watch")

    def __init__(self, parts: Parts, row_after: float, memory_items: int) -> None:
        self.lease, self.watch, self.journal, self.memory, self.shards = parts
        self.row_after = row_after
        self.memory_items = memory_items

    # --- calls ------------------------------------------------------------------------------

    def append(self, token: int, shard: ShardId, epoch: Epoch, records: Sequence[Record]) -> bool:
        """Queue it for the next segment. False: not ours in that epoch, or no memory (J5)."""
        if not self.shards.appends(shard, epoch) or self.full():
            return False
        if not self.shards.serves(shard) and any(isinstance(r, Acked) for r in records):
            return False  # R3: nothing is trimmed before the earlier epochs are rows
        self.memory.numbered(tuple(records))
        self.journal.add(token, records)
        return True

    def full(self) -> bool:
        """Items that are not rows are not evicted: sends are refused instead (J5)."""
        held = sum(map(len, self.memory.items.values()))
        waiting = sum(len(records) for _, records in self.journal.waiting)
        trying = sum(len(segment.records) for segment in self.journal.submitted.values())
        return held + waiting + trying >= self.memory_items

    def write(self, now: float) -> list[Effect]:
        """All that waits as one segment (J1)."""
        if self.lease.over(now):
            return [End("the lease ended")]
        segment = self.journal.write()
        return [] if segment is None else [segment]

    def wake(self, now: float) -> list[Effect]:
        """Once a second: renew, with the mark (L1, J4); old items become rows (J5)."""
        if self.lease.over(now):
            return [End("the lease ended")]
        effects: list[Effect] = []
        renewal = self.lease.renew(now, self.journal.mark())
        if renewal is not None:
            effects.append(renewal)
        effects += self.memory.aged(now - self.row_after)
        return effects

    def look(self, now: float, row: LeaseRow) -> list[Effect]:
        """Another's lease was read (L2)."""
        dead = self.watch.look(row, now)
        return [] if dead is None else [dead]

    def take(self, row: ShardRow, owner: LeaseRow | None) -> list[Effect]:
        swap = self.shards.take(row, owner)
        return [] if swap is None else [swap]

    def compare(self, row: ShardRow) -> list[Effect]:
        """A shard row was read, serially: every few seconds for those that name us (L4)."""
        return list(self.shards.compare(row))

    def release(self, now: float, shard: ShardId, taker_ready: bool) -> list[Effect]:
        """Stop, flush, release (L6, R4); asked again until the shard is no longer held."""
        if self.lease.over(now):
            return [End("the lease ended")]
        if not self.shards.release(shard, taker_ready):
            return []
        if self.journal.submitted or self.journal.waiting:
            return []
        row = self.shards.held[shard]
        if self.memory.flushed(row):
            return [self.shards.give(shard)]
        return list(self.memory.aged(now, shard))

    def forget(self, device: DeviceId) -> list[Effect]:
        """An idle inbox may leave memory once its last number is durable (J6)."""
        busy = self.journal.submitted or self.journal.waiting or not self.memory.idle(device)
        if busy or device not in self.memory.last:
            return []
        return [SaveLast(device, self.memory.last[device])]

    # --- answers ------------------------------------------------------------------------------

    def answered(  # noqa: PLR0911
        self, now: float, operation: Operation, answer: Answer
    ) -> list[Effect]:
        """What the store said. First of all: is the lease still ours (L3)?"""
        if self.lease.over(now):
            return [End("the lease ended")]
        match operation:
            case WriteSegment(segment):
                return self._segment(now, segment, answer)
            case Renew() | ReadLease() | Seal():
                return self._lease(operation, answer)
            case WriteRows() | Trim():
                return self._rows(operation, answer)
            case SwapShard():
                return list(self.shards.answered(operation, answer))
            case ReadShard(shard):
                known = isinstance(answer, ShardRow)
                return self.compare(answer) if known else [ReadShard(shard)]  # type: ignore[arg-type]
            case ReadJournal():
                return list(self._recovery(operation.shard, operation, answer))
            case SaveLast():
                self._saved(operation, answer)
        return []  # MarkDead, DeletePartition: nothing follows; the rows are read again

    def _saved(self, save: SaveLast, answer: Answer) -> None:
        """The last number is in the static row: the inbox may leave memory, if it still may."""
        known = self.memory.last.get(save.device, START)
        if answer is not UNKNOWN and known == save.position and self.memory.idle(save.device):
            self.memory.forget(save.device)

    def _segment(self, now: float, segment: Segment, answer: Answer) -> list[Effect]:
        if answer is UNKNOWN:
            return [self.journal.again(segment.number)]  # J2
        effects: list[Effect] = []
        for ready, tokens in self.journal.confirmed(segment.number):  # J3
            for record in ready.records:
                if isinstance(record, Acked):
                    done, trim = self.memory.acknowledged(record, ready.number)
                    self._done(done)
                    effects += [] if trim is None else [trim]
                else:
                    self.memory.stored(record, ready.number, now)
            effects += [Appended(token) for token in tokens]
        return effects

    def _done(self, segments: Sequence[int]) -> None:
        for number in segments:
            self.journal.done(number)

    def _rows(self, operation: WriteRows | Trim, answer: Answer) -> list[Effect]:
        effects: list[Effect] = []
        for shard in list(self.shards.recovering):
            effects += self._recovery(shard, operation, answer)
        if isinstance(operation, Trim) and operation in self.memory.trims:
            if answer is UNKNOWN:
                return [*effects, operation]
            self._done(self.memory.trimmed(operation))
        if isinstance(operation, WriteRows) and operation in self.memory.writing:
            if answer is UNKNOWN:
                return [*effects, operation]
            self._done(self.memory.rowed(operation))
        return effects

    def _lease(self, operation: Renew | ReadLease | Seal, answer: Answer) -> list[Effect]:
        if operation.incarnation != self.lease.incarnation:
            effects: list[Effect] = []
            for shard in list(self.shards.recovering):
                effects += self._recovery(shard, operation, answer)
            return effects
        question = self.lease.answered(answer)
        if self.lease.ended:
            return [End("marked dead")]
        if question is not None:
            return [question]
        again = self.lease.again(self.journal.mark())
        if again is not None:
            return [again]
        return list(self.journal.deletions(self.lease.mark))

    def _recovery(self, shard: ShardId, operation: Operation, answer: Answer) -> list[Operation]:
        recovery = self.shards.recovering.get(shard)
        if recovery is None:
            return []
        match operation:
            case ReadLease():
                return recovery.lease_read(answer)
            case Seal():
                return recovery.sealed(operation, answer)
            case ReadJournal():
                return recovery.journal_read(answer)
        return recovery.written(operation, answer)
