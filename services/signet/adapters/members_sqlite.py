"""Members in one SQLite file that the processes of one machine share.

A row a member: its record, and when that runs out on the machine's own clock (CLOCK_BOOTTIME,
the same for all its processes). A row that runs out later than any record may is of a former
boot, and counts as run out.

What may be relied upon (L6): a record is written again every LOCAL_MEMBER_REFRESH and lives for
LOCAL_MEMBER_TTL. What a crash can lose: of a process nothing; of the machine all of it, which
says who is there now and is of no use after. A file that is locked or full moves nothing: see
core/roster.py. No call holds up the event loop, and none waits longer than SHARED_STORE_TIMEOUT.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from signet.adapters.members_polled import PolledMembers
from signet.adapters.members_view import decode, encode, key_of
from signet.adapters.sqlite_file import SqliteFile
from signet.clocks import boot_ms
from signet.core import limits
from signet.ports.members import Member

SCHEMA = """
CREATE TABLE IF NOT EXISTS member (
  kind TEXT NOT NULL, name TEXT NOT NULL, started_ms INTEGER NOT NULL, record TEXT NOT NULL,
  ends_ms INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
"""
FORGET = "DELETE FROM member WHERE ends_ms NOT BETWEEN :now AND :now + :ttl"
READ = "SELECT record FROM member WHERE ends_ms BETWEEN :now AND :now + :ttl"
# After FORGET. A process that was stopped, and goes on, does not take its successor's place.
PUT = """
INSERT INTO member VALUES (:kind, :name, :started_ms, :record, :now + :ttl)
ON CONFLICT DO UPDATE SET started_ms = excluded.started_ms, record = excluded.record,
  ends_ms = excluded.ends_ms WHERE excluded.started_ms >= started_ms
"""


class SqliteMembers(PolledMembers):
    """The times are arguments for tests; see core/limits.py. All processes have the same ones."""

    def __init__(
        self,
        path: Path,
        *,
        ttl_s: float = limits.LOCAL_MEMBER_TTL,
        refresh_s: float = limits.LOCAL_MEMBER_REFRESH,
        poll_s: float = limits.LOCAL_MEMBER_POLL,
        settle_s: float = limits.LOCAL_MEMBERS_SETTLE,
    ) -> None:
        """Raises: sqlite3.Error, if the file cannot be opened."""
        super().__init__(refresh_s=refresh_s, poll_s=poll_s, settle_s=settle_s)
        self._file = SqliteFile(path, SCHEMA)
        self._ttl_ms = round(ttl_s * 1000)

    async def _write(self, member: Member, *, left: bool = False) -> None:
        kind, name = key_of(member)
        row = {"kind": kind, "name": name, "started_ms": member.started_ms}
        row["record"] = encode(member, left=left)

        def work(db: sqlite3.Connection) -> None:
            times = self._times()
            db.execute(FORGET, times)
            db.execute(PUT, row | times)

        await self._file.write(work)

    async def _read(self) -> Sequence[tuple[Member, bool]]:
        rows = await self._file.read(lambda db: db.execute(READ, self._times()).fetchall())
        return [found for found in (decode(record) for (record,) in rows) if found is not None]

    def _times(self) -> dict[str, int]:
        return {"now": boot_ms(), "ttl": self._ttl_ms}

    async def ping(self) -> None:
        """See that a write would have its turn. Raises Away."""
        await self._file.ping()

    async def _end(self) -> None:
        await self._file.close()
