"""Uploading and fetching pre-keys (K3, K4, K5, P8)."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId, UserId
from signet.core.limits import FULL_BUNDLES_AN_HOUR, LOW_PRE_KEYS
from signet.keys.parts import Caller
from signet.keys.registration import Registered
from signet.ports.directory import NewDevice
from signet.ports.pre_keys import (
    Bundles,
    KeyUpload,
    Stock,
)
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, application, generous, keys_service, service

__all__ = ["service"]
NOBODY = UserId(bytes(16))


async def registered(service: Service, ec: int = 2, kems: int = 2) -> tuple[NewPerson, Caller]:
    person = NewPerson()
    made = application(person, person.upload(ec, kems))
    done = await service.keys.registrations.register(made, "127.0.0.1")
    return person, await service.caller(done)


async def with_another_device(service: Service, person: NewPerson, first: Caller) -> Caller:
    """The same account, from a second device (linking comes later)."""
    new = NewDevice(99, person.login_public, "tablet", person.upload(), 0)
    added = await service.directory.add_device(first.user, new)
    address = DeviceAddress(DeviceId(first.user, added.id), 99, added.generation)
    account = await service.directory.account(first.user)
    assert account is not None
    return Caller(address, account)


async def fetch_refused(service: Service, caller: Caller, user: UserId, device: int = 0) -> Code:
    with pytest.raises(SignetError) as found:
        await service.keys.bundles.fetch(caller, user, device)
    return found.value.code


async def test_a_fetch_gives_one_key_of_each_kind(service: Service) -> None:
    _, bob = await registered(service)
    ann_person, ann = await registered(service)
    found = await service.keys.bundles.fetch(bob, ann.user)
    assert found.identity_key == ann_person.identity.public
    (bundle,) = found.devices
    assert bundle.one_time is not None
    assert not bundle.kem_is_last_resort
    assert bundle.stock == Stock(1, 1)


async def test_who_asks_too_often_gets_signed_and_last_resort_keys(service: Service) -> None:
    """K3: no key is used up by them; others still get theirs."""
    plenty = FULL_BUNDLES_AN_HOUR + 2
    _, ann = await registered(service, plenty, plenty)
    _, bob = await registered(service)
    _, carl = await registered(service)
    for _ in range(FULL_BUNDLES_AN_HOUR):
        (full,) = (await service.keys.bundles.fetch(bob, ann.user)).devices
        assert full.one_time is not None
    for _ in range(3):
        (less,) = (await service.keys.bundles.fetch(bob, ann.user)).devices
        assert less.one_time is None
        assert less.kem_is_last_resort
    assert await service.keys.bundles.count(ann) == Stock(2, 2)
    (full,) = (await service.keys.bundles.fetch(carl, ann.user)).devices
    assert full.one_time is not None


async def test_a_blocked_caller_cannot_tell(service: Service) -> None:
    """K5: full stock, too many fetches (K3) and empty stock look as they do to anybody."""
    plenty = FULL_BUNDLES_AN_HOUR + 1
    _, ann = await registered(service, plenty, plenty)
    _, eve = await registered(service, plenty, plenty)
    _, bob = await registered(service)
    await service.keys.accounts.set_blocked(ann, bob.user, True)
    for _ in range(plenty):
        shapes = [shape(await service.keys.bundles.fetch(bob, of.user)) for of in (ann, eve)]
        assert shapes[0] == shapes[1]
    assert shape(await service.keys.bundles.fetch(bob, ann.user)) == [(1, False, True)]
    assert await service.keys.bundles.count(ann) == Stock(1, 1)


def shape(found: Bundles) -> list[tuple[int, bool, bool]]:
    """What a fetch shows of a person beside random bytes."""
    return [(one.device, one.one_time is not None, one.kem_is_last_resort) for one in found.devices]


async def test_an_unknown_account_and_one_without_keys_have_one_answer(service: Service) -> None:
    """K5."""
    _, bob = await registered(service)
    _, ann = await registered(service)
    await service.keys.accounts.remove_device(ann, 1)
    for user, device in ((NOBODY, 0), (NOBODY, 1), (ann.user, 0), (ann.user, 1), (bob.user, 1)):
        assert await fetch_refused(service, bob, user, device) is Code.NOT_FOUND
    assert await fetch_refused(service, bob, UserId(b"x"), 0) is Code.INVALID_ARGUMENT
    assert await fetch_refused(service, bob, ann.user, 128) is Code.INVALID_ARGUMENT


async def test_ones_own_other_devices_are_served_without_the_calling_one(service: Service) -> None:
    person, first = await registered(service)
    assert (await service.keys.bundles.fetch(first, first.user)).devices == []
    second = await with_another_device(service, person, first)
    mine = await service.keys.bundles.fetch(first, first.user)
    assert [bundle.device for bundle in mine.devices] == [second.device.device]
    _, bob = await registered(service)
    all_of_them = await service.keys.bundles.fetch(bob, first.user)
    assert [bundle.device for bundle in all_of_them.devices] == [1, 2]
    one = await service.keys.bundles.fetch(bob, first.user, 2)
    assert [bundle.device for bundle in one.devices] == [2]


async def test_a_device_is_told_when_its_keys_run_out(service: Service) -> None:
    _, ann = await registered(service, LOW_PRE_KEYS + 1, LOW_PRE_KEYS + 2)
    _, bob = await registered(service)
    await service.keys.bundles.fetch(bob, ann.user)
    assert service.told.low == []
    await service.keys.bundles.fetch(bob, ann.user)
    assert service.told.low == [(ann.device, LOW_PRE_KEYS - 1, LOW_PRE_KEYS)]


async def test_an_upload_replaces_what_it_brings(service: Service) -> None:
    person, ann = await registered(service)
    assert await service.keys.bundles.upload(ann, person.upload(5, 0)) == Stock(5, 2)
    assert await service.keys.bundles.upload(ann, KeyUpload()) == Stock(5, 2)


async def test_a_bad_signature_refuses_the_whole_upload(service: Service) -> None:
    """K4."""
    person, ann = await registered(service)
    wrong = replace(person.upload(5, 5), last_resort=NewPerson().kem())
    with pytest.raises(SignetError, match="BAD_SIGNATURE"):
        await service.keys.bundles.upload(ann, wrong)
    assert await service.keys.bundles.count(ann) == Stock(2, 2)


async def test_a_key_id_with_other_bytes_is_refused(service: Service) -> None:
    person, ann = await registered(service)
    person.next_id = 1
    with pytest.raises(SignetError, match="KEY_ID_REUSED"):
        await service.keys.bundles.upload(ann, person.upload())


async def test_check_tells_whether_the_long_lived_keys_are_the_same(service: Service) -> None:
    person, ann = await registered(service)
    keys = person.upload(0, 0)
    await service.keys.bundles.upload(ann, keys)
    assert keys.signed is not None
    assert keys.last_resort is not None
    digest = sha256(
        person.identity.public
        + keys.signed.id.to_bytes(8, "big")
        + keys.signed.public
        + keys.last_resort.id.to_bytes(8, "big")
        + keys.last_resort.public
    ).digest()
    assert await service.keys.bundles.check(ann, digest)
    assert not await service.keys.bundles.check(ann, bytes(32))
    await service.keys.bundles.upload(ann, KeyUpload(signed=person.signed()))
    assert not await service.keys.bundles.check(ann, digest)
    with pytest.raises(SignetError, match="INVALID_ARGUMENT"):
        await service.keys.bundles.check(ann, bytes(31))


async def test_a_device_that_was_removed_meanwhile_is_told_so(service: Service) -> None:
    person, ann = await registered(service)
    await service.keys.accounts.remove_device(ann, 1)
    for call in (
        service.keys.bundles.upload(ann, person.upload()),
        service.keys.bundles.count(ann),
        service.keys.bundles.check(ann, bytes(32)),
    ):
        with pytest.raises(SignetError, match="DEVICE_REMOVED"):
            await call


async def test_a_take_over_leaves_none_of_the_old_keys(service: Service) -> None:
    _, bob = await registered(service)
    old, new = NewPerson(), NewPerson()
    before: Registered = await service.register(old)
    await service.recover(new, before)
    found = await service.keys.bundles.fetch(bob, before.user)
    assert found.identity_key == new.identity.public
    assert [bundle.device for bundle in found.devices] == [2]


async def test_limits_are_those_of_the_configuration(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(full_bundles_an_hour=1)) as service:
        _, ann = await registered(service)
        _, bob = await registered(service)
        fetched = [(await service.keys.bundles.fetch(bob, ann.user)).devices[0] for _ in range(2)]
        assert [one.one_time is not None for one in fetched] == [True, False]
