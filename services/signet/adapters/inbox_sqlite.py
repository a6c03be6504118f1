"""Inboxes and shard leases in one SQLite file: the embedded default of ports/inbox.py.

One writer thread; all that waits goes into one transaction, and one fsync (WAL, synchronous
FULL). Several processes of one machine may share the file. What a crash can lose: nothing that
returned. Reads have a connection and a thread of their own, and see every write that returned.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from signet.adapters import inbox_sqlite_sql as sql
from signet.core import limits
from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId
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

T = TypeVar("T")
Job = tuple[
    Callable[[sqlite3.Connection], object], "asyncio.Future[object]", asyncio.AbstractEventLoop
]


class _Writer(threading.Thread):
    """Runs jobs in order; those that wait together share one transaction."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="inbox-writer", daemon=True)
        self._path = path
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((work, future, loop))  # type: ignore[arg-type]
        return future

    def stop(self) -> None:
        self._jobs.put(None)
        self.join()

    def run(self) -> None:
        connection = sql.connect(self._path)
        try:
            while (job := self._jobs.get()) is not None:
                group = [job]
                while not self._jobs.empty():
                    if (more := self._jobs.get()) is None:
                        self._jobs.put(None)
                        break
                    group.append(more)
                self._transact(connection, group)
        finally:
            connection.close()

    def _transact(self, connection: sqlite3.Connection, group: Sequence[Job]) -> None:
        outcomes: list[object] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work, _, _ in group:
                outcomes.append(self._one(connection, work))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            outcomes = [StoreUnavailable(str(error))] * len(group)
        for (_, future, loop), outcome in zip(group, outcomes, strict=True):
            loop.call_soon_threadsafe(_resolve, future, outcome)

    @staticmethod
    def _one(
        connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]
    ) -> object:
        """A job that refuses leaves no trace in the transaction that it shares."""
        connection.execute("SAVEPOINT job")
        try:
            outcome = work(connection)
        except (NotOwner, OtherShards) as refusal:
            connection.execute("ROLLBACK TO job")
            outcome = refusal
        connection.execute("RELEASE job")
        return outcome


def _resolve(future: "asyncio.Future[object]", outcome: object) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class SqliteInbox:
    """See the module's text, and ports/inbox.py for the contract."""

    def __init__(self, path: Path, shards: int = limits.SHARDS) -> None:
        self._shards = shards
        setup = sql.connect(path)
        setup.executescript(sql.SCHEMA)
        setup.close()
        self._writer = _Writer(path)
        self._writer.start()
        self._reader = ThreadPoolExecutor(1, "inbox-reader")
        self._reading = sql.connect(path)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader, work, self._reading)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from error

    async def ping(self) -> None:
        """See that a write would have its turn. Raises StoreUnavailable."""
        await self._writer.submit(lambda _: None)

    async def append(self, batches: Sequence[Batch]) -> None:
        await self._writer.submit(lambda db: sql.append(db, batches))

    async def heads(self, devices: Sequence[DeviceId]) -> Sequence[Head]:
        return await self._read(lambda db: [sql.head(db, device) for device in devices])

    async def read(
        self, device: DeviceId, after: Position, items: int, size: int, now_ms: int
    ) -> Page:
        return await self._read(lambda db: sql.page(db, device, after, items, size, now_ms))

    async def newest(self, device: DeviceId, items: int, size: int) -> Sequence[Entry]:
        return await self._read(lambda db: sql.newest(db, device, items, size))

    async def logs(self, shards: Sequence[ShardId]) -> Sequence[DeviceId]:
        return await self._read(lambda db: sql.logs(db, shards))

    async def drop(
        self, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId], *, for_good: bool = False
    ) -> None:
        forget = sql.drop_for_good if for_good else sql.drop
        await self._writer.submit(lambda db: forget(db, shard, epoch, devices))

    async def sweep(self, before_ms: int, limit: int) -> int:
        return await self._writer.submit(lambda db: sql.sweep(db, before_ms, limit))

    async def register(self, incarnation: Incarnation, lease_s: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            sql.agree(db, self._shards)
            sql.register(db, incarnation, lease_s)

        await self._writer.submit(work)

    async def renew(self, incarnation: Incarnation) -> None:
        await self._writer.submit(lambda db: sql.renew(db, incarnation))

    async def leases(self) -> dict[Incarnation, int | None]:
        return await self._read(sql.leases)

    async def mark_dead(self, incarnation: Incarnation, counter: int) -> bool:
        return await self._writer.submit(lambda db: sql.mark_dead(db, incarnation, counter))

    async def shards(self) -> Sequence[ShardRow]:
        return await self._read(lambda db: sql.shards(db, self._shards))

    async def take(self, incarnation: Incarnation, shards: Sequence[ShardId]) -> Sequence[Taken]:
        return await self._writer.submit(lambda db: sql.take(db, incarnation, shards))

    async def release(self, incarnation: Incarnation, shards: Sequence[Taken]) -> None:
        await self._writer.submit(lambda db: sql.release(db, incarnation, shards))

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.stop)
        self._reader.shutdown()
        self._reading.close()


def open_inbox(path: Path, shards: int = limits.SHARDS) -> SqliteInbox:
    """Open or make the file.

    Raises:
        sqlite3.Error: it cannot be opened, or is no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return SqliteInbox(path, shards)
