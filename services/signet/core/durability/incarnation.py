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
    Noted,
    Operation,
    Put,
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
    Sweep,
    Trim,
    WriteRows,
    WriteSegment,
)
from signet.core.durability.shards import Shards
from signet.core.ids import DeviceId, Epoch, Position, ShardId


class Parts(NamedTuple):
    """What one life is made of."""

    lease: OwnLease
    watch: Watch
    journal: Journal
    memory: Memory
    shards: Shards


class Incarnation:
    """See the module's text. `row_after`, `head_after` are seconds, `memory_bytes` J5's bound."""

    __slots__ = (
        "head_after", "journal", "lease", "memory", "memory_bytes", "row_after", "shards", "watch",
    )  # fmt: skip

    def __init__(
        self, parts: Parts, row_after: float, memory_bytes: int, head_after: float | None = None
    ) -> None:
        self.lease, self.watch, self.journal, self.memory, self.shards = parts
        self.row_after = row_after
        self.head_after = row_after if head_after is None else head_after
        self.memory_bytes = memory_bytes

    # --- calls ------------------------------------------------------------------------------

    def append(self, token: int, shard: ShardId, epoch: Epoch, records: Sequence[Record]) -> bool:
        """Queue it for the next segment. False: not ours in that epoch, or no memory (J5)."""
        if not self.takes(shard, epoch, records):
            return False
        self.queue(token, records)
        return True

    def takes(self, shard: ShardId, epoch: Epoch, records: Sequence[Record]) -> bool:
        """Whether it may be queued now."""
        if not self.shards.appends(shard, epoch):
            return False
        if self.full() and any(isinstance(record, Put) for record in records):
            return False
        # R3: nothing is trimmed before the earlier epochs are rows
        return self.shards.serves(shard) or not any(isinstance(r, Acked) for r in records)

    def queue(self, token: int, records: Sequence[Record]) -> None:
        """What was found to be taken is; `Appended` with its token says when it is durable."""
        self.memory.numbered(tuple(records))
        self.journal.add(token, records)

    def full(self) -> bool:
        """Items that are not rows are not evicted: sends are refused instead (J5)."""
        return self.memory.bytes + self.journal.bytes >= self.memory_bytes

    def write(self, now: float) -> list[Effect]:
        """All that waits as one segment (J1)."""
        if self.lease.over(now):
            return [End("the lease ended")]
        segment = self.journal.write()
        return [] if segment is None else [segment]

    def wake(self, now: float) -> list[Effect]:
        """Once a second: renew, with the mark (L1, J4); old items become rows (J5)."""
        effects = self.renew(now)
        return effects if self.lease.ended else [*effects, *self.age(now)]

    def renew(self, now: float) -> list[Effect]:
        if self.lease.over(now):
            return [End("the lease ended")]
        renewal = self.lease.renew(now, self.journal.mark())
        return [] if renewal is None else [renewal]

    def age(self, now: float) -> list[Effect]:
        """Items that are old become rows (J5), heads of quiet devices are saved (J6).

        Where memory is short, all items do.
        """
        if self.lease.over(now):
            return [End("the lease ended")]
        row_after = 0.0 if self.full() else self.row_after
        return [*self.memory.aged(now - row_after), *self.memory.heads(now - self.head_after)]

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
        if self.memory.flushed(self.shards.held[shard]):
            self.memory.forget_shard(shard)
            return [self.shards.give(shard)]
        effects: list[Effect] = []
        for device in list(self.memory.devices.get(shard, ())):
            effects += filter(None, (self.memory.rows(device, now), self.memory.head(device)))
        return effects

    def forget(self, device: DeviceId) -> list[Effect]:
        """An idle inbox leaves memory once its last number is durable (J6); else that is saved."""
        if not self.memory.open.get(device):
            self.memory.forget(device)
            return []
        head = None if self.memory.items.get(device) else self.memory.head(device)
        return [] if head is None else [head]

    def sweep(self, device: DeviceId, position: Position, shard: ShardId) -> list[Sweep]:
        """What a served inbox holds up to there is too old (W2)."""
        return [Sweep(device, position, shard)] if self.shards.serves(shard) else []

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
            case WriteRows() | Trim() | SaveLast() | Sweep():
                return self._rows(operation, answer)
            case SwapShard():
                return list(self.shards.answered(operation, answer))
            case ReadShard(shard):
                known = isinstance(answer, ShardRow)
                return self.compare(answer) if known else [ReadShard(shard)]  # type: ignore[arg-type]
            case ReadJournal():
                return list(self._recovery(operation.shard, operation, answer))
        return []  # MarkDead, DeletePartition: nothing follows; the rows are read again

    def _segment(self, now: float, segment: Segment, answer: Answer) -> list[Effect]:
        if answer is UNKNOWN:
            return [self.journal.again(segment.number)]  # J2
        effects: list[Effect] = []
        for ready, tokens in self.journal.confirmed(segment.number):  # J3
            for record in ready.records:
                done, trim = self._confirmed(now, ready.number, record)
                self._done(done, trim, effects)
            effects += [Appended(token) for token in tokens]
        return effects

    def _confirmed(self, now: float, number: int, record: Record) -> tuple[list[int], Trim | None]:
        if isinstance(record, Acked):
            return self.memory.acknowledged(record, number, now)
        if isinstance(record, Noted):
            return self.memory.noted(record, number, now), None
        return self.memory.stored(record, number, now), None

    def _done(self, segments: Sequence[int], trim: Trim | None, effects: list[Effect]) -> None:
        for number in segments:
            self.journal.done(number)
        if trim is not None:
            effects.append(trim)

    def _rows(self, operation: WriteRows | Trim | SaveLast | Sweep, answer: Answer) -> list[Effect]:
        shard = operation.rows[0].shard if isinstance(operation, WriteRows) else operation.shard
        effects: list[Effect] = list(self._recovery(shard, operation, answer))
        memory = self.memory
        if not memory.asked(operation):
            return effects
        if answer is UNKNOWN:
            return [*effects, operation]
        match operation:
            case Trim():
                self._done(*memory.trimmed(operation), effects)
            case WriteRows():
                self._done(*memory.rowed(operation), effects)
            case SaveLast():
                self._done(memory.saved(operation), None, effects)
            case Sweep():
                self._done(memory.swept(operation), None, effects)
        return effects

    def _lease(self, operation: Renew | ReadLease | Seal, answer: Answer) -> list[Effect]:
        if not isinstance(operation, Renew) and operation.shard is not None:
            return list(self._recovery(operation.shard, operation, answer))
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
