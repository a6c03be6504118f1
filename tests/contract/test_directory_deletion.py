"""A deleted account leaves no row that names it, on every adapter of ports/directory.py."""

import pytest
from sqlalchemy import LargeBinary, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_sql import SqlDirectory
from signet.adapters.directory_tables import metadata
from signet.core.ids import DeviceId, UserId
from signet.ports.directory import IdTaken
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import NOW, an_account, registered, upload

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]


async def rows_that_name(directory: SqlDirectory, user: UserId) -> set[str]:
    """The tables in which the id stands, whatever the column is called."""

    async def look(tx: AsyncConnection) -> set[str]:
        return {
            table.name
            for table in metadata.tables.values()
            for column in table.c
            if isinstance(column.type, LargeBinary)
            if (await tx.execute(select(column).where(column == user))).first()
        }

    return await directory._read(look)


@every_adapter
async def test_no_row_of_any_table_names_a_deleted_account(directory: SqlDirectory) -> None:
    ann = await directory.create_account(an_account(upload(), user_name="ann"))
    bob = await registered(directory)
    await directory.note_written([(ann.user, bob.user), (bob.user, ann.user)])
    await directory.set_blocked(ann.user, bob.user, True)
    await directory.set_blocked(bob.user, ann.user, True)
    await directory.put_nonce(b"n" * 32, DeviceId(ann.user, 1), NOW + 1000, NOW)
    named = await rows_that_name(directory, ann.user)
    assert named > {"account", "device", "one_time_key", "used_key", "block", "contact", "nonce"}

    await directory.delete_account(ann.user)
    assert await rows_that_name(directory, ann.user) == {"untold"}  # until owners of shards know
    (change,) = await directory.untold(ann.user)
    await directory.told(change)
    assert await rows_that_name(directory, ann.user) == set()
    assert await directory.account(bob.user) is not None


@every_adapter
async def test_an_id_is_never_given_again(directory: SqlDirectory) -> None:
    ann = an_account()
    await directory.create_account(ann)
    with pytest.raises(IdTaken):
        await directory.create_account(ann)
    await directory.delete_account(ann.user)
    with pytest.raises(IdTaken):
        await directory.create_account(ann)
    assert await directory.account(ann.user) is None
