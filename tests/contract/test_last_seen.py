"""When somebody was last seen is kept in the directory: ports/users.Users.note_seen."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from signet.adapters.directory_sql import SqlDirectory, open_directory
from signet.adapters.users_directory import DirectoryUsers
from signet.core.ids import UserId
from signet.core.limits import LOAD_USERS
from signet.ports.directory import Directory
from signet.ports.inbox import StoreUnavailable
from signet.ports.pre_keys import KeyUpload
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import registered

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]
NOBODY = UserId(bytes(16))


@every_adapter
async def test_the_latest_time_stands_and_comes_with_the_user(directory: Directory) -> None:
    users, ann = DirectoryUsers(directory), (await registered(directory)).user
    before = (await users.load([ann]))[ann]
    assert before.last_seen_ms == 0
    seen = []
    for times in ([1_700_000_000_123], [1_600_000_000_000], [5, 1_700_000_000_456]):
        await users.note_seen([(ann, at_ms) for at_ms in times])
        seen.append((await users.load([ann]))[ann])
    # and nothing else of the user changes: no router loads them again for it
    assert seen[0] == seen[1] == replace(before, last_seen_ms=1_700_000_000_123)
    assert seen[2] == replace(before, last_seen_ms=1_700_000_000_456)


@every_adapter
async def test_many_are_noted_at_once_and_those_nobody_knows_are_passed_over(
    directory: Directory,
) -> None:
    known = [(await registered(directory, KeyUpload())).user for _ in range(3)]
    users = DirectoryUsers(directory)
    strangers = [(UserId(at.to_bytes(16, "big")), at) for at in range(2 * LOAD_USERS)]
    await users.note_seen([*strangers, *((user, 7) for user in known)])
    assert {one.last_seen_ms for one in (await users.load(known)).values()} == {7}
    assert await users.load([NOBODY]) == {}
    await users.note_seen([])


@every_adapter
async def test_two_routers_that_note_the_same_users_do_not_wait_for_each_other(
    directory: Directory,
) -> None:
    known = [(await registered(directory, KeyUpload())).user for _ in range(4)]
    users = DirectoryUsers(directory)
    notes = [users.note_seen([(user, at) for user in known[:: (-1) ** at]]) for at in range(1, 21)]
    async with asyncio.timeout(30):
        await asyncio.gather(*notes)
    assert {one.last_seen_ms for one in (await users.load(known)).values()} == {20}


async def test_a_directory_that_is_gone_says_so(tmp_path: Path) -> None:
    opened: SqlDirectory = await open_directory(f"sqlite:///{tmp_path / 'directory.db'}")
    user = (await registered(opened)).user
    async with opened._engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE account RENAME TO elsewhere")
    with pytest.raises(StoreUnavailable):
        await DirectoryUsers(opened).note_seen([(user, 1)])
    await opened.close()
