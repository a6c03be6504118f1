"""The SQLite inbox in memory, as one life of a router sees it when the store is in trouble.

A write that raises StoreUnavailable may have been done, may be done later, or never (J2). When
the life ends, nothing that it asked for returns; what was under way may still be done.
"""

import asyncio
import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from signet.adapters import inbox_sqlite_sql as sql
from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId
from signet.ports.inbox import Batch, Entry, Head, NotOwner, Page, ShardRow, StoreUnavailable, Taken

T = TypeVar("T")


class Rows:
    """What is durable, whoever lives; and all that ever was, for the asserts."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.executescript(sql.SCHEMA)
        self.written: defaultdict[DeviceId, dict[Position, bytes]] = defaultdict(dict)

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self.db.execute("BEGIN")
        try:
            outcome = work(self.db)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return outcome

    def append(self, batches: Sequence[Batch]) -> None:
        self.transact(lambda db: sql.append(db, batches))
        for batch in batches:
            for entry in batch.entries:
                before = self.written[entry.device].setdefault(entry.position, entry.body)
                assert before == entry.body, "a number was used twice (J2)"


class TroubledInbox:
    """See the module's text, and ports/inbox.py. `trouble` is from 0, none, to 1."""

    def __init__(self, rows: Rows, chance: random.Random, shards: int) -> None:
        self.trouble = 0.0
        self.rows = rows
        self._shards = shards
        self._chance = chance
        self._dead = False

    def die(self) -> None:
        self._dead = True

    async def _pass(self, *, fails: float) -> None:
        """The way there or back: takes a while, and may fail."""
        await asyncio.sleep(self._chance.uniform(0.0005, 0.003 + 0.2 * self.trouble))
        if self._dead:
            await asyncio.get_running_loop().create_future()
        if self._chance.random() < fails * self.trouble:
            raise StoreUnavailable("trouble")

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        await self._pass(fails=0.2)
        return work(self.rows.db)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        await self._pass(fails=0.1)
        outcome = self.rows.transact(work)
        await self._pass(fails=0.1)
        return outcome

    async def append(self, batches: Sequence[Batch]) -> None:
        try:
            await self._pass(fails=0.2)
        except StoreUnavailable:
            if self._chance.random() < 0.5:  # it is on its way still, and arrives late
                late = self._chance.uniform(0.0, 2.0)
                asyncio.get_running_loop().call_later(late, self._late, batches)
            raise
        self.rows.append(batches)
        await self._pass(fails=0.2)

    def _late(self, batches: Sequence[Batch]) -> None:
        try:
            self.rows.append(batches)
        except NotOwner:
            return  # the fence

    async def heads(self, devices: Sequence[DeviceId]) -> Sequence[Head]:
        return await self._read(lambda db: [sql.head(db, device) for device in devices])

    async def read(
        self, device: DeviceId, after: Position, items: int, size: int, now_ms: int
    ) -> Page:
        return await self._read(lambda db: sql.page(db, device, after, items, size, now_ms))

    async def logs(self, shards: Sequence[ShardId]) -> Sequence[DeviceId]:
        return await self._read(lambda db: sql.logs(db, shards))

    async def newest(self, device: DeviceId, items: int, size: int) -> Sequence[Entry]:
        return await self._read(lambda db: sql.newest(db, device, items, size))

    async def drop(
        self, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId], *, for_good: bool = False
    ) -> None:
        forget = sql.drop_for_good if for_good else sql.drop
        await self._write(lambda db: forget(db, shard, epoch, devices))

    async def sweep(self, before_ms: int, limit: int) -> int:
        return await self._write(lambda db: sql.sweep(db, before_ms, limit))

    async def register(self, incarnation: Incarnation, lease_s: float) -> None:
        await self._write(lambda db: sql.register(db, incarnation, lease_s))

    async def renew(self, incarnation: Incarnation) -> None:
        await self._write(lambda db: sql.renew(db, incarnation))

    async def leases(self) -> dict[Incarnation, int | None]:
        return await self._read(sql.leases)

    async def mark_dead(self, incarnation: Incarnation, counter: int) -> bool:
        return await self._write(lambda db: sql.mark_dead(db, incarnation, counter))

    async def shards(self) -> Sequence[ShardRow]:
        return await self._read(lambda db: sql.shards(db, self._shards))

    async def take(self, incarnation: Incarnation, shards: Sequence[ShardId]) -> Sequence[Taken]:
        return await self._write(lambda db: sql.take(db, incarnation, shards))

    async def release(self, incarnation: Incarnation, shards: Sequence[Taken]) -> None:
        await self._write(lambda db: sql.release(db, incarnation, shards))

    async def close(self) -> None:
        return
