"""A store that does what Cassandra may do: late writes, conditional rows, cells with timestamps."""

from collections.abc import Callable

from signet.core.durability.operations import (
    Answer,
    DeletePartition,
    LeaseRow,
    MarkDead,
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
    Trim,
    WriteRows,
    WriteSegment,
)
from signet.core.durability.rows import timestamp
from signet.core.ids import START, DeviceId, Incarnation, Position, ShardId

PER_PARTITION = 1
Stamp = Callable[[Position, int], int]


def by_position(position: Position, issued: int) -> int:
    """W1. `issued` is the wall clock of the writer, which the rule does not use."""
    return timestamp(position)


class Store:
    """A quorum sees every confirmed write; conditional writes and serial reads are one order."""

    __slots__ = (
        "acked",
        "deleted",
        "last",
        "leases",
        "rows",
        "segments",
        "shards",
        "stamp",
        "trims",
    )

    def __init__(self, stamp: Stamp = by_position) -> None:
        self.stamp = stamp
        self.leases: dict[Incarnation, LeaseRow] = {}
        self.shards: dict[ShardId, ShardRow] = {}
        self.segments: dict[tuple[Incarnation, int], Segment] = {}
        self.deleted: set[tuple[Incarnation, int]] = set()
        self.rows: dict[tuple[DeviceId, Position], tuple[int, Put]] = {}
        self.trims: dict[DeviceId, dict[Position, int]] = {}
        self.acked: dict[DeviceId, tuple[int, Position]] = {}
        self.last: dict[DeviceId, tuple[int, Position]] = {}

    def clone(self) -> "Store":
        new = Store(self.stamp)
        for name in ("leases", "shards", "segments", "rows", "acked", "last"):
            setattr(new, name, dict(getattr(self, name)))
        new.deleted = set(self.deleted)
        new.trims = {device: dict(trims) for device, trims in self.trims.items()}
        return new

    def key(self) -> tuple[object, ...]:
        plain = ("leases", "shards", "segments", "rows", "acked", "last")
        return (
            *(frozenset(getattr(self, name).items()) for name in plain),
            frozenset(self.deleted),
            frozenset((d, frozenset(t.items())) for d, t in self.trims.items()),
        )

    def apply(self, operation: Operation, issued: int) -> Answer:  # noqa: C901
        match operation:
            case WriteSegment(segment):
                where = (segment.incarnation, segment.number)
                if (where[0], where[1] // PER_PARTITION) not in self.deleted:
                    self.segments[where] = segment
            case DeletePartition(incarnation, partition):
                self.deleted.add((incarnation, partition))
                for n in range(partition * PER_PARTITION, (partition + 1) * PER_PARTITION):
                    self.segments.pop((incarnation, n), None)
            case WriteRows(device, puts):
                for put in puts:
                    self._row(put, self.stamp(put.position, issued))
                self._cell(self.last, device, puts[-1].position, issued)
            case Trim(device, position):
                trims = self.trims.setdefault(device, {})
                trims[position] = max(trims.get(position, 0), self.stamp(position, issued))
                self._cell(self.acked, device, position, issued)
                self._cell(self.last, device, position, issued)
            case SaveLast(device, position):
                self._cell(self.last, device, position, issued)
            case Renew() | MarkDead() | Seal() | ReadLease():
                return self._lease(operation)
            case SwapShard(old, new):
                if self.shards[old.shard] == old:
                    self.shards[old.shard] = new
                return self.shards[old.shard]
            case ReadShard(shard):
                return self.shards[shard]
            case ReadJournal(incarnation, mark, _):
                return self.journal(incarnation, mark)
        return True

    def journal(self, incarnation: Incarnation, mark: int) -> tuple[Segment, ...]:
        numbers = sorted(n for inc, n in self.segments if inc == incarnation and n >= mark)
        return tuple(self.segments[incarnation, n] for n in numbers)

    def _lease(self, operation: Renew | MarkDead | Seal | ReadLease) -> LeaseRow:
        row = self.leases[operation.incarnation]
        match operation:
            case Renew(_, counter, mark):
                if not row.dead and row.counter == counter:
                    row = row._replace(counter=counter + 1, mark=mark)
            case MarkDead(_, counter):
                if row.counter == counter:
                    row = row._replace(dead=True)
            case Seal(_, end):
                if row.dead and row.seal is None:
                    row = row._replace(seal=end)
        self.leases[operation.incarnation] = row
        return row

    def _row(self, put: Put, stamp: int) -> None:
        known = self.rows.get((put.device, put.position))
        if known is None or stamp > known[0]:
            self.rows[put.device, put.position] = (stamp, put)

    def _cell(
        self,
        cells: dict[DeviceId, tuple[int, Position]],
        device: DeviceId,
        value: Position,
        issued: int,
    ) -> None:
        cells[device] = max(cells.get(device, (-1, START)), (self.stamp(value, issued), value))

    def inbox(self, device: DeviceId) -> list[Put]:
        """Rows that are there, in order: at equal timestamps the tombstone wins."""
        trims = self.trims.get(device, {})
        return sorted(
            put
            for (owner, position), (stamp, put) in self.rows.items()
            if owner == device
            and not any(position <= end and stamp <= at for end, at in trims.items())
        )
