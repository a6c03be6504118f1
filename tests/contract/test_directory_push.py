"""What ports/push_registrations.py says, on every adapter of the directory."""

import os

import pytest

from signet.core.ids import DeviceId, UserId
from signet.ports.directory import Directory, NoSuchAccount
from signet.ports.push_registrations import Apns, ApnsEnvironment, Fcm, Registration, WebPush
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import a_device, registered

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]
EACH: list[Registration] = [
    WebPush("https://push.example.net/one", b"\x04" + os.urandom(64), os.urandom(16)),
    Apns("ab" * 32, "org.example.chat"),
    Apns("ab" * 32, "org.example.chat", ApnsEnvironment.SANDBOX),
    Fcm("a:token"),
]
NOBODY = UserId(bytes(16))


@every_adapter
async def test_the_last_registration_of_a_device_is_read_as_it_was_written(
    directory: Directory,
) -> None:
    at = await registered(directory)
    assert await directory.push_of([at]) == {}
    for registration in EACH:
        await directory.put_push(at, registration)
        assert await directory.push_of([at, DeviceId(NOBODY, 1)]) == {at: registration}
    assert await directory.push_of([]) == {}


@every_adapter
async def test_a_registration_is_dropped_unless_there_is_a_newer_one(directory: Directory) -> None:
    at = await registered(directory)
    for older in EACH:
        newer = Fcm("a:newer:token")
        await directory.put_push(at, older)
        await directory.put_push(at, newer)
        assert not await directory.drop_push(at, older)
        assert await directory.push_of([at]) == {at: newer}
        assert await directory.drop_push(at, newer)
        assert not await directory.drop_push(at, newer)
        await directory.put_push(at, older)
        assert await directory.drop_push(at)
        assert await directory.push_of([at]) == {}
    assert not await directory.drop_push(at)


@every_adapter
async def test_each_device_has_its_own_and_it_goes_with_the_device(directory: Directory) -> None:
    first = await registered(directory)
    added = await directory.add_device(first.user, a_device())
    second = DeviceId(first.user, added.id)
    for at, registration in zip((first, second), EACH, strict=False):
        await directory.put_push(at, registration)
    assert await directory.push_of([first, second]) == {first: EACH[0], second: EACH[1]}
    await directory.remove_device(second)
    assert await directory.push_of([first, second]) == {first: EACH[0]}
    await directory.delete_account(first.user)
    assert await directory.push_of([first]) == {}


@every_adapter
async def test_who_is_no_device_registers_nothing(directory: Directory) -> None:
    at = await registered(directory)
    for nobody in (DeviceId(NOBODY, 1), DeviceId(at.user, 2)):
        with pytest.raises(NoSuchAccount):
            await directory.put_push(nobody, EACH[0])
    assert not await directory.drop_push(DeviceId(NOBODY, 1))
