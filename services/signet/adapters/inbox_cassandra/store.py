"""Inboxes and shard leases in Cassandra: a journal, and rows for what stays (docs/design.md §6).

The rules are docs/durability.md; core/durability decides, here calls of the port are handed to it.
What may be relied upon beyond ports/inbox.py: who asks a store that does not hold the shard sees
rows alone, not what is younger than some seconds. What a crash can lose: nothing that returned.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from signet.adapters.inbox_cassandra.driver import Driver
from signet.adapters.inbox_cassandra.life import Clock, Life, Pace, Part, core
from signet.adapters.inbox_cassandra.reader import Reader
from signet.adapters.inbox_cassandra.rows import lease, shard, untaken
from signet.adapters.inbox_cassandra.session import Session
from signet.adapters.inbox_cassandra.upkeep import Sweeper, bury
from signet.adapters.inbox_cassandra.url import parse
from signet.clocks import boot_clock, unix_ms
from signet.core import limits
from signet.core.durability.operations import (
    UNKNOWN,
    Acked,
    LeaseRow,
    MarkDead,
    Noted,
    Put,
    ReadLease,
    Record,
)
from signet.core.durability.operations import ShardRow as Row
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId
from signet.ports.inbox import (
    Batch,
    Entry,
    Head,
    NotOwner,
    OtherShards,
    Page,
    ShardRow,
    StoreUnavailable,
    Taken,
)

PACE = Pace()
FORGOTTEN = 64  # appends whose outcome nobody has asked for again
Appends = list["asyncio.Future[None]"]


class CassandraInbox:
    """See the module's text, and ports/inbox.py for the contract. Connects at the first call."""

    def __init__(
        self,
        url: str,
        shards: int = limits.SHARDS,
        clock: Clock = boot_clock,
        now_ms: Callable[[], int] = unix_ms,
        pace: Pace = PACE,
        performs: Callable[[Session, Callable[[], int]], Driver] = Driver,
        timeout_s: float = limits.CASSANDRA_TIMEOUT,
    ) -> None:
        """`performs` makes what performs operations; each has `timeout_s`. Raises BadUrl."""
        self._address, self._shards = parse(url), shards
        self._clock, self._now_ms, self._pace = clock, now_ms, pace
        self._performs, self._timeout_s = performs, timeout_s
        self._connecting = asyncio.Lock()
        self._driver: Driver | None = None
        self._reader: Reader
        self._sweeper: Sweeper
        self._lives: dict[Incarnation, Life] = {}
        self._registering: dict[Incarnation, float] = {}
        self._unknown: list[tuple[Sequence[Batch], Appends]] = []
        self._counters: dict[DeviceId, int] = {}  # of connections (O4)
        self._dead: list[LeaseRow] = []
        self._burying: asyncio.Task[None] | None = None

    async def _connected(self) -> Driver:
        """Raises StoreUnavailable (OldSchema, where `migrate` was not called)."""
        if self._driver is None:
            async with self._connecting:
                if self._driver is None:
                    await self._connect()
        assert self._driver is not None
        return self._driver

    async def _connect(self) -> None:
        session = await Session.open(self._address, self._timeout_s)
        driver = self._performs(session, self._now_ms)
        self._reader = Reader(driver, self._shards, self._owner)
        self._sweeper = Sweeper(driver, self._reader)
        self._driver = driver

    def _owner(self, number: ShardId) -> Life | None:
        """Who holds it; one that has ended, where nobody else does, and may say nothing."""
        lives = sorted(self._lives.values(), key=lambda life: life.ended)
        return next((life for life in lives if life.holds(number)), None)

    def _held(self) -> Iterator[tuple[Life, ShardId]]:
        for life in [life for life in self._lives.values() if not life.over()]:
            for number in list(life.core.shards.held):
                yield life, number

    async def ping(self) -> None:
        """Read a row at the consistency of all reads. Raises StoreUnavailable."""
        await (await self._connected()).read("read_shard", 0)

    async def close(self) -> None:
        """Segments that are written are not waited for; what returned is durable."""
        await asyncio.gather(*(life.stop() for life in self._lives.values()))
        if self._burying is not None:
            self._burying.cancel()
            await asyncio.gather(self._burying, return_exceptions=True)
        if self._driver is not None:
            await self._driver.session.close()

    # --- appending ----------------------------------------------------------------------------

    async def append(self, batches: Sequence[Batch]) -> None:
        futures = self._again(batches)
        if futures is None:
            futures = await self._submit(batches)
        await self._durable(batches, futures)

    def _again(self, batches: Sequence[Batch]) -> Appends | None:
        """What was appended before and is not known yet: it is the same segment (J2)."""
        for known in self._unknown:
            if known[0] is batches or known[0] == batches:
                self._unknown.remove(known)
                return known[1]
        return None

    async def _durable(self, batches: Sequence[Batch], futures: Appends) -> None:
        try:
            _, waiting = await asyncio.wait(futures, timeout=limits.STORE_PATIENCE)
        except asyncio.CancelledError:
            self._remember(batches, futures)
            raise
        if waiting:
            self._remember(batches, futures)
            raise StoreUnavailable("Cassandra has not confirmed it yet")
        for future in futures:
            future.result()

    def _remember(self, batches: Sequence[Batch], futures: Appends) -> None:
        self._unknown.append((batches, futures))
        del self._unknown[:-FORGOTTEN]

    async def _submit(self, batches: Sequence[Batch]) -> Appends:
        await self._connected()
        for device in {note.device for batch in batches for note in batch.connected}:
            await self._know_counter(device)
        parts: defaultdict[Life, list[Part]] = defaultdict(list)
        for batch in batches:
            life = self._life_of(batch.shard, batch.epoch)
            if records := self._records(batch):
                parts[life].append((batch.shard, batch.epoch, records))
        for life, group in parts.items():
            life.check(group)
        futures: Appends = []
        for life, group in parts.items():
            futures += await life.append(group)
        return futures or [done()]

    def _life_of(self, number: ShardId, epoch: Epoch) -> Life:
        life = self._owner(number)
        if life is None or not life.core.shards.appends(number, epoch):
            raise NotOwner("another owns it, or did in that epoch")
        return life

    def _records(self, batch: Batch) -> list[Record]:
        records: list[Record] = [
            Put(batch.shard, e.device, e.position, e.accepted_ms, e.body) for e in batch.entries
        ]
        records += [Acked(batch.shard, a.device, a.position) for a in batch.acknowledged]
        for note in batch.connected:
            if note.counter >= self._counters.get(note.device, 0):  # O4
                self._counters[note.device] = note.counter
                tokens = tuple(note.resumable)
                records.append(Noted(batch.shard, note.device, batch.epoch, note.counter, tokens))
        return records

    async def _know_counter(self, device: DeviceId) -> None:
        if device not in self._counters:
            await self.heads([device])

    async def drop(
        self, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId], *, for_good: bool = False
    ) -> None:
        await self._connected()
        life = self._life_of(shard, epoch)
        records: list[Record] = []
        for head in await self.heads(devices):
            self._counters[head.device] = 0
            if head.last > START:
                records.append(Acked(shard, head.device, head.last))
            records.append(Noted(shard, head.device, epoch, 0, ()))
        _, waiting = await asyncio.wait(
            await life.append([(shard, epoch, records)]), timeout=limits.STORE_PATIENCE
        )
        if waiting:
            raise StoreUnavailable("Cassandra has not confirmed it yet")

    # --- reading ------------------------------------------------------------------------------

    async def heads(self, devices: Sequence[DeviceId]) -> Sequence[Head]:
        await self._connected()
        heads = await asyncio.gather(*map(self._reader.head, devices))
        for head in heads:
            self._counters.pop(head.device, None)
            self._counters[head.device] = head.counter
        for device in list(self._counters)[: -limits.REMEMBERED_INBOXES]:
            del self._counters[device]
        return heads

    async def read(
        self, device: DeviceId, after: Position, items: int, size: int, now_ms: int
    ) -> Page:
        await self._connected()
        return await self._reader.page(device, after, items, size, now_ms)

    async def newest(self, device: DeviceId, items: int, size: int) -> Sequence[Entry]:
        await self._connected()
        return await self._reader.newest(device, items, size)

    async def logs(self, shards: Sequence[ShardId]) -> Sequence[DeviceId]:
        await self._connected()
        found = await asyncio.gather(*map(self._reader.logs, shards))
        return [device for those in found for device in those]

    async def sweep(self, before_ms: int, limit: int) -> int:
        await self._connected()
        return await self._sweeper.sweep(self._held(), before_ms, limit)

    # --- leases -------------------------------------------------------------------------------

    async def register(self, incarnation: Incarnation, lease_s: float) -> None:
        driver = await self._connected()
        if (there := await driver.agree(self._shards)) != self._shards:
            raise OtherShards(self._shards, there)
        sent = self._registering.setdefault(incarnation, self._clock())  # L2: from the first try
        await driver.insert_lease(incarnation, lease_s)
        began = core(incarnation, lease_s, self._pace)
        began.lease.registered(sent)
        self._lives[incarnation] = Life(began, driver, self._clock, self._pace.tick)

    async def renew(self, incarnation: Incarnation) -> None:
        life = self._lives.get(incarnation)
        if life is None or life.ended:
            raise NotOwner("this incarnation is not known, or has ended")
        await life.renew(limits.LEASE)

    async def leases(self) -> dict[Incarnation, int | None]:
        driver = await self._connected()
        found = [lease(row) for row in await driver.read("read_leases")]
        self._dead = [row for row in found if row.dead]
        return {row.incarnation: None if row.dead else row.counter for row in found}

    async def mark_dead(self, incarnation: Incarnation, counter: int) -> bool:
        driver = await self._connected()
        marked = await driver.perform(MarkDead(incarnation, counter))
        if marked is UNKNOWN:
            raise StoreUnavailable("Cassandra does not say whether it was marked")
        if marked and incarnation in self._lives:
            self._lives[incarnation].end("marked dead")
        return bool(marked)

    # --- shards -------------------------------------------------------------------------------

    async def shards(self) -> Sequence[ShardRow]:
        driver, dead = await self._connected(), self._dead
        known = {row.shard: row for row in map(shard, await driver.read("read_shards"))}
        for life in self._lives.values():
            if not life.ended:
                for row in known.values():
                    life.compare(row)  # L4
        if dead and (self._burying is None or self._burying.done()):
            self._burying = asyncio.create_task(bury(driver, dead, list(known.values())))
        rows = (known.get(ShardId(n), untaken(ShardId(n))) for n in range(self._shards))
        return [ShardRow(row.shard, row.owner, row.epoch) for row in rows]

    async def take(self, incarnation: Incarnation, shards: Sequence[ShardId]) -> Sequence[Taken]:
        driver, life = await self._connected(), self._lives.get(incarnation)
        if life is None or life.over():
            return []
        own = await driver.perform(ReadLease(incarnation))
        if not isinstance(own, LeaseRow):
            raise StoreUnavailable("Cassandra does not say whether we live")
        if own.dead:
            life.end("marked dead")
            return []
        return await self._take(driver, life, shards)

    async def _take(self, driver: Driver, life: Life, shards: Sequence[ShardId]) -> Sequence[Taken]:
        """Rows are read all at once, not serially: a take is conditional on what was read (L5)."""
        read = {row.shard: row for row in map(shard, await driver.read("read_shards"))}
        rows = [read.get(number, untaken(number)) for number in shards]
        owners = await self._owners(driver, rows)
        for row in rows:
            life.compare(row)
            life.take(row, None if row.owner is None else owners.get(row.owner))
        await life.settled(shards, limits.LEASE)
        held = life.core.shards.held
        return [Taken(number, held[number].epoch) for number in shards if number in held]

    async def _owners(self, driver: Driver, rows: Sequence[Row]) -> dict[Incarnation, LeaseRow]:
        names = list({row.owner for row in rows if row.owner is not None})
        found = await asyncio.gather(*(driver.perform(ReadLease(name)) for name in names))
        return {row.incarnation: row for row in found if isinstance(row, LeaseRow)}

    async def release(self, incarnation: Incarnation, shards: Sequence[Taken]) -> None:
        life = self._lives.get(incarnation)
        if life is None:
            return
        releases = (life.release(one.shard, one.epoch, limits.HOLD_TIME) for one in shards)
        try:
            await asyncio.gather(*releases)
        except TimeoutError:
            raise StoreUnavailable("Cassandra does not answer: not all are released") from None


def done() -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
