"""The end of an account, and a new identity for it: what a stolen token is not enough for (K9)."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from signet.adapters.rate_limits import MemoryRateLimits
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId
from signet.keys.life import Consent, IdentityChange
from signet.keys.parts import Caller
from signet.keys.registration import Registered
from signet.keys.service import Keys
from signet.keys.tokens import Token
from tests.support.directories import a_device
from tests.support.identities import Identity, NewPerson
from tests.support.keys_service import (
    HERE,
    Service,
    application,
    generous,
    keys_service,
    service,
)

__all__ = ["service"]


async def consent(service: Service, person: NewPerson, caller: Caller, label: bytes) -> Consent:
    """Signed as keys.proto says, by nothing of the service's own."""
    nonce = await service.keys.logins.nonce(caller.device, HERE)
    at = caller.user + bytes([caller.device.device])
    signed = label + b"localhost" + at + nonce
    return Consent(nonce, person.identity.sign(signed))


async def refused(service: Service, caller: Caller, wrong: Consent) -> Code:
    with pytest.raises(SignetError) as found:
        await service.keys.life.delete(caller, wrong)
    return found.value.code


async def deleting(service: Service, person: NewPerson, done: Registered) -> Caller:
    caller = await service.caller(done)
    signed = await consent(service, person, caller, b"signet-delete-v1")
    await service.keys.life.delete(caller, signed)
    return caller


async def test_an_account_is_deleted_by_its_identity_key(service: Service) -> None:
    person, bob = NewPerson(), await service.register(NewPerson(), user_name="bob")
    done = await service.register(person, user_name="ann")
    await deleting(service, person, done)
    assert await service.directory.account(done.user) is None
    assert service.told.audit[-1] == "ACCOUNT_DELETED"
    assert service.told.replacements == [(done.user, (1,))]
    assert list(await service.directory.untold()) == []
    with pytest.raises(SignetError, match="ACCOUNT_DELETED"):
        await service.caller(done)
    with pytest.raises(SignetError, match="NOT_FOUND"):
        await service.keys.bundles.fetch(await service.caller(bob), done.user)
    await service.register(NewPerson(), user_name="ann")


async def test_a_token_alone_deletes_nothing(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    caller = await service.caller(done)
    good = await consent(service, person, caller, b"signet-delete-v1")
    assert await refused(service, caller, replace(good, signature=bytes(64))) is Code.BAD_SIGNATURE
    thief = await consent(service, NewPerson(), caller, b"signet-delete-v1")
    assert await refused(service, caller, thief) is Code.BAD_SIGNATURE
    other = await consent(service, person, caller, b"signet-login-v1")
    assert await refused(service, caller, other) is Code.BAD_SIGNATURE
    assert await service.directory.account(done.user) is not None
    await service.keys.life.delete(caller, good)  # a wrong signature has spent no nonce


async def test_what_was_signed_once_is_good_once(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    caller = await service.caller(done)
    good = await consent(service, person, caller, b"signet-delete-v1")
    service.clock.now += 61
    assert await refused(service, caller, good) is Code.NONCE_REFUSED


async def test_an_id_of_somebody_deleted_is_not_given_again(service: Service) -> None:
    person = NewPerson()
    gone = (await deleting(service, person, await service.register(person))).user
    draws = [gone, bytes(range(16))]

    def randomness(count: int) -> bytes:
        return draws.pop(0) if count == 16 and draws else bytes(count)

    told = service.told
    keys = Keys(
        service.directory, MemoryRateLimits(), told, told, generous(), service.clock, randomness
    )
    done = await keys.registrations.register(application(NewPerson()), HERE)
    assert done.user == UUID(bytes=bytes(range(16)), version=4).bytes
    assert not draws


# --- identity -------------------------------------------------------------------------------------


async def change(service: Service, person: NewPerson, caller: Caller) -> IdentityChange:
    """To an identity that `person` has from then on."""
    before, person.identity = person.identity, Identity()
    public = person.identity.public
    nonce = await service.keys.logins.nonce(caller.device, HERE)
    at = caller.user + bytes([caller.device.device])
    signed = b"signet-identity-v1" + b"localhost" + at + public + nonce
    both = Consent(nonce, before.sign(signed)), person.identity.sign(signed)
    return IdentityChange(public, person.upload(), *both)


async def test_a_new_identity_is_signed_by_the_old_one_and_by_itself(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    caller = await service.caller(done)
    wanted = await change(service, person, caller)
    token = await service.keys.life.change_identity(caller, wanted)
    account = await service.directory.account(done.user)
    assert account is not None
    assert (account.identity_key, account.generation) == (person.identity.public, 2)
    assert service.told.audit[-1] == "IDENTITY_CHANGED"
    assert service.told.replacements == [(done.user, ())]
    with pytest.raises(SignetError, match="DEVICE_REMOVED"):
        await service.caller(done)  # the token of before
    assert (await who(service, token)).device == caller.device
    again = await service.log_in(person, done)
    assert (await service.keys.logins.authenticate(again)).account.generation == 2


async def who(service: Service, token: Token) -> DeviceAddress:
    return (await service.keys.logins.authenticate(token.token)).address


async def test_the_other_devices_are_dropped(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    caller = await service.caller(done)
    new = await change(service, person, caller)
    other = NewPerson(identity=person.identity)
    await service.directory.add_device(done.user, a_device(other.upload()))
    caller = await service.caller(done)
    await service.keys.life.change_identity(caller, new)
    assert service.told.replacements == [(done.user, (2,))]


@pytest.mark.parametrize("wrong", ["signature", "possession"])
async def test_without_either_signature_nothing_changes(service: Service, wrong: str) -> None:
    person = NewPerson()
    done = await service.register(person)
    before, caller = person.identity.public, await service.caller(done)
    good = await change(service, person, caller)
    if wrong == "signature":
        bad = replace(good, consent=Consent(good.consent.nonce, good.possession))
    else:
        bad = replace(good, possession=good.consent.signature)
    with pytest.raises(SignetError, match="BAD_SIGNATURE"):
        await service.keys.life.change_identity(caller, bad)
    account = await service.directory.account(done.user)
    assert account is not None
    assert account.identity_key == before


async def test_pre_keys_of_the_identity_before_are_refused(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    caller, old = await service.caller(done), person.upload()
    good = await change(service, person, caller)
    with pytest.raises(SignetError, match="BAD_SIGNATURE"):
        await service.keys.life.change_identity(caller, replace(good, keys=old))
    no_keys = person.upload(long_lived=False)
    with pytest.raises(SignetError, match="INVALID_ARGUMENT"):
        await service.keys.life.change_identity(caller, replace(good, keys=no_keys))


async def test_of_two_changes_of_one_account_the_later_is_refused(tmp_path: Path) -> None:
    async with keys_service(tmp_path) as service:
        person = NewPerson()
        done = await service.register(person)
        caller = await service.caller(done)
        twin = NewPerson(identity=person.identity, next_id=1000)
        first, second = await change(service, person, caller), await change(service, twin, caller)
        await service.keys.life.change_identity(caller, first)
        with pytest.raises(SignetError, match="DEVICE_REMOVED"):
            await service.keys.life.change_identity(caller, second)


async def test_the_device_that_asks_must_be_of_the_account(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    caller = await service.caller(done)
    good = await change(service, person, caller)
    elsewhere = DeviceAddress(DeviceId(done.user, 9), 1, 1)
    with pytest.raises(SignetError, match="BAD_SIGNATURE"):  # the device is part of what is signed
        await service.keys.life.change_identity(Caller(elsewhere, caller.account), good)
