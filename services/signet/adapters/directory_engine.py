"""Transactions of the directory on SQLite and PostgreSQL, the same for both.

Writers of one process take turns on SQLite (a queue is fairer than its busy handler); with other
processes they share the file by BEGIN IMMEDIATE. On PostgreSQL rows are locked.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Table, event, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from signet.ports.inbox import StoreUnavailable

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

_WRITES = "signet_writes"
_RACES = 3  # how often a transaction that lost a race for a unique value is tried
_TIMEOUT_S = 10.0  # of a connection, of a statement, of SQLite's lock
_CONNECTIONS = 8  # of one process; each is a thread on SQLite


def make_engine(
    url: str, *, timeout_s: float = _TIMEOUT_S, tls: ssl.SSLContext | None = None
) -> AsyncEngine:
    """An engine whose commits are durable when they return. `url` is SQLAlchemy's.

    `tls` is for PostgreSQL; None leaves it to the URL's `ssl`.
    """
    if not url.startswith("sqlite"):
        return create_async_engine(
            url,
            pool_size=_CONNECTIONS,
            pool_timeout=timeout_s,
            pool_pre_ping=True,
            # a PostgreSQL that is stopped or unreachable is an error in time, not a wait for ever
            connect_args={
                "timeout": timeout_s,
                "command_timeout": timeout_s,
                **({"ssl": tls} if tls is not None else {}),
            },
        )
    engine = create_async_engine(
        url,
        pool_size=_CONNECTIONS,
        pool_timeout=timeout_s,
        connect_args={"timeout": timeout_s, "isolation_level": None},
    )
    event.listen(engine.sync_engine, "connect", _make_durable)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _make_durable(connection: Any, _record: object) -> None:
    try:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        connection.close()  # the pool does not know it yet, and its thread would stay
        raise


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class SqlStore:
    """Runs work in transactions; what belongs to the store itself becomes StoreUnavailable."""

    def __init__(self, engine: AsyncEngine, *, turn_s: float = _TIMEOUT_S) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._turn, self._turn_s = asyncio.Lock(), turn_s

    async def _read(self, work: Work[T]) -> T:
        """Run `work` on one snapshot. Raises StoreUnavailable."""
        return await self._run(work, writes=False)

    async def _write(self, work: Work[T]) -> T:
        """Run `work`, durable when it returns; again if it lost a race for a unique value.

        `work` looks before it writes, so the next try sees who won. Raises StoreUnavailable, and
        what `work` raises (then nothing is written).
        """
        async with self._in_turn():
            for _ in range(_RACES - 1):
                try:
                    return await self._run(work, writes=True)
                except IntegrityError:
                    continue
            return await self._run(work, writes=True)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Of writers on SQLite. Where each waits for a locked file, those behind it do not add up.

        Raises StoreUnavailable.
        """
        if not self._is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(self._turn_s):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("other writers wait") from error
        try:
            yield
        finally:
            self._turn.release()

    async def _run(self, work: Work[T], *, writes: bool) -> T:
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(**{_WRITES: writes})
                async with connection.begin():
                    return await work(connection)
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    async def ping(self) -> None:
        """See that a transaction that writes can begin. Raises StoreUnavailable."""

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(select(literal(1)))

        await self._write(work)

    def _insert_new(self, table: Table) -> Insert:
        """INSERT that leaves a row of the same key as it is."""
        if self._is_sqlite:
            return sqlite.insert(table).on_conflict_do_nothing()
        return postgresql.insert(table).on_conflict_do_nothing()

    async def close(self) -> None:
        """Give back what is held."""
        await self._engine.dispose()
