"""Presence in one SQLite file that the processes of one machine share.

A row a user, written whole, with when it was written and how long it holds by the machine's own
clock (CLOCK_BOOTTIME, the same for all its processes). A row that was written later than now is
of a former boot, and has run out. Rows stay: they say when somebody was last seen.

What may be relied upon: of two writes the later one stands. What a crash can lose: of a process
what it had not handed to SQLite; of the machine the last moments, which come again with the next
heartbeats. A file that is locked or full is not waited for longer than SHARED_STORE_TIMEOUT:
writes are dropped, reads know nobody. No call holds up the event loop.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from signet.adapters.sqlite_file import Away, SqliteFile
from signet.clocks import boot_ms
from signet.core.ids import UserId
from signet.ports.inbox import StoreUnavailable
from signet.ports.presence import Seen, Status

SCHEMA = """
CREATE TABLE IF NOT EXISTS presence (
  user BLOB PRIMARY KEY, status INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL,
  gateway TEXT NOT NULL, put_ms INTEGER NOT NULL, ttl_ms INTEGER NOT NULL) WITHOUT ROWID;
"""
PUT = "INSERT OR REPLACE INTO presence VALUES (?, ?, ?, ?, ?, ?)"
GET = """
SELECT CASE WHEN :now BETWEEN put_ms AND put_ms + ttl_ms - 1 THEN status ELSE :offline END,
  last_seen_ms, gateway FROM presence WHERE user = :user
"""


class SqlitePresence:
    """A PresenceStore."""

    def __init__(self, path: Path) -> None:
        """Raises: sqlite3.Error, if the file cannot be opened."""
        self._file = SqliteFile(path, SCHEMA)

    async def put(self, seen: Sequence[Seen], ttl_s: float) -> None:
        """See PresenceStore. One transaction; a file that is away drops them."""
        if not seen:
            return
        times = (boot_ms(), max(1, round(ttl_s * 1000)))
        rows = [(s.user, s.status, s.last_seen_ms, s.gateway, *times) for s in seen]
        with contextlib.suppress(Away):
            await self._file.write(lambda db: db.executemany(PUT, rows))

    async def get(self, users: Sequence[UserId]) -> dict[UserId, Seen]:
        """See PresenceStore. Nobody is known while the file is away."""
        if not users:
            return {}
        try:
            return await self._file.read(lambda db: _get(db, users))
        except Away:
            return {}

    async def forget(self, users: Sequence[UserId]) -> None:
        """See PresenceStore. Raises StoreUnavailable."""
        rows = [(user,) for user in users]
        try:
            await self._file.write(
                lambda db: db.executemany("DELETE FROM presence WHERE user = ?", rows)
            )
        except Away as error:
            raise StoreUnavailable("presence") from error

    async def ping(self) -> None:
        """See that a write would have its turn. Raises Away."""
        await self._file.ping()

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()


def _get(db: sqlite3.Connection, users: Sequence[UserId]) -> dict[UserId, Seen]:
    found = {}
    for user in users:
        values = {"now": boot_ms(), "offline": Status.OFFLINE, "user": user}
        if (row := db.execute(GET, values).fetchone()) is not None:
            found[user] = Seen(user, Status(row[0]), row[1], row[2])
    return found
