"""Events in one SQLite file that the processes of one machine share: a bounded log with groups.

A thread of its own writes what was published, all that waits in one transaction. A group's events
are one line: whoever of it claims the next ones has them until they are dealt with, so each goes
to one process at a time and one user's events stay in order.

What may be relied upon: `publish` takes microseconds, whatever the file does. A group gets each
event at least once, from the moment of its first subscription on: a process that dies, or is slow
beyond LOCAL_EVENT_CLAIM without an event loop that runs, has its last ones repeated. What a crash
can lose: of a process the push hints that were not written (some milliseconds); of the machine the
push hints of the last moments. An audit event is in the spool before `publish` returns, and leaves
it once it is on the disk here: it may come late and twice. Of each topic so many events are kept
as core/limits.py says; hints that a group has not taken by then are dropped and counted.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog

from signet.adapters import events_sqlite_sql as sql
from signet.adapters.events_lines import decode, encode
from signet.adapters.events_spool import Spool
from signet.adapters.sqlite_file import Away, SqliteFile, connect, transact
from signet.clocks import boot_ms
from signet.core import limits
from signet.ports.events import Event, Topic

log = structlog.get_logger(__name__)

LINGER_S = 0.005  # what is published within it shares a transaction
RETRY_S = 0.5  # after a file that was locked or full
KEPT = {Topic.PUSH: limits.PUSH_HINTS_KEPT, Topic.AUDIT: limits.AUDIT_EVENTS_KEPT}


class SqliteEvents:
    """`spool` is a folder of this process alone. `dropped` is called for each hint that is lost.

    That happens in any thread.
    """

    def __init__(
        self,
        path: Path,
        spool: Path,
        *,
        dropped: Callable[[], None],
        buffer: int = limits.EVENT_BUFFER,
        kept: int | None = None,
        claim_s: float = limits.LOCAL_EVENT_CLAIM,
    ) -> None:
        """Raises: sqlite3.Error, OSError or ValueError, if the files cannot be had."""
        self._file = SqliteFile(path, sql.SCHEMA)
        self._spool = Spool(spool, limits.AUDIT_SPOOL_BYTES)
        self._claim_s = claim_s
        self._subscriptions: set[_Subscription] = set()
        self._writer = _Writer(path, self._spool, dropped, buffer, kept, self._written)
        self._writer.start()

    def publish(self, event: Event) -> None:
        """See Events."""
        self._writer.put(event)

    def subscribe(self, topic: Topic, group: str) -> AsyncIterator[Event]:
        """See Events. Of those who follow for one group each event goes to one."""
        end = self._subscriptions.discard
        subscription = _Subscription(self._file, topic, group, self._claim_s, end)
        self._subscriptions.add(subscription)
        return subscription.follow()

    async def ping(self) -> None:
        """See that a write would have its turn. Raises Away."""
        await self._file.ping()

    async def close(self) -> None:
        """Wait up to EVENT_FLUSH for what is not written. Audit events stay in the spool."""
        await asyncio.gather(*(one.close() for one in self._subscriptions))
        await asyncio.to_thread(self._writer.stop)
        await self._file.close()

    def _written(self) -> None:
        for one in tuple(self._subscriptions):
            one.wake()


class _Writer(threading.Thread):
    """Puts what was published into the file, in its order."""

    def __init__(
        self,
        path: Path,
        spool: Spool,
        dropped: Callable[[], None],
        buffer: int,
        kept: int | None,
        written: Callable[[], None],
    ) -> None:
        super().__init__(name="events-sqlite", daemon=True)
        self._connection = connect(path, durable=False, timeout_s=limits.SHARED_STORE_TIMEOUT)
        self._spool, self._dropped, self._written = spool, dropped, written
        self._buffer, self._kept = buffer, kept
        self._hints: deque[bytes] = deque()
        self._writing: list[bytes] = []  # hints before those; kept until they are written
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._is_away = False
        self._wake.set()  # for what a former process left in the spool

    def put(self, event: Event) -> None:
        """In any thread; never waits."""
        line, is_open = encode(event), not self._stopping.is_set()
        if event.topic is Topic.AUDIT:
            if not (is_open and self._spool.append(line)):
                log.error("an audit event is lost: there is no room for it on disk")
        elif is_open and len(self._hints) + len(self._writing) < self._buffer:
            self._hints.append(line)
        else:
            self._dropped()
        self._wake.set()

    def stop(self) -> None:
        """Blocks, for EVENT_FLUSH at most."""
        self._stopping.set()
        self._wake.set()
        self.join(limits.EVENT_FLUSH)

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.wait()
                self._stopping.wait(LINGER_S)
                self._wake.clear()
                if not self._write_all():
                    self._stopping.wait(RETRY_S)
                    self._wake.set()
            self._write_all()
        finally:
            self._connection.close()
            self._spool.close()

    def _write_all(self) -> bool:
        """Whether nothing waits any more."""
        try:
            self._write_hints()
            self._write_audit()
        except (sqlite3.Error, OSError) as error:
            if not self._is_away:
                log.warning("the events' file is away", reason=str(error))
            self._is_away = True
            return False
        self._is_away = False
        return True

    def _write_hints(self) -> None:
        while self._hints:
            self._writing.append(self._hints.popleft())
        if self._writing:
            for _ in range(self._append(Topic.PUSH, self._writing)):
                self._dropped()
            self._writing = []

    def _write_audit(self) -> None:
        while lines := self._spool.read():
            self._spool.sync()
            self._connection.execute(
                "PRAGMA synchronous=FULL"
            )  # on the disk before it leaves the spool
            try:
                if self._append(Topic.AUDIT, [line for line, _ in lines]):
                    log.error("audit events are lost: a group did not take them for too long")
            finally:
                self._connection.execute("PRAGMA synchronous=NORMAL")
            self._spool.sent(lines[-1][1])

    def _append(self, topic: Topic, lines: list[bytes]) -> int:
        kept = self._kept or KEPT[topic]
        untaken = transact(
            self._connection, lambda db: sql.append(db, topic, lines, time.time_ns(), kept)
        )
        self._written()
        return untaken


class _Subscription:
    """One of a group."""

    def __init__(
        self,
        file: SqliteFile,
        topic: Topic,
        group: str,
        claim_s: float,
        end: "Callable[[_Subscription], None]",
    ) -> None:
        self._file, self._topic, self._group, self._claim_s = file, topic, group, claim_s
        self._end = end
        self._since_ns = time.time_ns()
        self._holder = os.urandom(8)
        self._done = 0  # behind which the next event is
        self._holds = self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holding: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be something to take. In any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake.set)

    async def follow(self) -> AsyncIterator[Event]:
        self._loop = asyncio.get_running_loop()
        self._holding = asyncio.create_task(self._hold())
        try:
            await self._join()
            while not self._closed:
                claimed = await self._take()
                for seq, event in claimed:
                    if event is not None and self._holds:
                        yield event
                    if not self._holds:  # it ran out, or this was closed: others go on from here
                        break
                    self._done = seq  # asked for the next: this one is dealt with
                await self._give_back()
                if not claimed:
                    await self._wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """What was dealt with is not repeated; the rest is for others."""
        self._closed = True
        self._wake.set()
        self._end(self)
        if self._holding is not None:
            self._holding.cancel()
        await self._give_back()

    async def _take(self) -> list[tuple[int, Event | None]]:
        """What the group has not taken, claimed; nothing while another of it has that."""
        try:
            if not await self._file.read(lambda db: sql.waits(db, self._topic, self._group)):
                return []
            claimed = await self._file.write(lambda db: sql.take(db, self._claim()))
        except Away:
            return []
        self._holds, self._done = bool(claimed), 0
        return [(seq, _event(line)) for seq, line in claimed]

    async def _join(self) -> None:
        """Until it is done: a group that is not there gets nothing."""
        while not self._closed:
            try:
                await self._file.write(
                    lambda db: sql.join(db, self._topic, self._group, self._since_ns)
                )
            except Away:
                await self._wait()
            else:
                return

    async def _hold(self) -> None:
        """A claim stands while its process lives; how far it has got is kept as it goes."""
        while True:
            await asyncio.sleep(self._claim_s / 4)
            if self._holds:
                with contextlib.suppress(Away):
                    if not await self._file.write(
                        lambda db: sql.hold(db, self._claim(), self._done)
                    ):
                        self._holds = False

    async def _give_back(self) -> None:
        if self._holds:
            self._holds = False
            with contextlib.suppress(Away):  # then it runs out
                await self._file.write(lambda db: sql.give_back(db, self._claim(), self._done))

    async def _wait(self) -> None:
        """Others of this process wake it, those of other processes are looked for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.LOCAL_EVENT_POLL):
                await self._wake.wait()
        self._wake.clear()

    def _claim(self) -> sql.Claim:
        ttl_ms = round(self._claim_s * 1000)
        return sql.Claim(self._topic, self._group, self._holder, boot_ms(), ttl_ms)


def _event(line: bytes) -> Event | None:
    """None for what a version after this one may write."""
    try:
        return decode(line)
    except (ValueError, KeyError):
        return None
