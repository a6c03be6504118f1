"""What is confirmed in the journal and is neither acknowledged nor a row: never evicted (J5)."""

from typing import NamedTuple

from signet.core.durability.operations import Acked, Put, Record, ShardRow, Trim, WriteRows
from signet.core.ids import START, DeviceId, Position, ShardId


class Held(NamedTuple):
    """An item, the segment that it is in, and since when (seconds)."""

    put: Put
    segment: int
    since: float


class Memory:
    """The journal's items by device, and what of each device may be a row already."""

    __slots__ = ("acked", "items", "last", "rowless", "trims", "writing")

    def __init__(self) -> None:
        self.items: dict[DeviceId, dict[Position, Held]] = {}
        self.acked: dict[DeviceId, Position] = {}
        self.last: dict[DeviceId, Position] = {}  # the highest number ever given (J6)
        self.rowless: set[DeviceId] = set()  # known to have no row that is not trimmed
        self.trims: dict[Trim, list[int]] = {}  # under way -> segments whose records wait for it
        self.writing: set[WriteRows] = set()

    def numbered(self, records: tuple[Record, ...]) -> None:
        """Numbers are given when they are submitted, and never again (J2, J6)."""
        for record in records:
            if isinstance(record, Put):
                known = self.last.get(record.device, START)
                self.last[record.device] = max(known, record.position)

    def stored(self, put: Put, segment: int, now: float) -> None:
        self.items.setdefault(put.device, {})[put.position] = Held(put, segment, now)

    def acknowledged(self, ack: Acked, segment: int) -> tuple[list[int], Trim | None]:
        """Segments with a record that is done now, and the trim that rows of the device need."""
        position = max(ack.position, self.acked.get(ack.device, START))
        self.acked[ack.device] = position
        items = self.items.get(ack.device, {})
        gone = [key for key in items if key <= position]
        done = [items.pop(key).segment for key in gone]
        if ack.device in self.rowless:
            return [*done, segment], None
        trim = Trim(ack.device, position)
        known = trim in self.trims
        self.trims.setdefault(trim, []).append(segment)
        return done, None if known else trim

    def trimmed(self, trim: Trim) -> list[int]:
        """A trim is confirmed: the acknowledgements that waited for it are done."""
        items = self.items.get(trim.device, {})
        writing = any(write.device == trim.device for write in self.writing)
        if not writing and not items and self.last.get(trim.device, START) <= trim.position:
            self.rowless.add(trim.device)
        return self.trims.pop(trim, [])

    def aged(self, before: float, shard: ShardId | None = None) -> list[WriteRows]:
        """Items that are older than that become rows (J5); of one shard, to release it (R4)."""
        under_way = {(w.device, put.position) for w in self.writing for put in w.rows}
        writes = []
        for device, items in self.items.items():
            old = [
                held.put
                for key, held in sorted(items.items())
                if held.since <= before
                and (device, key) not in under_way
                and (shard is None or held.put.shard == shard)
            ]
            if old:
                writes.append(WriteRows(device, tuple(old)))
                self.rowless.discard(device)  # from when it is tried, not from when it is confirmed
        self.writing.update(writes)
        return writes

    def rowed(self, write: WriteRows) -> list[int]:
        """Rows are confirmed: their records are done (J5)."""
        self.writing.discard(write)
        items = self.items.get(write.device, {})
        held = [items.pop(put.position, None) for put in write.rows]
        return [item.segment for item in held if item is not None]

    def idle(self, device: DeviceId) -> bool:
        """Whether nothing of the device is only in the journal."""
        return not self.items.get(device)

    def forget(self, device: DeviceId) -> None:
        """Its last number is durable (J6): the inbox may leave memory."""
        self.items.pop(device, None)
        self.acked.pop(device, None)
        self.last.pop(device, None)
        self.rowless.discard(device)

    def flushed(self, row: ShardRow) -> bool:
        """Whether all of a shard is in rows, and all its trims are confirmed (R4)."""
        held = any(
            h.put.shard == row.shard for items in self.items.values() for h in items.values()
        )
        return not held and not self.trims and not self.writing
