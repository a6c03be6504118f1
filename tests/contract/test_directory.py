"""What ports/directory.py says of accounts, proofs and relations, on every adapter."""

import asyncio
import os
from dataclasses import replace

import pytest

from signet.adapters.users_directory import DirectoryUsers
from signet.core.ids import DeviceId, UserId
from signet.core.limits import LOAD_USERS, MAX_BLOCKED, MAX_DEVICE_ID, MAX_DEVICES
from signet.ports.directory import (
    Admission,
    AdmissionSpent,
    Changes,
    Directory,
    NameTaken,
    NewAccount,
    NoSuchAccount,
    PersonKnown,
    SigningKey,
    TooManyBlocked,
    TooManyDevices,
)
from signet.ports.pre_keys import (
    KeyIdReused,
    KeyUpload,
)
from signet.ports.users import Audience
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import (
    NOW,
    a_device,
    a_key,
    a_replacement,
    an_account,
    one_time,
    registered,
    upload,
)

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]
NOBODY = UserId(bytes(16))


# --- accounts -------------------------------------------------------------------------------------


@every_adapter
async def test_an_account_is_read_as_it_was_created(directory: Directory) -> None:
    new = an_account(user_name="ann", findable=True)
    created = await directory.create_account(new)
    assert created == await directory.account(new.user)
    assert (created.user, created.identity_key, created.user_name) == (
        new.user,
        new.identity_key,
        "ann",
    )
    assert (created.generation, created.version, created.lock_hash) == (1, 1, b"")
    device = created.devices[0]
    assert (device.id, device.generation, device.login_key) == (1, 1, new.device.login_key)
    assert await directory.account(NOBODY) is None


@every_adapter
async def test_a_name_belongs_to_one_account(directory: Directory) -> None:
    await directory.create_account(an_account(user_name="ann"))
    other = an_account(user_name="ann")
    with pytest.raises(NameTaken):
        await directory.create_account(other)
    assert await directory.account(other.user) is None


@every_adapter
async def test_of_many_who_want_a_name_at_once_one_gets_it(directory: Directory) -> None:
    tries = [directory.create_account(an_account(user_name="ann")) for _ in range(20)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, NameTaken) for one in done) == 19


@every_adapter
async def test_only_who_wants_to_be_found_is(directory: Directory) -> None:
    shown = await directory.create_account(an_account(user_name="ann", findable=True))
    await directory.create_account(an_account(user_name="bob", findable=False))
    assert await directory.find("ann") == shown.user
    assert await directory.find("bob") is None
    assert await directory.find("carl") is None


@every_adapter
async def test_who_takes_an_account_over_need_not_be_found(directory: Directory) -> None:
    hidden = await directory.create_account(an_account(user_name="bob", findable=False))
    assert await directory.owner_of("bob") == hidden.user
    assert await directory.owner_of("carl") is None


@every_adapter
async def test_changes_are_made_alone_and_raise_the_version(directory: Directory) -> None:
    before = await directory.create_account(an_account(user_name="ann"))
    changes = Changes(presence=Audience.NOBODY, lock_hash=b"pin")
    after = await directory.update_account(before.user, changes)
    assert after == replace(before, presence=Audience.NOBODY, lock_hash=b"pin", version=2)
    renamed = await directory.update_account(before.user, Changes(user_name="", lock_hash=b""))
    assert (renamed.user_name, renamed.lock_hash, renamed.version) == ("", b"", 3)
    await directory.create_account(an_account(user_name="ann"))


@every_adapter
async def test_an_account_may_keep_its_own_name_but_take_no_other(directory: Directory) -> None:
    ann = await directory.create_account(an_account(user_name="ann"))
    await directory.create_account(an_account(user_name="bob"))
    await directory.update_account(ann.user, Changes(user_name="ann"))
    with pytest.raises(NameTaken):
        await directory.update_account(ann.user, Changes(user_name="bob"))
    with pytest.raises(NoSuchAccount):
        await directory.update_account(NOBODY, Changes(user_name="bob"))


@every_adapter
async def test_a_deleted_account_leaves_nothing_and_frees_its_name(directory: Directory) -> None:
    ann = await directory.create_account(an_account(user_name="ann"))
    bob = await directory.create_account(an_account())
    await directory.note_written([(ann.user, bob.user), (bob.user, ann.user)])
    await directory.set_blocked(ann.user, bob.user, True)
    assert await directory.delete_account(ann.user) == [1]
    assert await directory.account(ann.user) is None
    assert await directory.take_bundles(ann.user) is None
    assert await directory.peers(bob.user) == []
    assert await directory.blocked(ann.user) == []
    await directory.create_account(an_account(user_name="ann"))
    assert list(await directory.delete_account(ann.user)) == []


# --- admission ------------------------------------------------------------------------------------


def invited(code: bytes, now_ms: int = NOW) -> NewAccount:
    return an_account(admission=Admission(now_ms, invitation=code))


@every_adapter
async def test_an_invitation_lets_one_in(directory: Directory) -> None:
    await directory.add_invitation(b"code", NOW + 1000, NOW)
    done = await asyncio.gather(
        *(directory.create_account(invited(b"code")) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(one, AdmissionSpent) for one in done) == 9


@every_adapter
async def test_an_invitation_is_over_at_its_end(directory: Directory) -> None:
    await directory.add_invitation(b"code", NOW + 1000, NOW)
    with pytest.raises(AdmissionSpent):
        await directory.create_account(invited(b"code", NOW + 1000))


@every_adapter
async def test_a_refused_registration_spends_no_invitation(directory: Directory) -> None:
    await directory.create_account(an_account(user_name="ann"))
    await directory.add_invitation(b"code", NOW + 1000, NOW)
    with pytest.raises(NameTaken):
        await directory.create_account(replace(invited(b"code"), user_name="ann"))
    await directory.create_account(invited(b"code"))


def by_provider(token: bytes, person: bytes, now_ms: int = NOW) -> Admission:
    return Admission(now_ms, token_id=token, token_until_ms=NOW + 1000, person=person)


@every_adapter
async def test_an_identity_token_is_good_once_and_a_person_has_one_account(
    directory: Directory,
) -> None:
    first = an_account(admission=by_provider(b"token 1", b"ann"))
    created = await directory.create_account(first)
    assert created.person == b"ann"
    with pytest.raises(AdmissionSpent):
        await directory.create_account(an_account(admission=by_provider(b"token 1", b"bob")))
    with pytest.raises(PersonKnown):
        await directory.create_account(an_account(admission=by_provider(b"token 2", b"ann")))
    replacement = a_replacement(admission=by_provider(b"token 2", b"ann"))
    await directory.replace_account(first.user, replacement)
    again = a_replacement(generation=2, admission=by_provider(b"token 2", b"ann"))
    with pytest.raises(AdmissionSpent):
        await directory.replace_account(first.user, again)


# --- devices --------------------------------------------------------------------------------------


@every_adapter
async def test_an_account_has_so_many_devices_and_no_more(directory: Directory) -> None:
    user = (await registered(directory)).user
    for number in range(2, MAX_DEVICES + 1):
        assert (await directory.add_device(user, a_device())).id == number
    with pytest.raises(TooManyDevices):
        await directory.add_device(user, a_device())
    with pytest.raises(NoSuchAccount):
        await directory.add_device(NOBODY, a_device())


@every_adapter
async def test_a_removed_device_raises_the_generation_of_those_that_come_after(
    directory: Directory,
) -> None:
    first = await registered(directory)
    second = await directory.add_device(first.user, a_device())
    gone = DeviceId(first.user, second.id)
    account = await directory.remove_device(gone)
    assert [device.id for device in account.devices] == [1]
    assert (account.generation, account.version) == (2, 3)
    assert account.devices[0].generation == 1
    third = await directory.add_device(first.user, a_device())
    assert (third.id, third.generation) == (3, 2)
    for call in (directory.stock(gone), directory.upload(gone, upload())):
        with pytest.raises(NoSuchAccount):
            await call
    with pytest.raises(NoSuchAccount):
        await directory.remove_device(gone)


@every_adapter
async def test_an_id_comes_back_only_after_all_others(directory: Directory) -> None:
    first = await registered(directory)
    for _ in range(MAX_DEVICE_ID - 1):
        added = await directory.add_device(first.user, a_device(keys=KeyUpload()))
        await directory.remove_device(DeviceId(first.user, added.id))
    assert added.id == MAX_DEVICE_ID
    assert (await directory.add_device(first.user, a_device())).id == 2


@every_adapter
async def test_a_take_over_replaces_identity_devices_and_keys(directory: Directory) -> None:
    new = an_account(user_name="ann")
    await directory.create_account(new)
    await directory.add_device(new.user, a_device())
    friend = (await registered(directory)).user
    await directory.set_blocked(new.user, friend, True)
    replacement = a_replacement(generation=1)
    account, dropped = await directory.replace_account(new.user, replacement)
    assert list(dropped) == [1, 2]
    assert (account.identity_key, account.recovery_hash) == (replacement.identity_key, b"new hash")
    assert [(device.id, device.generation) for device in account.devices] == [(3, 2)]
    assert (account.user_name, account.generation) == ("ann", 2)
    assert await directory.blocked(new.user) == [friend]
    found = await directory.take_bundles(new.user)
    assert found is not None
    assert [bundle.signed for bundle in found.devices] == [replacement.device.keys.signed]


@every_adapter
async def test_of_two_take_overs_at_once_one_happens(directory: Directory) -> None:
    user = (await registered(directory)).user
    done = await asyncio.gather(
        *(directory.replace_account(user, a_replacement(generation=1)) for _ in range(2)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, NoSuchAccount) for one in done) == 1
    with pytest.raises(NoSuchAccount):
        await directory.replace_account(NOBODY, a_replacement())


@every_adapter
async def test_a_registration_with_a_key_id_twice_leaves_nothing(directory: Directory) -> None:
    key = a_key(signed=False)
    twice = KeyUpload(one_time=(key, a_key(key.id, signed=False)))
    new = an_account(twice, user_name="ann")
    with pytest.raises(KeyIdReused):
        await directory.create_account(new)
    assert await directory.account(new.user) is None
    await directory.create_account(an_account(user_name="ann"))


# --- tries of a registration lock -----------------------------------------------------------------


@every_adapter
async def test_tries_are_counted_for_a_period(directory: Directory) -> None:
    user = (await registered(directory)).user
    allowed = [await directory.count_try(user, NOW, 3, 1000) for _ in range(5)]
    assert allowed == [True, True, True, False, False]
    assert not await directory.count_try(user, NOW + 999, 3, 1000)
    assert await directory.count_try(user, NOW + 1000, 3, 1000)
    assert not await directory.count_try(NOBODY, NOW, 3, 1000)


@every_adapter
async def test_tries_at_once_are_counted_one_by_one(directory: Directory) -> None:
    user = (await registered(directory)).user
    tries = [directory.count_try(user, NOW, 5, 1000) for _ in range(20)]
    assert sum(await asyncio.gather(*tries)) == 5


# --- proofs ---------------------------------------------------------------------------------------


@every_adapter
async def test_a_nonce_is_good_once_for_its_device_before_its_end(directory: Directory) -> None:
    device, other = DeviceId(NOBODY, 1), DeviceId(NOBODY, 2)
    nonce = os.urandom(32)
    await directory.put_nonce(nonce, device, NOW + 60_000, NOW)
    assert not await directory.take_nonce(nonce, other, NOW)
    assert not await directory.take_nonce(nonce, device, NOW + 60_000)
    assert await directory.take_nonce(nonce, device, NOW + 59_999)
    assert not await directory.take_nonce(nonce, device, NOW)


@every_adapter
async def test_a_nonce_that_many_use_at_once_is_good_for_one(directory: Directory) -> None:
    device, nonce = DeviceId(NOBODY, 1), os.urandom(32)
    await directory.put_nonce(nonce, device, NOW + 60_000, NOW)
    uses = [directory.take_nonce(nonce, device, NOW) for _ in range(20)]
    assert sum(await asyncio.gather(*uses)) == 1


def signing_key(kid: str, created_ms: int) -> SigningKey:
    return SigningKey(kid, os.urandom(32), created_ms, created_ms + 1000, created_ms + 2000)


@every_adapter
async def test_signing_keys_are_published_until_they_are_gone(directory: Directory) -> None:
    first, second = signing_key("a", NOW), signing_key("b", NOW + 1000)
    assert await directory.add_signing_key(first, "", NOW)
    assert await directory.add_signing_key(second, "a", NOW + 1000)
    assert await directory.signing_keys(NOW + 1999) == [second, first]
    assert await directory.signing_keys(NOW + 2000) == [second]


@every_adapter
async def test_of_many_who_rotate_at_once_one_does(directory: Directory) -> None:
    adds = [directory.add_signing_key(signing_key(f"k{n}", NOW), "", NOW) for n in range(10)]
    assert sum(await asyncio.gather(*adds)) == 1
    assert len(await directory.signing_keys(NOW)) == 1


# --- relations ------------------------------------------------------------------------------------


@every_adapter
async def test_who_is_blocked_need_not_exist(directory: Directory) -> None:
    user = (await registered(directory)).user
    await directory.set_blocked(user, NOBODY, True)
    await directory.set_blocked(user, NOBODY, True)
    assert await directory.blocked(user) == [NOBODY]
    await directory.set_blocked(user, NOBODY, False)
    assert await directory.blocked(user) == []
    with pytest.raises(NoSuchAccount):
        await directory.set_blocked(NOBODY, user, True)


@every_adapter
@pytest.mark.timeout(240)
async def test_so_many_are_blocked_and_no_more(directory: Directory) -> None:
    user = (await registered(directory)).user
    for number in range(MAX_BLOCKED):
        await directory.set_blocked(user, UserId(number.to_bytes(16, "big")), True)
    with pytest.raises(TooManyBlocked):
        await directory.set_blocked(user, UserId(b"\xff" * 16), True)
    await directory.set_blocked(user, UserId(bytes(16)), True)
    assert len(await directory.blocked(user)) == MAX_BLOCKED


@every_adapter
async def test_who_has_written_to_whom_is_remembered_one_way(directory: Directory) -> None:
    ann, bob, carl = [(await registered(directory)).user for _ in range(3)]
    await directory.note_written([(ann, bob), (ann, bob), (carl, ann), (ann, NOBODY)])
    await directory.note_written([(ann, bob)])
    asked = [(ann, bob), (bob, ann), (carl, ann), (ann, NOBODY)]
    assert await directory.have_written(asked) == {(ann, bob), (carl, ann)}
    assert list(await directory.peers(ann)) == sorted([bob, carl])
    assert await directory.peers(bob) == [ann]
    assert await directory.have_written([]) == set()


# --- ports/users.Users ----------------------------------------------------------------------------


@every_adapter
async def test_routers_see_devices_generations_blocks_and_presence(directory: Directory) -> None:
    first = await registered(directory)
    await directory.remove_device(
        DeviceId(first.user, (await directory.add_device(first.user, a_device())).id)
    )
    await directory.add_device(first.user, a_device(registration_id=9))
    await directory.set_blocked(first.user, NOBODY, True)
    account = await directory.update_account(first.user, Changes(presence=Audience.CONTACTS))
    users = DirectoryUsers(directory)
    seen = await users.load([first.user, NOBODY])
    assert list(seen) == [first.user]
    user = seen[first.user]
    assert (user.devices, user.generations) == ({1: 4711, 3: 9}, {1: 1, 3: 2})
    assert (user.version, user.presence) == (account.version, Audience.CONTACTS)
    assert user.blocked == {NOBODY}


@every_adapter
async def test_many_users_are_loaded_in_pieces(directory: Directory) -> None:
    known = [(await registered(directory, KeyUpload())).user for _ in range(3)]
    unknown = [UserId(number.to_bytes(16, "big")) for number in range(2 * LOAD_USERS)]
    users = DirectoryUsers(directory)
    assert (await users.load([known[0], *unknown, *known[1:]])).keys() == set(known)
    await users.note_written([(known[0], known[1])])
    pairs = [(known[0], other) for other in unknown]
    assert await users.have_written([*pairs, (known[0], known[1])]) == {(known[0], known[1])}
    assert await users.peers(known[1]) == [known[0]]


@every_adapter
async def test_versions_rise_with_what_others_can_see(directory: Directory) -> None:
    user = (await registered(directory)).user
    users, seen = DirectoryUsers(directory), []
    for change in (
        directory.add_device(user, a_device()),
        directory.remove_device(DeviceId(user, 2)),
        directory.set_blocked(user, NOBODY, True),
        directory.update_account(user, Changes(presence=Audience.NOBODY)),
        directory.replace_account(user, a_replacement(generation=2)),
    ):
        await change
        seen.append((await users.load([user]))[user].version)
    assert seen == [2, 3, 4, 5, 6]
    await directory.upload(DeviceId(user, 3), KeyUpload(one_time=one_time(1)))
    assert (await users.load([user]))[user].version == 6
