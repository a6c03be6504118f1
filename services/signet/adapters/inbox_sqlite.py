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
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from signet.core import limits
from signet.core.ids import (
    START,
    DeviceId,
    Epoch,
    Incarnation,
    Position,
    ShardId,
)
from signet.ports.inbox import (
    Acknowledged,
    Batch,
    Connected,
    Entry,
    Head,
    NotOwner,
    Page,
    ShardRow,
    StoreUnavailable,
    Taken,
)

T = TypeVar("T")
Job = tuple[
    Callable[[sqlite3.Connection], object], "asyncio.Future[object]", asyncio.AbstractEventLoop
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
  user BLOB NOT NULL, device INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  accepted_ms INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (user, device, epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
  user BLOB NOT NULL, device INTEGER NOT NULL, shard INTEGER NOT NULL,
  last_epoch INTEGER NOT NULL DEFAULT 0, last_seq INTEGER NOT NULL DEFAULT 0,
  acked_epoch INTEGER NOT NULL DEFAULT 0, acked_seq INTEGER NOT NULL DEFAULT 0,
  counter INTEGER NOT NULL DEFAULT 0, resumable TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (user, device)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS swept (
  user BLOB NOT NULL, device INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (user, device)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
  incarnation BLOB PRIMARY KEY, counter INTEGER NOT NULL, dead INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shard (
  shard INTEGER PRIMARY KEY, owner BLOB, epoch INTEGER NOT NULL);
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that is durable when COMMIT returns."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


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
        connection = connect(self._path)
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
        except NotOwner as refusal:
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
        setup = connect(path)
        setup.executescript(SCHEMA)
        setup.close()
        self._writer = _Writer(path)
        self._writer.start()
        self._reader = ThreadPoolExecutor(1, "inbox-reader")
        self._reading = connect(path)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader, work, self._reading)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from error

    async def append(self, batches: Sequence[Batch]) -> None:
        await self._writer.submit(lambda db: _append(db, batches))

    async def heads(self, devices: Sequence[DeviceId]) -> Sequence[Head]:
        return await self._read(lambda db: [_head(db, device) for device in devices])

    async def read(
        self, device: DeviceId, after: Position, items: int, size: int, now_ms: int
    ) -> Page:
        return await self._read(lambda db: _page(db, device, after, items, size, now_ms))

    async def drop(self, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId]) -> None:
        await self._writer.submit(lambda db: _drop(db, shard, epoch, devices))

    async def sweep(self, before_ms: int, limit: int) -> int:
        return await self._writer.submit(lambda db: _sweep(db, before_ms, limit))

    async def register(self, incarnation: Incarnation, lease_s: float) -> None:
        await self._writer.submit(
            lambda db: db.execute(
                "INSERT OR IGNORE INTO lease VALUES (?, 0, 0, ?)", (incarnation, lease_s)
            )
        )

    async def renew(self, incarnation: Incarnation) -> None:
        await self._writer.submit(lambda db: _renew(db, incarnation))

    async def leases(self) -> dict[Incarnation, int | None]:
        rows = await self._read(
            lambda db: db.execute("SELECT incarnation, counter, dead FROM lease").fetchall()
        )
        return {Incarnation(row[0]): None if row[2] else row[1] for row in rows}

    async def mark_dead(self, incarnation: Incarnation, counter: int) -> bool:
        return await self._writer.submit(
            lambda db: (
                db.execute(
                    "UPDATE lease SET dead = 1 WHERE incarnation = ? AND counter = ?",
                    (incarnation, counter),
                ).rowcount
                > 0
            )
        )

    async def shards(self) -> Sequence[ShardRow]:
        rows = await self._read(
            lambda db: db.execute("SELECT shard, owner, epoch FROM shard").fetchall()
        )
        known = {row[0]: ShardRow(ShardId(row[0]), row[1], Epoch(row[2])) for row in rows}
        return [
            known.get(number, ShardRow(ShardId(number), None, Epoch(0)))
            for number in range(self._shards)
        ]

    async def take(self, incarnation: Incarnation, shards: Sequence[ShardId]) -> Sequence[Taken]:
        return await self._writer.submit(lambda db: _take(db, incarnation, shards))

    async def release(self, incarnation: Incarnation, shards: Sequence[Taken]) -> None:
        await self._writer.submit(
            lambda db: db.executemany(
                "UPDATE shard SET owner = NULL WHERE shard = ? AND owner = ? AND epoch = ?",
                [(taken.shard, incarnation, taken.epoch) for taken in shards],
            )
        )

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


def _fence(db: sqlite3.Connection, shard: ShardId, epoch: Epoch) -> None:
    """Only the epoch that the row names may write, and only while its owner's lease stands (L3)."""
    row = db.execute(
        "SELECT epoch, coalesce(dead, 1) FROM shard LEFT JOIN lease ON owner = incarnation"
        " WHERE shard = ?",
        (shard,),
    ).fetchone()
    if row is None or row[0] != epoch or row[1]:
        raise NotOwner(f"shard {shard} is not held in epoch {epoch}")


def _append(db: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    for batch in batches:
        _fence(db, batch.shard, batch.epoch)
        _insert(db, batch.shard, batch.entries)
        _connected(db, batch.shard, batch.connected)
        _acknowledge(db, batch.acknowledged)


def _insert(db: sqlite3.Connection, shard: ShardId, entries: Sequence[Entry]) -> None:
    last: dict[DeviceId, Position] = {entry.device: entry.position for entry in entries}
    for device, position in last.items():
        db.execute(
            "INSERT INTO inbox (user, device, shard, last_epoch, last_seq) VALUES (?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET last_epoch = excluded.last_epoch, last_seq ="
            " excluded.last_seq WHERE (excluded.last_epoch, excluded.last_seq) >"
            " (last_epoch, last_seq)",
            (device.user, device.device, shard, position.epoch, position.seq),
        )
    # What is acknowledged does not come back, however late its write is repeated (W1).
    db.executemany(
        "INSERT OR IGNORE INTO item SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM"
        " inbox WHERE user = ?1 AND device = ?2 AND (acked_epoch, acked_seq) >= (?3, ?4))",
        [
            (
                e.device.user,
                e.device.device,
                e.position.epoch,
                e.position.seq,
                e.accepted_ms,
                e.body,
            )
            for e in entries
        ],
    )


def _connected(db: sqlite3.Connection, shard: ShardId, connected: Sequence[Connected]) -> None:
    db.executemany(
        "INSERT INTO inbox (user, device, shard, counter, resumable) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET counter = excluded.counter, resumable = excluded.resumable"
        " WHERE excluded.counter >= counter",
        [
            (c.device.user, c.device.device, shard, c.counter, ",".join(map(str, c.resumable)))
            for c in connected
        ],
    )


def _acknowledge(db: sqlite3.Connection, acknowledged: Sequence[Acknowledged]) -> None:
    keys = [
        (a.device.user, a.device.device, a.position.epoch, a.position.seq) for a in acknowledged
    ]
    db.executemany(
        "UPDATE inbox SET acked_epoch = ?3, acked_seq = ?4 WHERE user = ?1 AND device = ?2"
        " AND (acked_epoch, acked_seq) < (?3, ?4)",
        keys,
    )
    db.executemany(
        "DELETE FROM item WHERE user = ? AND device = ? AND (epoch, seq) <= (?, ?)", keys
    )


def _head(db: sqlite3.Connection, device: DeviceId) -> Head:
    row = db.execute(
        "SELECT last_epoch, last_seq, acked_epoch, acked_seq, counter, resumable FROM inbox"
        " WHERE user = ? AND device = ?",
        (device.user, device.device),
    ).fetchone()
    if row is None:
        return Head(device, START, START)
    items, size = db.execute(
        "SELECT count(*), coalesce(sum(length(body)), 0) FROM item WHERE user = ? AND device = ?",
        (device.user, device.device),
    ).fetchone()
    resumable = tuple(int(counter) for counter in row[5].split(",") if counter)
    return Head(
        device, Position(row[0], row[1]), Position(row[2], row[3]), row[4], resumable, items, size
    )


def _page(
    db: sqlite3.Connection, device: DeviceId, after: Position, items: int, size: int, now_ms: int
) -> Page:
    rows = db.execute(
        "SELECT epoch, seq, accepted_ms, body FROM item WHERE user = ? AND device = ?"
        " AND (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ?",
        (device.user, device.device, after.epoch, after.seq, items + 1),
    )
    oldest_ms = now_ms - limits.ITEM_TTL * 1000
    entries: list[Entry] = []
    gone, expired = _swept(db, device), 0
    for epoch, seq, accepted_ms, body in rows:
        if len(entries) + expired == items or (entries and size < len(body)):
            return Page(entries, True, _ranges(db, device, after, gone))
        if accepted_ms < oldest_ms and not entries:  # the oldest, or what is younger went with it
            gone, expired = Position(epoch, seq), expired + 1
        else:
            size -= len(body)
            entries.append(Entry(device, Position(epoch, seq), accepted_ms, body))
    return Page(entries, False, _ranges(db, device, after, gone))


def _swept(db: sqlite3.Connection, device: DeviceId) -> Position:
    """Up to where the sweeper has dropped items that nobody fetched."""
    row = db.execute(
        "SELECT epoch, seq FROM swept WHERE user = ? AND device = ?", (device.user, device.device)
    ).fetchone()
    return Position(*row) if row is not None else START


def _ranges(
    db: sqlite3.Connection, device: DeviceId, after: Position, gone: Position
) -> list[tuple[Position, Position]]:
    """What is dropped by age is the oldest: one range, of what was never acknowledged."""
    if gone <= after:
        return []
    before = max(after, _acknowledged(db, device))
    return [(Position(before.epoch, before.seq + 1), gone)] if gone > before else []


def _acknowledged(db: sqlite3.Connection, device: DeviceId) -> Position:
    row = db.execute(
        "SELECT acked_epoch, acked_seq FROM inbox WHERE user = ? AND device = ?",
        (device.user, device.device),
    ).fetchone()
    return Position(*row) if row is not None else START


def _drop(
    db: sqlite3.Connection, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId]
) -> None:
    _fence(db, shard, epoch)
    keys = [(device.user, device.device) for device in devices]
    db.executemany("DELETE FROM item WHERE user = ? AND device = ?", keys)
    db.executemany(
        "UPDATE inbox SET acked_epoch = last_epoch, acked_seq = last_seq, counter = 0,"
        " resumable = '' WHERE user = ? AND device = ?",
        keys,
    )


def _sweep(db: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """For each inbox the oldest, without a gap: what is younger is never reported as expired."""
    inboxes = db.execute(
        "SELECT DISTINCT user, device FROM item WHERE accepted_ms < ? LIMIT ?", (before_ms, limit)
    ).fetchall()
    gone = 0
    for user, device in inboxes:
        rows = db.execute(
            "SELECT epoch, seq, accepted_ms FROM item WHERE user = ? AND device = ?"
            " ORDER BY epoch, seq LIMIT ?",
            (user, device, limit - gone),
        )
        old = [row[:2] for row in takewhile(lambda row: row[2] < before_ms, rows)]
        if old:
            key = (user, device, *old[-1])
            db.execute("INSERT OR REPLACE INTO swept VALUES (?, ?, ?, ?)", key)
            db.execute(
                "DELETE FROM item WHERE user = ? AND device = ? AND (epoch, seq) <= (?, ?)", key
            )
            gone += len(old)
    return gone


def _renew(db: sqlite3.Connection, incarnation: Incarnation) -> None:
    renewed = db.execute(
        "UPDATE lease SET counter = counter + 1 WHERE incarnation = ? AND NOT dead", (incarnation,)
    )
    if renewed.rowcount == 0:
        raise NotOwner("this incarnation was marked dead")


def _take(
    db: sqlite3.Connection, incarnation: Incarnation, shards: Sequence[ShardId]
) -> list[Taken]:
    lease = db.execute("SELECT dead FROM lease WHERE incarnation = ?", (incarnation,)).fetchone()
    if lease is None or lease[0]:
        return []  # the dead own nothing, whatever they still ask for (L2)
    taken = []
    for shard in shards:
        row = db.execute(
            "INSERT INTO shard VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET owner = ?2,"
            " epoch = epoch + 1 WHERE owner IS NULL OR owner IN"
            " (SELECT incarnation FROM lease WHERE dead) RETURNING epoch",
            (shard, incarnation),
        ).fetchone()
        if row is not None:
            taken.append(Taken(shard, Epoch(row[0])))
    return taken
