"""What ports/linking.py and ports/profiles.py say, on every adapter."""

import asyncio
import os
from dataclasses import dataclass, field, replace

import pytest

from signet.core.ids import DeviceId
from signet.core.limits import MAX_DEVICES
from signet.ports.directory import Directory, NewDevice, NoSuchAccount, TooManyDevices
from signet.ports.linking import Approval, DeviceLink, LinkTaken, NoSuchLink
from signet.ports.pre_keys import KeyUpload
from signet.ports.profiles import Profile
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import NOW, a_device, a_key, registered, upload

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]

END = NOW + 300_000
DAY = 24 * 3600 * 1000


@dataclass
class Mailbox:
    """A mailbox of a directory, and the device that wants in."""

    directory: Directory
    new: NewDevice = field(default_factory=a_device)
    address: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def approval(self) -> Approval:
        return Approval(self.new.login_key, self.new.registration_id, b"sealed")

    async def open(self) -> None:
        await self.directory.open_link(self.address, END, NOW)

    async def look(self, now_ms: int = NOW) -> DeviceLink:
        return await self.directory.link(self.address, now_ms)

    async def offer(self, by: DeviceId, offer: bytes = b"offer") -> None:
        await self.directory.offer_link(self.address, by, offer, NOW)

    async def answer(self, answer: bytes = b"answer") -> None:
        await self.directory.answer_link(self.address, answer, NOW)

    async def approve(self, by: DeviceId) -> None:
        await self.directory.approve_link(self.address, by, self.approval, NOW)

    async def approved(self, by: DeviceId) -> None:
        await self.open()
        await self.offer(by)
        await self.answer()
        await self.approve(by)


@every_adapter
async def test_a_new_device_is_added_to_the_account_that_let_it_in(directory: Directory) -> None:
    old, box = await registered(directory), Mailbox(directory)
    await box.approved(old)
    assert await box.look() == DeviceLink(END, old, b"offer", b"answer", box.approval)
    account, added = await directory.complete_link(box.address, box.new, NOW)
    assert (account.user, added.id, added.login_key) == (old.user, 2, box.new.login_key)
    assert account.version == 2
    assert [(change.user, change.replaced) for change in await directory.untold()] == [
        (old.user, False)
    ]
    bundles = await directory.take_bundles(old.user, only=2)
    assert bundles is not None
    assert bundles.devices[0].signed == box.new.keys.signed


@every_adapter
async def test_a_device_whose_answer_was_lost_is_not_added_twice(directory: Directory) -> None:
    old, box = await registered(directory), Mailbox(directory)
    await box.approved(old)
    again = replace(box.new, keys=upload())
    await directory.complete_link(box.address, box.new, NOW)
    account, added = await directory.complete_link(box.address, again, NOW)
    assert (len(account.devices), added.id) == (2, 2)
    bundles = await directory.take_bundles(old.user, only=2)
    assert bundles is not None
    assert bundles.devices[0].signed == again.keys.signed
    await directory.remove_device(DeviceId(old.user, 2))
    with pytest.raises(NoSuchLink):
        await directory.complete_link(box.address, again, NOW)


@every_adapter
async def test_a_mailbox_is_over_at_its_end_and_when_it_is_closed(directory: Directory) -> None:
    old, box = await registered(directory), Mailbox(directory)
    await box.approved(old)
    with pytest.raises(NoSuchLink):
        await box.look(END)
    with pytest.raises(NoSuchLink):
        await directory.complete_link(box.address, box.new, END)
    await directory.close_link(box.address)
    await directory.close_link(box.address)
    for call in (box.look(), box.offer(old), box.answer(), box.approve(old)):
        with pytest.raises(NoSuchLink):
            await call


@every_adapter
async def test_each_place_of_a_mailbox_is_written_once_and_in_order(directory: Directory) -> None:
    old, other = await registered(directory), await registered(directory)
    box = Mailbox(directory)
    await box.open()
    with pytest.raises(LinkTaken):
        await box.answer()
    with pytest.raises(NoSuchAccount):
        await box.offer(DeviceId(old.user, 9))
    await box.offer(old)
    await box.offer(old)
    for taken in (box.offer(other), box.offer(old, b"another"), box.approve(old)):
        with pytest.raises(LinkTaken):
            await taken
    await box.answer()
    await box.answer()
    for taken in (box.answer(b"another"), box.approve(other)):
        with pytest.raises(LinkTaken):
            await taken
    with pytest.raises(LinkTaken):
        await directory.complete_link(box.address, box.new, NOW)
    await box.approve(old)
    await box.approve(old)
    with pytest.raises(LinkTaken):
        await directory.complete_link(box.address, a_device(), NOW)


@every_adapter
async def test_a_device_that_was_removed_lets_nobody_in(directory: Directory) -> None:
    old, box = await registered(directory), Mailbox(directory)
    second = DeviceId(old.user, (await directory.add_device(old.user, a_device())).id)
    await box.approved(second)
    await directory.remove_device(second)
    with pytest.raises(NoSuchLink):
        await directory.complete_link(box.address, box.new, NOW)


@every_adapter
async def test_of_two_who_link_at_once_the_sixth_gets_in_and_the_seventh_does_not(
    directory: Directory,
) -> None:
    old, boxes = await registered(directory), [Mailbox(directory), Mailbox(directory)]
    for _ in range(MAX_DEVICES - 2):
        await directory.add_device(old.user, a_device())
    for box in boxes:
        await box.approved(old)
    tries = (directory.complete_link(box.address, box.new, NOW) for box in boxes)
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, TooManyDevices) for one in done) == 1
    account = await directory.account(old.user)
    assert account is not None
    assert len(account.devices) == MAX_DEVICES


@every_adapter
async def test_a_device_gets_another_name(directory: Directory) -> None:
    at = await registered(directory)
    await directory.rename_device(at, "tablet")
    account = await directory.account(at.user)
    assert account is not None
    assert account.devices[0].name == "tablet"
    with pytest.raises(NoSuchAccount):
        await directory.rename_device(DeviceId(at.user, 9), "tablet")


@every_adapter
async def test_a_device_that_registers_anew_has_other_keys_under_ids_it_used(
    directory: Directory,
) -> None:
    first = a_key(1)
    at = await registered(directory, KeyUpload(first, a_key(2), (a_key(3, signed=False),)))
    anew = a_device(KeyUpload(a_key(1), a_key(2)), registration_id=815)
    account, device = await directory.renew_device(at, anew)
    assert (device.id, device.registration_id, device.generation) == (1, 815, 1)
    assert (device.name, account.version) == ("phone", 2)
    bundles = await directory.take_bundles(at.user)
    assert bundles is not None
    assert bundles.devices[0].registration_id == 815
    assert bundles.devices[0].signed == anew.keys.signed != first
    assert bundles.devices[0].one_time is None
    assert [change.user for change in await directory.untold()] == [at.user]
    with pytest.raises(NoSuchAccount):
        await directory.renew_device(DeviceId(at.user, 9), anew)


@every_adapter
async def test_idle_devices_go_but_never_the_one_that_logged_in_last(directory: Directory) -> None:
    first = await registered(directory)
    second = DeviceId(first.user, (await directory.add_device(first.user, a_device())).id)
    third = DeviceId(first.user, (await directory.add_device(first.user, a_device())).id)
    alone = await registered(directory)
    await directory.note_login(third, NOW + DAY)
    await directory.note_login(DeviceId(alone.user, 9), NOW + DAY)
    assert list(await directory.expire_devices(NOW, NOW, 10)) == []
    later = NOW + 9 * DAY
    gone = await directory.expire_devices(later, later, 1)
    assert list(gone) == [(first.user, first.device)]
    gone = await directory.expire_devices(later, later, 10)
    assert list(gone) == [(first.user, second.device)]
    assert list(await directory.expire_devices(later, later, 10)) == []
    account = await directory.account(first.user)
    assert account is not None
    assert [(one.id, one.last_login_ms) for one in account.devices] == [(3, NOW + DAY)]
    assert (await directory.account(alone.user)) is not None
    assert {change.user for change in await directory.untold()} == {first.user}


@every_adapter
async def test_of_devices_that_logged_in_at_once_one_stays(directory: Directory) -> None:
    first = await registered(directory)
    await directory.add_device(first.user, a_device())
    later = NOW + DAY
    assert list(await directory.expire_devices(later, later, 10)) == [(first.user, 2)]


@every_adapter
async def test_a_profile_is_replaced_taken_away_and_gone_with_its_account(
    directory: Directory,
) -> None:
    user = (await registered(directory)).user
    assert await directory.profile(user) is None
    assert await directory.set_profile(user, b"first") == 1
    assert await directory.set_profile(user, b"second") == 2
    assert await directory.profile(user) == Profile(2, b"second")
    assert await directory.set_profile(user, b"") == 3
    assert await directory.profile(user) is None
    await directory.set_profile(user, b"again")
    await directory.delete_account(user)
    assert await directory.profile(user) is None
    with pytest.raises(NoSuchAccount):
        await directory.set_profile(user, b"nobody")
