"""What ports/account_life.py says, on every adapter: another identity key; whose rows are whose."""

import os
from dataclasses import replace

import pytest
from sqlalchemy import ColumnElement, LargeBinary, false, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_life import NOBODYS, WITHHELD, whose
from signet.adapters.directory_sql import SqlDirectory
from signet.adapters.directory_tables import metadata
from signet.core.ids import DeviceId, UserId
from signet.ports.account_life import NewIdentity
from signet.ports.directory import Changes, Directory, NoSuchAccount
from signet.ports.pre_keys import KeyIdReused
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import NOW, a_device, an_account, registered, upload

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]


def another(generation: int = 1) -> NewIdentity:
    return NewIdentity(generation, os.urandom(33), upload())


@every_adapter
async def test_a_new_identity_keeps_the_device_and_ends_the_others(directory: Directory) -> None:
    account = await directory.create_account(an_account(user_name="ann"))
    second = await directory.add_device(account.user, a_device())
    at, new = DeviceId(account.user, second.id), another()
    changed, dropped = await directory.change_identity(at, new)
    assert (changed.identity_key, list(dropped)) == (new.identity_key, [1])
    assert (changed.user_name, changed.recovery_hash) == ("ann", account.recovery_hash)
    assert (changed.generation, changed.version) == (2, 3)
    (device,) = changed.devices
    assert (device.id, device.generation, device.login_key) == (second.id, 2, second.login_key)
    (told,) = await directory.untold(account.user)
    assert (told.replaced, told.dropped) == (True, (1,))


@every_adapter
async def test_no_pre_key_of_the_identity_before_is_handed_out(directory: Directory) -> None:
    at, new = await registered(directory, upload(ec=3, kems=3)), another()
    await directory.change_identity(at, new)
    for _ in range(3):
        found = await directory.take_bundles(at.user)
        assert found is not None
        (bundle,) = found.devices
        assert (found.identity_key, bundle.signed) == (new.identity_key, new.keys.signed)
        assert bundle.one_time in (*new.keys.one_time, None)
        assert bundle.kem in (*new.keys.one_time_kem, new.keys.last_resort)


@every_adapter
async def test_of_two_changes_at_once_one_is_made(directory: Directory) -> None:
    at, first = await registered(directory), another()
    await directory.change_identity(at, first)
    with pytest.raises(NoSuchAccount):
        await directory.change_identity(at, another(generation=1))
    with pytest.raises(NoSuchAccount):
        await directory.change_identity(DeviceId(at.user, 9), another(generation=2))
    account = await directory.account(at.user)
    assert account is not None
    assert account.identity_key == first.identity_key


@every_adapter
async def test_a_key_id_that_was_used_before_changes_nothing(directory: Directory) -> None:
    keys = upload()
    at = await registered(directory, keys)
    new = another()
    assert new.keys.signed is not None
    assert keys.signed is not None
    reused = replace(new.keys.signed, id=keys.signed.id)
    wrong = replace(new, keys=replace(new.keys, signed=reused))
    with pytest.raises(KeyIdReused):
        await directory.change_identity(at, wrong)
    found = await directory.take_bundles(at.user)
    assert found is not None
    assert found.devices[0].signed == keys.signed


# --- export ---------------------------------------------------------------------------------------


def test_each_table_is_exported_or_says_nothing_of_anybody() -> None:
    """A new table without a word about it fails here."""
    for table in metadata.tables.values():
        assert bool(whose(table)) != (table.name in NOBODYS), f"whose are the rows of {table.name}?"
    for table_name, column in WITHHELD:
        assert column in metadata.tables[table_name].c


@every_adapter
async def test_all_rows_that_name_a_user_are_exported(directory: SqlDirectory) -> None:
    """The id is looked for in every column of every table."""
    ann = await directory.create_account(an_account(upload(), user_name="ann"))
    await directory.add_device(ann.user, a_device())
    await directory.update_account(ann.user, Changes(lock_hash=b"lock"))
    bob = await registered(directory)
    await directory.note_written([(ann.user, bob.user), (bob.user, ann.user)])
    await directory.set_blocked(ann.user, bob.user, True)
    await directory.set_blocked(bob.user, ann.user, True)
    await directory.put_nonce(b"n" * 32, DeviceId(ann.user, 1), NOW + 1000, NOW)
    rows = await directory.rows_of(ann.user)

    async def count(tx: AsyncConnection) -> dict[str, int]:
        found = {}
        for table in metadata.tables.values():
            named: ColumnElement[bool] = false()
            for column in table.c:
                if isinstance(column.type, LargeBinary):
                    named = named | (column == ann.user)
            found[table.name] = len((await tx.execute(select(table).where(named))).all())
        return found

    counted = await directory._read(count)
    theirs = counted.pop("block") - 1  # bob's of ann: nobody hears who blocks them
    assert theirs == 1
    assert len(rows["block"]) == 1
    assert {name: len(rows.get(name, ())) for name in counted} == counted
    assert len(rows["contact"]) == 2
    assert rows["account"][0]["user_name"] == "ann"


@every_adapter
async def test_what_members_know_of_a_group_is_exported_to_its_members(
    directory: SqlDirectory,
) -> None:
    ann, bob, eve = [(await registered(directory)).user for _ in range(3)]
    group, tables = os.urandom(16), metadata.tables

    async def write(tx: AsyncConnection) -> None:
        at = {"group_id": group, "version": 1}
        await tx.execute(insert(tables["chat_group"]).values(**at, state=b"state"))
        await tx.execute(insert(tables["group_change"]).values(**at, record=b"record"))
        await tx.execute(insert(tables["group_step"]).values(**at, members=ann + bob))
        for user in (ann, bob):
            member = {"group_id": group, "user_id": user}
            await tx.execute(insert(tables["group_member"]).values(member))

    await directory._write(write)
    names = ("chat_group", "group_change", "group_step", "group_member")
    for user, count in ((ann, 1), (bob, 1), (eve, 0)):
        rows = await directory.rows_of(user)
        assert [len(rows[name]) for name in names] == [count] * 4
    assert (await directory.rows_of(ann))["group_change"][0]["record"] == b"record"


@every_adapter
async def test_what_would_help_to_guess_a_secret_is_withheld(directory: Directory) -> None:
    ann = await directory.create_account(an_account())
    await directory.update_account(ann.user, Changes(lock_hash=b"lock"))
    (row,) = (await directory.rows_of(ann.user))["account"]
    assert str(row["recovery_hash"]).startswith("withheld")
    assert str(row["lock_hash"]).startswith("withheld")
    assert row["former_recovery_hash"] is None
    assert row["identity_key"] == ann.identity_key


@every_adapter
async def test_nothing_is_exported_of_nobody(directory: Directory) -> None:
    await registered(directory)
    assert not any((await directory.rows_of(UserId(bytes(16)))).values())
