"""The account as its owner changes it; finding people by name (K5)."""

from pathlib import Path
from typing import Any

import pytest

from signet.core.errors import Code, SignetError
from signet.core.ids import UserId
from signet.keys.account import Wanted
from signet.ports.inbox import StoreUnavailable
from signet.ports.users import Audience
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, generous, keys_service, service

__all__ = ["service"]
NOBODY = UserId(bytes(16))


async def refused(call: Any) -> Code:
    with pytest.raises(SignetError) as found:
        await call
    return found.value.code


async def test_an_account_is_shown_to_its_owner(service: Service) -> None:
    done = await service.register(NewPerson(), user_name="ann", device_name="phone")
    own = await service.keys.accounts.get(await service.caller(done))
    assert (own.account.user, own.account.user_name) == (done.user, "ann")
    assert (own.account.findable, own.account.presence) == (False, Audience.EVERYONE)
    assert [device.name for device in own.account.devices] == ["phone"]
    assert own.blocked == ()


async def test_what_is_not_given_stays(service: Service) -> None:
    done = await service.register(NewPerson(), user_name="ann", findable=True)
    caller = await service.caller(done)
    own = await service.keys.accounts.update(caller, Wanted(presence=Audience.NOBODY))
    account = own.account
    assert (account.user_name, account.findable) == ("ann", True)
    assert account.presence is Audience.NOBODY
    assert service.told.changes == [done.user]
    await service.keys.accounts.update(caller, Wanted())
    assert service.told.changes == [done.user]


async def test_a_name_is_given_up_by_an_empty_one(service: Service) -> None:
    done = await service.register(NewPerson(), user_name="ann")
    caller = await service.caller(done)
    own = await service.keys.accounts.update(caller, Wanted(user_name=""))
    assert own.account.user_name == ""
    await service.register(NewPerson(), user_name="ann")
    taken = service.keys.accounts.update(caller, Wanted(user_name="ANN"))
    assert await refused(taken) is Code.USER_NAME_TAKEN


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(user_name="ab"),
        Wanted(user_name="a b c"),
        Wanted(registration_lock="123"),
        Wanted(registration_lock="1" * 65),
    ],
    ids=["short name", "spaces", "short PIN", "long PIN"],
)
async def test_fields_have_their_ranges(service: Service, wanted: Wanted) -> None:
    caller = await service.caller(await service.register(NewPerson()))
    assert await refused(service.keys.accounts.update(caller, wanted)) is Code.INVALID_ARGUMENT


async def test_only_a_hash_of_the_pin_is_kept(service: Service) -> None:
    caller = await service.caller(await service.register(NewPerson()))
    own = await service.keys.accounts.update(caller, Wanted(registration_lock="1234"))
    assert own.account.lock_hash
    assert b"1234" not in own.account.lock_hash
    assert service.told.audit[-1] == "REGISTRATION_LOCK_CHANGED"
    own = await service.keys.accounts.update(caller, Wanted(registration_lock=""))
    assert own.account.lock_hash == b""


async def test_a_removed_device_is_told_to_routers_and_the_audit_trail(service: Service) -> None:
    done = await service.register(NewPerson())
    caller = await service.caller(done)
    own = await service.keys.accounts.remove_device(caller, 1)
    assert own.account.devices == []
    assert own.account.generation == 2
    assert service.told.changes == [done.user]
    assert service.told.audit[-1] == "DEVICE_REMOVED"
    assert await refused(service.keys.accounts.remove_device(caller, 1)) is Code.NOT_FOUND
    assert await refused(service.keys.accounts.remove_device(caller, 0)) is Code.INVALID_ARGUMENT


async def test_blocking_is_told_and_says_nothing_of_who_exists(service: Service) -> None:
    """K5."""
    caller = await service.caller(await service.register(NewPerson()))
    friend = (await service.register(NewPerson())).user
    for other in (friend, NOBODY):
        own = await service.keys.accounts.set_blocked(caller, other, True)
        assert other in own.blocked
    own = await service.keys.accounts.set_blocked(caller, NOBODY, False)
    assert own.blocked == (friend,)
    assert service.told.changes == [caller.user] * 3
    blocked = service.keys.accounts.set_blocked
    assert await refused(blocked(caller, caller.user, True)) is Code.FORBIDDEN
    assert await refused(blocked(caller, UserId(b"x"), True)) is Code.INVALID_ARGUMENT


async def test_people_are_found_by_their_exact_name_if_they_want_to(service: Service) -> None:
    ann = await service.register(NewPerson(), user_name="ann.b", findable=True)
    await service.register(NewPerson(), user_name="hidden")
    caller = await service.caller(ann)
    assert await service.keys.accounts.find(caller, "ANN.b") == ann.user
    for name in ("ann", "ann.bc", "hidden", "nobody", "", "no such name!", "x" * 1000):
        assert await refused(service.keys.accounts.find(caller, name)) is Code.NOT_FOUND


async def test_a_caller_looks_up_so_many_an_hour(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(lookups_an_hour=2)) as service:
        ann = await service.caller(await service.register(NewPerson()))
        bob = await service.caller(await service.register(NewPerson()))
        codes = [await refused(service.keys.accounts.find(ann, "nobody")) for _ in range(3)]
        assert codes == [Code.NOT_FOUND, Code.NOT_FOUND, Code.RATE_LIMITED]
        assert await refused(service.keys.accounts.find(bob, "nobody")) is Code.NOT_FOUND


async def test_to_ask_for_a_name_is_to_look_it_up(tmp_path: Path) -> None:
    """K5: or a caller would learn the names of those who hide, as fast as they can ask."""
    async with keys_service(tmp_path, generous(lookups_an_hour=2)) as service:
        await service.register(NewPerson(), user_name="hidden")
        ann = await service.caller(await service.register(NewPerson(), user_name="ann"))
        for _ in range(3):  # nothing is learnt by keeping or giving up a name
            await service.keys.accounts.update(ann, Wanted(user_name="Ann"))
        ask = [
            await refused(service.keys.accounts.update(ann, Wanted(user_name="hidden"))),
            await refused(service.keys.accounts.find(ann, "hidden")),
            await refused(service.keys.accounts.update(ann, Wanted(user_name="hidden"))),
            await refused(service.keys.accounts.find(ann, "hidden")),
        ]
        limited = Code.RATE_LIMITED
        assert ask == [Code.USER_NAME_TAKEN, Code.NOT_FOUND, limited, limited]
        await service.keys.accounts.update(ann, Wanted(user_name=""))


@pytest.mark.parametrize("away", [ConnectionRefusedError(), TimeoutError(), StoreUnavailable()])
async def test_routers_that_cannot_be_told_spoil_nothing(service: Service, away: Exception) -> None:
    person = NewPerson()
    done = await service.register(person)
    service.told.away = away
    caller = await service.caller(await service.recover(person, done))
    await service.keys.bundles.fetch(caller, (await service.register(NewPerson())).user)
    own = await service.keys.accounts.set_blocked(caller, NOBODY, True)
    assert own.blocked == (NOBODY,)
    own = await service.keys.accounts.remove_device(caller, 2)
    assert own.account.devices == []
