"""The directory's tables are made and unmade by migrations, and are what the code thinks."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from signet.adapters.directory_engine import make_engine
from signet.adapters.directory_migrations import Migrations
from signet.adapters.directory_sql import SqlDirectory, open_directory
from signet.adapters.directory_tables import metadata
from signet.core.ids import UserId
from signet.ports.inbox import StoreUnavailable
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import registered

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]


AT_FIRST = {
    "user_id": bytes(16),
    "identity_key": bytes(33),
    "findable": False,
    "presence": 1,
    "recovery_hash": b"hash",
    "lock_hash": b"",
    "generation": 1,
    "version": 1,
    "last_device": 1,
    "tries": 0,
    "tries_since_ms": 0,
}


def differences(connection: Connection) -> object:
    options = {"compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def look(directory: SqlDirectory, at: object) -> object:
    async with directory._engine.connect() as connection:
        return await connection.run_sync(at)  # type: ignore[arg-type]


@every_adapter
async def test_migrations_make_exactly_the_tables_of_the_code(directory: SqlDirectory) -> None:
    await directory.migrate("head")  # with what waits for the next version
    assert await look(directory, differences) == []
    assert await look(directory, tables) == {*metadata.tables, "alembic_version"}


@every_adapter
async def test_migrations_go_down_to_nothing_and_up_again(directory: SqlDirectory) -> None:
    await directory.migrate("base")
    assert await look(directory, tables) == {"alembic_version"}
    await directory.migrate()
    assert await look(directory, differences) == []


@every_adapter
async def test_accounts_of_the_first_tables_are_kept_by_the_next(directory: SqlDirectory) -> None:
    """What was not there is as if nobody had taken an account over."""
    await directory.migrate("base")
    await directory.migrate("0001")
    user = UserId(bytes(16))
    async with directory._engine.begin() as connection:
        await connection.execute(insert(metadata.tables["account"]).values(AT_FIRST))
    await directory.migrate()
    account = await directory.account(user)
    assert account is not None
    assert (account.recovery_hash, account.former_recovery_hash) == (b"hash", b"")
    assert list(await directory.untold()) == []
    assert (await directory.users([user]))[user].last_seen_ms == 0


@every_adapter
async def test_what_was_last_seen_goes_and_the_rest_stays_where_it_is_taken_back(
    directory: SqlDirectory,
) -> None:
    at = await registered(directory)
    await directory.note_seen([(at.user, 7)])
    async with directory._engine.begin() as connection:
        await connection.run_sync(lambda tx: command.downgrade(Migrations().config(tx), "0002"))
    await directory.migrate()
    user = (await directory.users([at.user]))[at.user]
    assert (user.last_seen_ms, user.devices) == (0, {1: 4711})


@every_adapter
async def test_migrating_again_keeps_what_is_there(directory: SqlDirectory) -> None:
    at = await registered(directory)
    await directory.migrate()
    assert await directory.account(at.user) is not None


async def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'directory.db'}"
    first = await open_directory(url)
    at = await registered(first)
    await first.close()
    second = await open_directory(url)
    assert await second.account(at.user) is not None
    await second.close()


async def test_sqlite_is_durable_when_a_commit_returns(tmp_path: Path) -> None:
    opened = await open_directory(f"sqlite:///{tmp_path / 'directory.db'}")
    async with opened._engine.connect() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]
    await opened.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    broken = tmp_path / "directory.db"
    broken.write_bytes(b"this is no database, only some text that is long enough" * 20)
    with pytest.raises(StoreUnavailable):
        await open_directory(f"sqlite:///{broken}")
    with pytest.raises(StoreUnavailable):
        await open_directory(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'a.db'}")


@pytest.mark.parametrize("url", ["mysql://x", "directory.db", ""])
async def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="directory"):
        await open_directory(url)


async def test_a_locked_file_is_unavailable_and_serves_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'directory.db'}"
    other_url = url.replace("sqlite", "sqlite+aiosqlite", 1)
    await (await open_directory(url)).close()
    opened = SqlDirectory(make_engine(other_url, timeout_s=0.05))
    other = create_async_engine(other_url)
    async with other.connect() as connection:
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.exec_driver_sql("DELETE FROM nonce")
        with pytest.raises(StoreUnavailable):
            await registered(opened)
        await connection.rollback()
    await registered(opened)
    await other.dispose()
    await opened.close()
