"""What ports/telling.py says of changes to be told; take-overs that are done again."""

import os
from dataclasses import replace

import pytest

from signet.core.ids import DeviceId, UserId
from signet.ports.directory import (
    Directory,
    NewAccount,
    NoSuchAccount,
)
from signet.ports.pre_keys import (
    KeyUpload,
    Stock,
)
from signet.ports.telling import Untold
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import a_device, a_replacement, an_account, one_time, registered

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]
NOBODY = UserId(bytes(16))


@every_adapter
async def test_what_ends_devices_is_untold_until_it_is_told(directory: Directory) -> None:
    user = (await registered(directory)).user
    gone = (await registered(directory)).user
    assert list(await directory.untold()) == []
    await directory.add_device(user, a_device())
    removed = await directory.remove_device(DeviceId(user, 2))
    taken, dropped = await directory.replace_account(user, a_replacement(removed.generation))
    await directory.delete_account(gone)
    await directory.delete_account(NOBODY)
    mine = [
        Untold(user, removed.version, False, ()),
        Untold(user, taken.version, True, tuple(dropped)),
    ]
    assert list(await directory.untold(user)) == mine
    deleted = Untold(gone, 2, True, (1,))
    assert set(await directory.untold()) == {*mine, deleted}
    for _ in range(2):
        await directory.told(mine[0])
    assert set(await directory.untold()) == {mine[1], deleted}


@every_adapter
async def test_a_change_that_was_refused_leaves_nothing_to_tell(directory: Directory) -> None:
    user = (await registered(directory)).user
    with pytest.raises(NoSuchAccount):
        await directory.replace_account(user, a_replacement(generation=7))
    with pytest.raises(NoSuchAccount):
        await directory.remove_device(DeviceId(user, 2))
    assert list(await directory.untold()) == []


async def taken_over(directory: Directory) -> NewAccount:
    new = an_account()
    await directory.create_account(new)
    return new


@every_adapter
async def test_a_take_over_is_repeated_with_its_keys_until_it_is_settled(
    directory: Directory,
) -> None:
    new = await taken_over(directory)
    first = a_replacement(generation=1)
    account, _ = await directory.replace_account(new.user, first)
    assert account.former_recovery_hash == new.recovery_hash
    repeated = replace(first, generation=2, recovery_hash=b"newest")
    for _ in range(2):
        again = await directory.repeat_replacement(new.user, repeated)
        assert replace(again, recovery_hash=b"") == replace(account, recovery_hash=b"")
        assert again.recovery_hash == b"newest"
    at = DeviceId(new.user, account.devices[0].id)
    assert await directory.stock(at) == Stock(2, 2)
    more = replace(first.device, keys=KeyUpload(one_time=one_time(3)))
    await directory.repeat_replacement(new.user, replace(repeated, device=more))
    assert await directory.stock(at) == Stock(3, 2)
    await directory.settle_replacement(at)
    with pytest.raises(NoSuchAccount):
        await directory.repeat_replacement(new.user, repeated)
    settled = await directory.account(new.user)
    assert settled is not None
    assert settled.former_recovery_hash == b""


@every_adapter
async def test_only_the_same_take_over_is_repeated(directory: Directory) -> None:
    new = await taken_over(directory)
    first = a_replacement(generation=1)
    as_registered = replace(first, identity_key=new.identity_key, device=new.device)
    with pytest.raises(NoSuchAccount):  # a registration is no take-over
        await directory.repeat_replacement(new.user, as_registered)
    await directory.replace_account(new.user, first)
    same = replace(first, generation=2)
    for other in (
        replace(same, generation=1),
        replace(same, identity_key=os.urandom(33)),
        replace(same, device=replace(first.device, login_key=os.urandom(32))),
        replace(same, device=replace(first.device, registration_id=4712)),
    ):
        with pytest.raises(NoSuchAccount):
            await directory.repeat_replacement(new.user, other)
    with pytest.raises(NoSuchAccount):
        await directory.repeat_replacement(NOBODY, same)


@every_adapter
async def test_a_device_that_was_dropped_settles_nothing(directory: Directory) -> None:
    new = await taken_over(directory)
    await directory.replace_account(new.user, a_replacement(generation=1))
    await directory.settle_replacement(DeviceId(new.user, 1))
    account = await directory.account(new.user)
    assert account is not None
    assert account.former_recovery_hash == new.recovery_hash
