"""The directory on SQLite (embedded) and PostgreSQL: one code for both.

SQLite: WAL, synchronous FULL, one writer at a time. What a crash can lose: nothing that returned.
"""

import asyncio
import sqlite3
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from signet.adapters import store_urls
from signet.adapters.directory_accounts import SqlAccounts
from signet.adapters.directory_devices import SqlOwnDevices
from signet.adapters.directory_engine import make_engine
from signet.adapters.directory_groups import SqlGroups
from signet.adapters.directory_keys import SqlPreKeys
from signet.adapters.directory_life import SqlAccountLife
from signet.adapters.directory_linking import SqlLinking
from signet.adapters.directory_migrations import Migrations, current
from signet.adapters.directory_profiles import SqlProfiles
from signet.adapters.directory_proofs import SqlProofs
from signet.adapters.directory_push import SqlPushRegistrations
from signet.adapters.directory_relations import SqlRelations
from signet.adapters.directory_telling import SqlTelling
from signet.adapters.sqlite_file import OPENING_S, connect
from signet.adapters.store_urls import Tls
from signet.ports.inbox import StoreUnavailable

MIGRATION_LOCK = 0x5169_6E65  # of PostgreSQL's advisory locks; any number that is ours alone


class SqlDirectory(
    SqlAccounts,
    SqlOwnDevices,
    SqlLinking,
    SqlAccountLife,
    SqlTelling,
    SqlPreKeys,
    SqlProfiles,
    SqlProofs,
    SqlRelations,
    SqlGroups,
    SqlPushRegistrations,
):
    """ports/directory.Directory. Make it with `open_directory`."""

    def __init__(
        self, engine: AsyncEngine, *, migrations: Migrations | None = None, **times: float
    ) -> None:
        super().__init__(engine, **times)
        self.migrations = migrations or Migrations()

    async def migrate(self, to: str = "") -> None:
        """Bring the tables as far as this version of Signet may, or to a revision: "head", "base"
        (none at all), or one by name.

        One transaction, also on SQLite; several processes may call it at once.

        Raises:
            StoreUnavailable: the tables are as they were.
        """

        async def work(tx: AsyncConnection) -> None:
            if not self._is_sqlite:  # one at a time: tables of two transactions would deadlock
                await tx.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            await tx.run_sync(self.migrations.run, to)

        await self._write(work)

    async def revision(self) -> str:
        """The revision of its tables, '' for none at all. Raises StoreUnavailable."""

        async def work(tx: AsyncConnection) -> str:
            return await tx.run_sync(current)

        return await self._read(work)

    async def check(self) -> None:
        """See that its tables are not older than this program; newer ones it gets along with.

        Raises:
            OldSchema, StoreUnavailable.
        """
        self.migrations.check(await self.revision())


async def open_directory(
    url: str, *, migrate: bool = True, migrations: Migrations | None = None
) -> SqlDirectory:
    """Open it by SQLAlchemy's URL, a `sqlite:///PATH` or a `postgresql://…`. See store_urls.

    Raises:
        StoreUnavailable: it cannot be opened, or its tables cannot be brought up to date.
        ValueError: the URL names another kind of database, or files that are not there.
    """
    try:
        plain, files = store_urls.split(url) if url.startswith("postgresql") else (url, Tls())
        tls = files.context() if any(files) else None
        engine = make_engine(_async_url(plain), tls=tls)
        if engine.url.database and engine.dialect.name == "sqlite":
            await asyncio.to_thread(_prepare, Path(engine.url.database))
        directory = SqlDirectory(engine, migrations=migrations)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise StoreUnavailable(type(error).__name__) from error
    if migrate:
        try:
            await directory.migrate()
        except BaseException:
            await directory.close()
            raise
    return directory


def _prepare(path: Path) -> None:
    """Put the file into WAL mode, also while other processes make it."""
    connect(path, durable=True, timeout_s=OPENING_S).close()


def _async_url(url: str) -> str:
    scheme, colon, rest = url.partition(":")
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    driver = drivers.get(scheme, scheme if scheme in drivers.values() else "")
    if not driver or not colon:
        raise ValueError(f"not a directory's URL: {scheme}:…; use sqlite: or postgresql:")
    return f"{driver}:{rest}"
