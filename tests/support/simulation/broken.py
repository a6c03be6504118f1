"""The core with one rule taken out: each part breaks exactly one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from signet.adapters.inbox_cassandra import pages
from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.operations import (
    Answer,
    Effect,
    LeaseRow,
    Noted,
    Operation,
    ReadLease,
    Renew,
    Seal,
    Segment,
    ShardRow,
    SwapShard,
    Sweep,
    WriteRows,
    WriteSegment,
)
from signet.core.durability.recovery import Recovery
from signet.core.durability.shards import Shards
from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId
from signet.ports.inbox import Entry, Page
from tests.support.simulation.scope import Where
from tests.support.simulation.store import Stamp, StorePart, apply


def writes_leases_blindly(
    part: StorePart, operation: Operation, issued: int, stamp: Stamp
) -> tuple[StorePart, Answer]:
    """L1: a renewal is a plain write."""
    if isinstance(part, LeaseRow) and isinstance(operation, Renew):
        row = part._replace(counter=operation.counter + 1, mark=operation.mark)
        return row, row
    return apply(part, operation, issued, stamp)


def writes_shards_blindly(
    part: StorePart, operation: Operation, issued: int, stamp: Stamp
) -> tuple[StorePart, Answer]:
    """L1: a take is a plain write."""
    if isinstance(part, ShardRow) and isinstance(operation, SwapShard):
        return operation.new, operation.new
    return apply(part, operation, issued, stamp)


class CountsFromTheAnswer(Core):
    """L2: the deadline counts from when the renewal was answered."""

    def answered(self, now: float, operation: Operation, answer: Answer) -> list[Effect]:
        if isinstance(operation, Renew) and self.lease.sent_at is not None:
            self.lease.sent_at = now
        return super().answered(now, operation, answer)


class NoMargin(OwnLease):
    """L2: the owner believes its whole lease, by its own slow clock."""

    def __init__(self, incarnation: Incarnation, lease_s: float, margin_s: float) -> None:
        super().__init__(incarnation, lease_s, 0.0)


def without_drift(drift_s: float) -> Watch:
    """L2: the taker waits for the lease alone, by its own fast clock."""
    return Watch(0.0)


def stands_still(ticks: float, slept: float) -> float:
    """L2: CLOCK_MONOTONIC, which stands still while the machine sleeps."""
    return ticks - slept


class TakesTooEarly(Watch):
    """L2: one look that finds the counter unchanged is enough."""

    def expired(self, row: LeaseRow, since: float, now: float) -> bool:
        return True


class GoesOn(OwnLease):
    """L2: an incarnation that was marked dead does not look at the mark, nor at its deadline."""

    def over(self, now: float) -> bool:
        return False

    def answered(self, answer: Answer) -> ReadLease | None:
        if isinstance(answer, LeaseRow):
            answer = answer._replace(dead=False)
        return super().answered(answer)


class NeverChecks(OwnLease):
    """L3: nothing looks at the deadline."""

    def over(self, now: float) -> bool:
        return False


class BelievesItself(Shards):
    """L4: a take that is unknown counts as done."""

    def unsure(self, swap: SwapShard) -> list[Operation]:
        return self.compare(swap.new)


class ServesAgain(Shards):
    """L4: a shard whose release was unknown is served again in the same epoch."""

    def give(self, shard: ShardId) -> SwapShard:
        swap = super().give(shard)
        self.given.clear()
        return swap


class KeepsTheEpoch(Shards):
    """L5: a take does not raise the epoch."""

    def raised(self, epoch: Epoch) -> Epoch:
        return epoch


class ForgetsTheDead(Shards):
    """L5: a take does not name the dead owner's journal."""

    def taken(self, row: ShardRow) -> ShardRow:
        return super().taken(row)._replace(unrecovered=row.unrecovered)


class KeepsOnlyTheLast(Shards):
    """L5: a take keeps the last pair alone."""

    def taken(self, row: ShardRow) -> ShardRow:
        taken = super().taken(row)
        return taken._replace(unrecovered=taken.unrecovered[-1:])


class WritesOther(Journal):
    """J2: a segment that is tried again takes in what waits."""

    def again(self, number: int) -> WriteSegment:
        if number + 1 in self.submitted and number + 1 not in self.ahead:
            other = self.submitted[number + 1].records
            self.submitted[number] = self.submitted[number]._replace(records=other)
        return super().again(number)


class DoesNotWait(Journal):
    """J3: what follows from a segment follows when it alone is confirmed."""

    def followers(self, number: int) -> Iterable[int]:
        return [number]


class HopesForTheMark(Journal):
    """J4: partitions go below the mark that is not confirmed yet."""

    def safe_mark(self, confirmed_mark: int) -> int:
        return self.mark()


class MarksAhead(Journal):
    """J5: an entry counts as done as soon as it is confirmed."""

    def mark(self) -> int:
        return self.run + 1


class DropsConnections(Memory):
    """J5: a connection's record counts as done before it is in the head."""

    def noted(self, record: Noted, segment: int, now: float) -> list[int]:
        done = super().noted(record, segment, now)
        del self.notes[record.device]
        return [*done, *self._done(record.device, [segment])]


class LosesNumbers(Core):
    """J6: an inbox leaves memory without its last number."""

    def forget(self, device: DeviceId) -> list[Effect]:
        if not self.memory.items.get(device):
            self.memory.last.pop(device, None)
        return []


def by_clock(position: Position, issued: int) -> int:
    """W1: cells are written with the wall clock of the writer."""
    return issued


class _Recovers(Shards):
    """Recovers by another class."""

    kind: type[Recovery] = Recovery

    def adopt(self, row: ShardRow) -> list[Operation]:
        super().adopt(row)
        if row.shard not in self.recovering:
            return []
        self.recovering[row.shard] = self.kind(row)
        return self.recovering[row.shard].start()


class _SkipsGaps(Recovery):
    def end(self, mark: int, found: Sequence[Segment]) -> int:
        return max((segment.number for segment in found), default=mark - 1)


class SkipsGaps(_Recovers):
    """R1: the run goes on behind a gap."""

    kind = _SkipsGaps


class _OwnEnd(Recovery):
    def lease_read(self, row: object) -> list[Operation]:
        if isinstance(row, LeaseRow):
            row = row._replace(seal=None)
        return super().lease_read(row)  # type: ignore[arg-type]

    def seal_of(self, ours: Seal, recorded: int) -> int:
        return ours.end


class OwnEnd(_Recovers):
    """R1: each reader uses the end that it sees."""

    kind = _OwnEnd


class _TakesOffFirst(Recovery):
    def rows(self, seal: int) -> list[Operation]:
        operations = super().rows(seal)
        self.writing = set()
        return [*operations, *self.next_pair()]


class TakesOffFirst(_Recovers):
    """R2: the pairs are taken off before their entries are rows."""

    kind = _TakesOffFirst


class ServesAtOnce(Shards):
    """R3: it delivers before the earlier epochs are rows."""

    def serves(self, shard: ShardId) -> bool:
        return shard in self.held


def deletes_at_once(journal: LeaseRow, rows: list[ShardRow]) -> bool:
    """R4: a dead journal goes though a shard still names it."""
    return journal.dead


class NeverFlushes(Memory):
    """R4: a release does not wait for rows."""

    def flushed(self, row: ShardRow) -> bool:
        return True


def anything(position: Position, sent: Position) -> bool:
    """R5: every acknowledgement is believed."""
    return True


class SweepsAhead(Core):
    """W2: what is swept counts as gone before that is confirmed."""

    def sweep(self, device: DeviceId, position: Position, shard: ShardId) -> list[Sweep]:
        asked = super().sweep(device, position, shard)
        for sweep in asked:
            for number in self.memory.swept(sweep):
                self.journal.done(number)
        return asked


class _CountsAgain(Recovery):
    def rows(self, seal: int) -> list[Operation]:
        operations = [self.younger(one) for one in super().rows(seal)]
        if self.writing:
            self.writing = set(operations)
        return operations

    def younger(self, operation: Operation) -> Operation:
        if not isinstance(operation, WriteRows):
            return operation
        later = 3 * Where.of(0, 0, 1)
        rows = tuple(p._replace(accepted_ms=Where(p.accepted_ms + later)) for p in operation.rows)
        return operation._replace(rows=rows)


class CountsAgain(_Recovers):
    """W2: time to live runs from when an item became a row."""

    kind = _CountsAgain


def tells_nothing(
    entries: Sequence[Entry], begin: Position, swept: Position, items: int, size: int, now_ms: int
) -> Page:
    """W2: a reader is not told what is gone."""
    return replace(pages.page(entries, begin, swept, items, size, now_ms), expired=[])


def all_of_them(entries: Iterable[tuple[Position, int]], before_ms: int) -> list[Position]:
    """W2: a sweeper that finds one too old takes all."""
    found = list(entries)
    return [at for at, _ in found] if any(then < before_ms for _, then in found) else []
