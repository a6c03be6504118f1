"""One connection to a SQLite file that processes of one machine share, and the thread it lives in.

The file is in WAL mode: who reads waits for nobody, who writes waits for other writers, for at
most `timeout_s`. With `durable` a commit is on the disk when it returns; without it, what the
last moments wrote is lost when the machine (not the process) ends, and nothing else is.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from signet.core import limits

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
AGAIN_S = 0.005
OPENING_S = 5.0


class Away(ConnectionError):
    """The file is locked, full or gone; nothing was written."""


def connect(path: Path, *, durable: bool, timeout_s: float) -> sqlite3.Connection:
    """A connection in WAL mode, for any thread; transactions are begun by hand.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=timeout_s
    )
    try:
        _use_wal(connection)
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite refuses this without waiting while another process makes the file: try again."""
    deadline = time.monotonic() + OPENING_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(AGAIN_S)


class SqliteFile:
    """Calls run in the order in which they were made, off the event loop."""

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        durable: bool = False,
        timeout_s: float = limits.SHARED_STORE_TIMEOUT,
    ) -> None:
        """Open the file and make what is missing of `schema` (CREATE … IF NOT EXISTS).

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        self._connection = connect(path, durable=durable, timeout_s=OPENING_S)
        try:
            self._connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
            self._connection.execute(f"PRAGMA busy_timeout={round(timeout_s * 1000)}")
        except BaseException:
            self._connection.close()
            raise
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-{path.name}")

    async def read(self, work: Work[T]) -> T:
        """What `work` finds; it sees every write that has returned. Raises Away."""
        return await self._run(lambda: work(self._connection))

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction of its own. Raises Away, and what `work` raises."""
        return await self._run(lambda: transact(self._connection, work))

    async def ping(self) -> None:
        """See that a write would have its turn. Raises Away."""
        await self.write(lambda _: None)

    async def _run(self, call: Callable[[], T]) -> T:
        if self._closed:
            raise Away("SQLite: the file was closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except sqlite3.Error as error:
            raise Away(f"SQLite: {error}") from error

    async def close(self) -> None:
        """Let what waits be done first. Calls after it raise Away."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)


def transact(connection: sqlite3.Connection, work: Work[T]) -> T:
    """Run `work` in a transaction that waits for its turn; undone if anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcome = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcome
