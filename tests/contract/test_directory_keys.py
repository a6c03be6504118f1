"""What ports/pre_keys.py says of pre-keys, on every adapter (K4, P8)."""

import asyncio
from dataclasses import replace

import pytest

from signet.core.ids import DeviceId, UserId
from signet.ports.directory import (
    Directory,
    NoSuchAccount,
)
from signet.ports.pre_keys import (
    Bundles,
    DeviceBundle,
    KeyIdReused,
    KeyUpload,
    LongLived,
    PreKey,
    Stock,
)
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import a_device, a_key, kem, one_time, registered, upload

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]


def only(bundles: Bundles | None) -> DeviceBundle:
    """The bundle of an account with one device."""
    assert bundles is not None
    assert len(bundles.devices) == 1
    return bundles.devices[0]


@every_adapter
async def test_a_hundred_who_fetch_the_last_one_time_key_at_once_get_it_once(
    directory: Directory,
) -> None:
    """P8."""
    keys = upload(ec=1, kems=1)
    user = (await registered(directory, keys)).user
    found = await asyncio.gather(*(directory.take_bundles(user) for _ in range(100)))
    bundles = [only(bundle) for bundle in found]
    assert [bundle.one_time for bundle in bundles if bundle.one_time] == list(keys.one_time)
    assert [b.kem for b in bundles if not b.kem_is_last_resort] == list(keys.one_time_kem)
    assert {b.kem for b in bundles if b.kem_is_last_resort} == {keys.last_resort}
    assert {bundle.signed for bundle in bundles} == {keys.signed}


@every_adapter
async def test_many_fetches_and_uploads_at_once_give_every_key_once_at_most(
    directory: Directory,
) -> None:
    """P8, while keys are replaced."""
    at = await registered(directory, upload(ec=20, kems=20))
    uploads = [directory.upload(at, upload(ec=20, kems=20)) for _ in range(5)]
    fetches = [directory.take_bundles(at.user) for _ in range(60)]
    calls = [call for five in zip(*[iter(fetches)] * 12, strict=True) for call in five]
    mixed = await asyncio.gather(*calls[:30], *uploads, *calls[30:])
    given = [only(one) for one in mixed if isinstance(one, Bundles)]
    taken = [bundle.one_time.public for bundle in given if bundle.one_time]
    kems = [bundle.kem.public for bundle in given if not bundle.kem_is_last_resort]
    assert len(taken) == len(set(taken))
    assert len(kems) == len(set(kems))
    assert len(given) == 60


@every_adapter
async def test_a_fetch_gives_keys_of_all_four_kinds_and_says_what_is_left(
    directory: Directory,
) -> None:
    keys = upload(ec=2, kems=3)
    user = (await registered(directory, keys)).user
    bundle = only(await directory.take_bundles(user))
    assert bundle.signed == keys.signed
    assert bundle.one_time in keys.one_time
    assert bundle.kem in keys.one_time_kem
    assert (bundle.device, bundle.registration_id, bundle.stock) == (1, 4711, Stock(1, 2))


@every_adapter
async def test_a_fetch_without_one_time_keys_uses_none_up(directory: Directory) -> None:
    keys = upload(ec=1, kems=1)
    at = await registered(directory, keys)
    bundle = only(await directory.take_bundles(at.user, one_time=False))
    assert (bundle.one_time, bundle.kem, bundle.stock) == (None, keys.last_resort, Stock(1, 1))
    assert await directory.stock(at) == Stock(1, 1)


@every_adapter
async def test_a_device_without_a_signed_or_a_kem_key_is_left_out_and_loses_none(
    directory: Directory,
) -> None:
    unsigned = KeyUpload(one_time=one_time(1), one_time_kem=kem(1))
    without_kem = KeyUpload(signed=a_key(), one_time=one_time(1))
    for keys, left in ((unsigned, Stock(1, 1)), (without_kem, Stock(1, 0))):
        at = await registered(directory, keys)
        found = await directory.take_bundles(at.user)
        assert found is not None
        assert found.devices == []
        assert await directory.stock(at) == left


@every_adapter
async def test_a_device_with_one_time_kem_keys_alone_is_served_while_they_last(
    directory: Directory,
) -> None:
    at = await registered(directory, KeyUpload(signed=a_key(), one_time_kem=kem(1)))
    assert only(await directory.take_bundles(at.user)).one_time is None
    found = await directory.take_bundles(at.user)
    assert found is not None
    assert found.devices == []


@every_adapter
async def test_all_devices_are_served_or_one_or_all_but_one(directory: Directory) -> None:
    user = (await registered(directory)).user
    await directory.add_device(user, a_device())
    await directory.add_device(user, a_device())

    async def served(*, only: int = 0, besides: int = 0) -> list[int]:
        found = await directory.take_bundles(user, only=only, besides=besides)
        assert found is not None
        return [bundle.device for bundle in found.devices]

    assert await served() == [1, 2, 3]
    assert await served(only=2) == [2]
    assert await served(besides=2) == [1, 3]
    assert await served(only=2, besides=2) == []
    assert await served(only=9) == []
    assert await directory.take_bundles(UserId(bytes(16))) is None


@every_adapter
async def test_a_list_replaces_its_kind_and_an_empty_one_leaves_it(directory: Directory) -> None:
    """K4."""
    at = await registered(directory, upload(ec=2, kems=2))
    fresh = one_time(3)
    assert await directory.upload(at, KeyUpload(one_time=fresh)) == Stock(3, 2)
    taken = [only(await directory.take_bundles(at.user)).one_time for _ in range(3)]
    assert taken == list(fresh)
    assert await directory.upload(at, KeyUpload()) == Stock(0, 0)
    assert await directory.upload(at, KeyUpload(one_time_kem=kem(4))) == Stock(0, 4)


@every_adapter
async def test_long_lived_keys_are_replaced(directory: Directory) -> None:
    first, second = upload(), upload()
    at = await registered(directory, first)
    before = await directory.long_lived(at)
    assert (before.signed, before.last_resort) == (first.signed, first.last_resort)
    await directory.upload(at, KeyUpload(signed=second.signed))
    after = await directory.long_lived(at)
    assert after == LongLived(before.identity_key, second.signed, first.last_resort)


@every_adapter
async def test_the_same_key_may_be_signed_and_uploaded_again(directory: Directory) -> None:
    keys = upload()
    at = await registered(directory, keys)
    assert keys.signed is not None
    again = replace(keys.signed, signature=b"another signature")
    await directory.upload(at, KeyUpload(signed=again))
    assert (await directory.long_lived(at)).signed == again


@every_adapter
async def test_an_upload_that_is_repeated_brings_back_no_key_that_was_given(
    directory: Directory,
) -> None:
    """P8: an answer was lost, and the device uploads the same again."""
    keys = upload(ec=3, kems=3)
    at = await registered(directory, keys)
    given = only(await directory.take_bundles(at.user))
    assert await directory.upload(at, keys) == Stock(2, 2)
    later = [only(await directory.take_bundles(at.user)) for _ in range(2)]
    assert given.one_time not in [bundle.one_time for bundle in later]
    assert given.kem not in [bundle.kem for bundle in later]


@every_adapter
async def test_a_replaced_one_time_key_does_not_come_back(directory: Directory) -> None:
    old, new = one_time(2), one_time(1)
    at = await registered(directory, KeyUpload(one_time=old))
    await directory.upload(at, KeyUpload(one_time=new))
    assert await directory.upload(at, KeyUpload(one_time=old)) == Stock(0, 0)


def roles(key: PreKey) -> list[KeyUpload]:
    return [
        KeyUpload(signed=key),
        KeyUpload(last_resort=key),
        KeyUpload(one_time=(key,)),
        KeyUpload(one_time_kem=(key,)),
    ]


@every_adapter
@pytest.mark.parametrize("role", range(4))
async def test_an_id_that_was_used_is_refused_with_other_bytes(
    directory: Directory, role: int
) -> None:
    at = await registered(directory, KeyUpload())
    key = a_key()
    await directory.upload(at, roles(key)[role])
    await directory.take_bundles(at.user)
    with pytest.raises(KeyIdReused):
        await directory.upload(at, roles(a_key(key.id))[role])


@every_adapter
async def test_a_one_time_kem_key_is_no_last_resort_key_later(directory: Directory) -> None:
    """It would be given out again and again (P8)."""
    at = await registered(directory, upload())
    key = a_key()
    await directory.upload(at, KeyUpload(one_time_kem=(key,)))
    with pytest.raises(KeyIdReused):
        await directory.upload(at, KeyUpload(last_resort=key))


@every_adapter
async def test_a_refused_upload_changes_nothing(directory: Directory) -> None:
    keys = upload(ec=2, kems=2)
    at = await registered(directory, keys)
    used = keys.one_time[0].id
    refused = KeyUpload(a_key(), a_key(), (a_key(used), *one_time(3)), kem(3))
    before = await directory.long_lived(at)
    with pytest.raises(KeyIdReused):
        await directory.upload(at, refused)
    assert await directory.long_lived(at) == before
    assert await directory.stock(at) == Stock(2, 2)


@every_adapter
async def test_ids_of_one_device_and_curve_say_nothing_of_others(directory: Directory) -> None:
    first = await registered(directory, KeyUpload(signed=a_key(7), one_time=(a_key(7),)))
    second = await directory.add_device(first.user, a_device(KeyUpload(one_time=(a_key(7),))))
    at = DeviceId(first.user, second.id)
    assert await directory.stock(at) == Stock(1, 0)


@every_adapter
async def test_who_is_not_there_has_no_keys(directory: Directory) -> None:
    nobody = DeviceId(UserId(bytes(16)), 1)
    for call in (
        directory.upload(nobody, upload()),
        directory.stock(nobody),
        directory.long_lived(nobody),
    ):
        with pytest.raises(NoSuchAccount):
            await call
