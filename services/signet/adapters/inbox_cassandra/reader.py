"""Reads of inboxes: rows of Cassandra, and what their owner still holds in memory (R3, W1)."""

from collections.abc import Callable
from typing import NamedTuple

from signet.adapters.inbox_cassandra import pages, rows, schema
from signet.adapters.inbox_cassandra.driver import Driver
from signet.adapters.inbox_cassandra.life import Life
from signet.core import limits
from signet.core.durability.memory import Memory
from signet.core.groups import LOG_DEVICE
from signet.core.ids import START, DeviceId, Position, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import Entry, Head, NotOwner, Page, StoreUnavailable

NOTHING = Memory()  # what is known of inboxes of shards that are not held


class Stored(NamedTuple):
    """The head's row."""

    acked: Position = START
    last: Position = START
    swept: Position = START
    counter: int = 0
    resumable: tuple[int, ...] = ()


class Reader:
    """`owner` says which life holds a shard, if one of this process does."""

    def __init__(
        self, driver: Driver, shards: int, owner: Callable[[ShardId], Life | None]
    ) -> None:
        self._driver, self._shards, self._owner = driver, shards, owner

    async def _served(self, device: DeviceId) -> tuple[Life | None, Memory]:
        """Who holds it, when that one serves.

        Raises:
            StoreUnavailable: not in time, or it has ended.
        """
        return await self._serving(shard_of(device.user, self._shards))

    async def _serving(self, shard: ShardId) -> tuple[Life | None, Memory]:
        life = self._owner(shard)
        if life is None:
            return None, NOTHING
        try:
            if not life.serves(shard):
                await life.until(lambda: life.serves(shard), limits.STORE_PATIENCE)
            if life.over():
                raise NotOwner("the lease has ended")
        except NotOwner as error:
            raise StoreUnavailable(str(error)) from error
        return life, life.core.memory

    async def head(self, device: DeviceId) -> Head:
        """Raises StoreUnavailable, as all that reads."""
        life, memory = await self._served(device)
        before = {p: len(held.put.body) for p, held in memory.items.get(device, {}).items()}
        last, writing = memory.last.get(device), device in memory.rowing
        stored = await self._stored(device)
        sizes = before
        if device not in memory.rowless:
            found = await self._driver.read("read_sizes", *device, *stored.acked)
            sizes = {**before, **{Position(row.epoch, row.seq): row.size for row in found}}
            new = memory.last.get(device) != last
            if life is not None and not (sizes or writing or new):
                life.rowless(device)
        acked = max(stored.acked, memory.acked.get(device, START))
        now = {p: len(held.put.body) for p, held in memory.items.get(device, {}).items()}
        live = [size for position, size in {**sizes, **now}.items() if position > acked]
        last = max(stored.last, acked, memory.last.get(device, START))
        note = memory.notes[device][0] if device in memory.notes else None
        counter, resumable = (
            (note.counter, note.resumable) if note else (stored.counter, stored.resumable)
        )
        return Head(device, last, acked, counter, resumable, len(live), sum(live))

    async def _stored(self, device: DeviceId) -> Stored:
        found = await self._driver.read("read_head", *device)
        if not found:
            return Stored()
        row = found[0]
        counter, *resumable = row.connection or (0,)
        acked, last, swept = map(rows.position, (row.acked, row.last, row.swept))
        return Stored(acked, last, swept, counter, tuple(resumable))

    async def page(
        self, device: DeviceId, after: Position, items: int, size: int, now_ms: int
    ) -> Page:
        _, memory = await self._served(device)
        held = entries(memory, device)
        stored = await self._stored(device)
        begin = max(after, stored.acked, memory.acked.get(device, START))
        found = await self._driver.read("read_items", *device, *begin, items + 1)
        begin = max(begin, memory.acked.get(device, START))
        whole = len(found) <= items
        read = [pages.row_entry(device, row) for row in found]
        merged = pages.merged(read, held, begin, whole)
        return pages.page(merged, begin, stored.swept, items, size, now_ms)

    async def newest(self, device: DeviceId, items: int, size: int) -> list[Entry]:
        _, memory = await self._served(device)
        held = entries(memory, device)
        stored = await self._stored(device)
        begin = max(stored.acked, memory.acked.get(device, START))
        found = await self._driver.read("read_newest", *device, *begin, items)
        begin = max(begin, memory.acked.get(device, START))
        read = [pages.row_entry(device, row) for row in found]
        return pages.newest(pages.merged(read, held, begin), items, size)

    async def logs(self, shard: ShardId) -> list[DeviceId]:
        """Groups' logs that have items; none, where the shard is not held."""
        life, memory = await self._serving(shard)
        if life is None:
            return []
        rows = await self._driver.read("read_aging", shard, schema.LOGS, limits.REMEMBERED_GROUPS)
        found = {DeviceId(UserId(row.user), row.device) for row in rows}
        found |= {d for d in memory.devices.get(shard, ()) if d.device == LOG_DEVICE}
        return [device for device in sorted(found) if (await self.head(device)).items]

    async def ages(self, device: DeviceId, most: int) -> list[tuple[Position, int]]:
        """Positions and when they were accepted (Unix milliseconds), oldest first."""
        _, memory = await self._served(device)
        held = {p: h.put.accepted_ms for p, h in memory.items.get(device, {}).items()}
        stored = await self._stored(device)
        begin = max(stored.acked, memory.acked.get(device, START))
        found = await self._driver.read("read_ages", *device, *begin, most)
        read = {Position(row.epoch, row.seq): row.accepted for row in found}
        if len(found) < most:
            read.update(held)
        return [(p, read[p]) for p in sorted(read) if p > memory.acked.get(device, START)]


def entries(memory: Memory, device: DeviceId) -> dict[Position, Entry]:
    """What memory holds of an inbox."""
    held = memory.items.get(device, {})
    return {p: Entry(device, p, one.put.accepted_ms, one.put.body) for p, one in held.items()}
