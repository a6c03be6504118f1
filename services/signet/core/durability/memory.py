"""What is confirmed in the journal and is not yet in rows: never evicted (J5).

A record is done, and its segment needed no longer, when an item is acknowledged or a row, when an
acknowledged position or a connection is in the head of the inbox, or when a later record of the
journal says the same and more. Everything here costs the same however much is held.
"""

from collections.abc import Collection
from itertools import islice, takewhile
from typing import NamedTuple

from signet.core.durability.operations import (
    Acked,
    Note,
    Noted,
    Put,
    Record,
    SaveLast,
    ShardRow,
    Sweep,
    Trim,
    WriteRows,
)
from signet.core.durability.weights import batch, less, weight
from signet.core.ids import START, DeviceId, Position, ShardId


class Held(NamedTuple):
    """An item, the segment that it is in, and since when (seconds)."""

    put: Put
    segment: int
    since: float


class Memory:
    """The journal's items by device, and what of each device may be a row already.

    `acks` and `notes` are records that the head does not have yet, with their segments; `open`
    counts a device's records that are not done, `busy` a shard's. `old` and `quiet` are queues:
    since when a device has items that are no rows, and when it was last heard of.
    """

    __slots__ = (
        "acked", "acks", "busy", "bytes", "devices", "items", "last", "notes", "old", "open",
        "quiet", "rowing", "rowless", "saving", "shard_of", "trimming",
    )  # fmt: skip

    def __init__(self) -> None:
        self.items: dict[DeviceId, dict[Position, Held]] = {}
        self.acked: dict[DeviceId, Position] = {}
        self.last: dict[DeviceId, Position] = {}  # the highest number ever given (J6)
        self.rowless: set[DeviceId] = set()  # known to have no row that is not trimmed
        self.acks: dict[DeviceId, int] = {}
        self.notes: dict[DeviceId, tuple[Note, int]] = {}
        self.trimming: dict[DeviceId, Trim] = {}
        self.saving: dict[DeviceId, SaveLast] = {}
        self.rowing: dict[DeviceId, WriteRows] = {}
        self.old: dict[DeviceId, float] = {}
        self.quiet: dict[DeviceId, float] = {}
        self.shard_of: dict[DeviceId, ShardId] = {}
        self.devices: dict[ShardId, dict[DeviceId, None]] = {}
        self.open: dict[DeviceId, int] = {}
        self.busy: dict[ShardId, int] = {}
        self.bytes = 0

    # --- records come, and are done -----------------------------------------------------------

    def numbered(self, records: tuple[Record, ...]) -> None:
        """Numbers are given when they are submitted, and never again (J2, J6)."""
        for record in records:
            device, shard = record.device, record.shard
            if isinstance(record, Put):
                known = self.last.get(device, START)
                self.last[device] = max(known, record.position)
            self.shard_of[device] = shard
            self.devices.setdefault(shard, {})[device] = None
            self.open[device] = self.open.get(device, 0) + 1
            self.busy[shard] = self.busy.get(shard, 0) + 1

    def _done(self, device: DeviceId, segments: list[int]) -> list[int]:
        if not segments:
            return []
        less(self.open, device, len(segments))
        less(self.busy, self.shard_of[device], len(segments))
        return segments

    def stored(self, put: Put, segment: int, now: float) -> list[int]:
        """An item is confirmed. Returns segments with a record that is done now, as all do."""
        items = self.items.setdefault(put.device, {})
        known = put.position in items
        if known or put.position <= self.acked.get(put.device, START):
            return self._done(put.device, [segment])  # repeated, or late: no effect (J2, W1)
        items[put.position] = Held(put, segment, now)
        self.bytes += weight(put)
        self.old.setdefault(put.device, now)
        return []

    def _gone(self, device: DeviceId, position: Position) -> list[int]:
        items = self.items.get(device, {})
        done = []
        for key in list(takewhile(lambda key: key <= position, items)):  # confirmed in order (J3)
            held = items.pop(key)
            self.bytes -= weight(held.put)
            done.append(held.segment)
        return done

    def acknowledged(self, ack: Acked, segment: int, now: float) -> tuple[list[int], Trim | None]:
        """Segments with a record that is done now, and the trim that rows of the device need."""
        device = ack.device
        if ack.position <= self.acked.get(device, START) and device in self.acks:
            return self._done(device, [segment]), None
        position = max(ack.position, self.acked.get(device, START))
        self.acked[device] = position
        done = self._gone(device, position)
        if device in self.acks:
            done.append(self.acks[device])
        self.acks[device] = segment
        self._touch(device, now)
        return self._done(device, done), self._trim(device)

    def noted(self, record: Noted, segment: int, now: float) -> list[int]:
        """A connection is confirmed; it replaces the one before."""
        device, done = record.device, []
        if device in self.notes:
            done.append(self.notes[device][1])
        stamp = Position(record.epoch, segment)
        self.notes[device] = (Note(stamp, record.counter, record.resumable), segment)
        self._touch(device, now)
        return self._done(device, done)

    def _touch(self, device: DeviceId, now: float) -> None:
        self.quiet.pop(device, None)
        self.quiet[device] = now

    # --- trims and heads ----------------------------------------------------------------------

    def _trim(self, device: DeviceId) -> Trim | None:
        """One range delete at a time; none for who has no rows: their head is saved when quiet."""
        if device in self.rowless or device in self.trimming or device not in self.acks:
            return None
        trim = Trim(device, self.acked[device], self.shard_of[device])
        self.trimming[device] = trim
        return trim

    def trimmed(self, trim: Trim) -> tuple[list[int], Trim | None]:
        """A trim is confirmed: what is done now, and the next one."""
        device = trim.device
        del self.trimming[device]
        idle = device not in self.rowing and not self.items.get(device)
        if idle and self.last.get(device, START) <= trim.position:
            self.rowless.add(device)
        return self._done(device, self._acks_to(device, trim.position)), self._trim(device)

    def _acks_to(self, device: DeviceId, position: Position) -> list[int]:
        if device not in self.acks or self.acked.get(device, START) > position:
            return []
        return [self.acks.pop(device)]

    def heads(self, before: float) -> list[SaveLast]:
        """Heads of devices of which nothing was heard since then, to be saved (J5, J6)."""
        ready = []
        for device, since in self.quiet.items():
            if since > before:
                break
            ready.append(device)
        return [head for device in ready if (head := self.head(device)) is not None]

    def head(self, device: DeviceId) -> SaveLast | None:
        """The head of a device, where it is not saved yet and nothing is under way."""
        if device in self.saving:
            return None
        self.quiet.pop(device, None)
        if device not in self.acks and device not in self.notes:
            return None
        acked = self.acked.get(device, START)
        note = self.notes[device][0] if device in self.notes else None
        last = max(self.last.get(device, START), acked)
        self.saving[device] = SaveLast(device, last, acked, note, self.shard_of[device])
        return self.saving[device]

    def saved(self, save: SaveLast) -> list[int]:
        """A head is confirmed."""
        device = save.device
        del self.saving[device]
        done = self._acks_to(device, save.acked)
        if device in self.notes and self.notes[device][0] == save.note:
            done.append(self.notes.pop(device)[1])
        return self._done(device, done)

    # --- rows ---------------------------------------------------------------------------------

    def aged(self, before: float) -> list[WriteRows]:
        """Items that are older than that become rows (J5)."""
        ready = []
        for device, since in self.old.items():
            if since > before:
                break
            ready.append(device)
        writes = (self.rows(device, before) for device in ready)
        return [write for write in writes if write is not None]

    def rows(self, device: DeviceId, before: float) -> WriteRows | None:
        """The items of a device that are older than that, where no rows of it are under way."""
        if device in self.rowing:
            return None
        self.old.pop(device, None)
        items = self.items.get(device, {}).values()
        old = batch(held.put for held in items if held.since <= before)
        if len(old) < len(items):
            self.old[device] = next(islice(items, len(old), None)).since
        if not old:
            return None
        self.rowing[device] = WriteRows(device, old)
        self.rowless.discard(device)  # from when it is tried, not from when it is confirmed
        return self.rowing[device]

    def rowed(self, write: WriteRows) -> tuple[list[int], Trim | None]:
        """Rows are confirmed: their records are done (J5)."""
        device = write.device
        del self.rowing[device]
        items = self.items.get(device, {})
        held = [items.pop(put.position) for put in write.rows if put.position in items]
        self.bytes -= sum(weight(one.put) for one in held)
        return self._done(device, [one.segment for one in held]), self._trim(device)

    def swept(self, sweep: Sweep) -> list[int]:
        """What was too old is gone from the rows, and what was on its way there with it (W2)."""
        return self._done(sweep.device, self._gone(sweep.device, sweep.position))

    def asked(self, operation: WriteRows | Trim | SaveLast | Sweep) -> bool:
        """Whether it is waited for; else it was recovery's, or is answered already."""
        match operation:
            case Trim(device):
                return self.trimming.get(device) == operation
            case WriteRows(device):
                return self.rowing.get(device) == operation
            case SaveLast(device):
                return self.saving.get(device) == operation
        return True

    # --- leaving ------------------------------------------------------------------------------

    @property
    def writing(self) -> Collection[WriteRows]:
        """Rows under way; one write a device."""
        return self.rowing.values()

    def flushed(self, row: ShardRow) -> bool:
        """Whether all that was ever submitted of a shard is in rows and heads (R4)."""
        return row.shard not in self.busy

    def forget(self, device: DeviceId) -> None:
        """All of it is durable in rows (J6): the inbox may leave memory."""
        for known in (self.items, self.acked, self.last, self.quiet, self.old):
            known.pop(device, None)
        self.rowless.discard(device)
        if device in self.shard_of and device not in self.open:
            for under_way in (self.trimming, self.rowing, self.saving):
                under_way.pop(device, None)  # nobody waits for it
            self.devices[self.shard_of.pop(device)].pop(device, None)

    def forget_shard(self, shard: ShardId) -> None:
        """It is another's: what is known of its inboxes may change."""
        for device in list(self.devices.get(shard, ())):
            self.forget(device)
