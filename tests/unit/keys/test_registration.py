"""Registration and take-over: who may, what is proved, what is spent (K1, K5)."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceId, UserId
from signet.core.limits import INVITATION_TTL, LOCK_PERIOD, LOCK_TRIES
from signet.keys.account import Wanted
from signet.keys.admission import work_done
from signet.keys.config import KeysConfig, RegistrationMode
from signet.keys.passwords import fold_recovery_key
from signet.keys.registration import Application, Recovery, Registered
from signet.ports.pre_keys import KeyUpload
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


async def refused(service: Service, wrong: Application, address: str = HERE) -> SignetError:
    with pytest.raises(SignetError) as found:
        await service.keys.registrations.register(wrong, address)
    return found.value


async def test_a_registration_makes_an_account_with_a_device_and_a_token(service: Service) -> None:
    person = NewPerson()
    done = await service.register(
        person, user_name="Ann.B_1", findable=True, device_name="my phone"
    )
    caller = await service.caller(done)
    account = caller.account
    assert caller.device == DeviceId(done.user, done.device)
    assert (account.identity_key, account.user_name) == (person.identity.public, "ann.b_1")
    assert (account.devices[0].name, account.devices[0].registration_id) == ("my phone", 4711)
    assert done.user[6] >> 4 == 4  # a random UUID
    assert service.told.audit == ["ACCOUNT_REGISTERED"]


async def test_phones_that_sign_as_libsignal_does_may_register(service: Service) -> None:
    for _ in range(4):  # half of all keys have a sign
        await service.register(NewPerson(identity=Identity(sign_bit=True)))


@pytest.mark.parametrize(
    "change",
    [
        {"registration_id": 4712},
        {"login_key": bytes(32)},
        {"identity_key": NewPerson().identity.public},
        {"signature": bytes(64)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_the_proof_covers_every_key_and_the_registration_id(
    service: Service, change: dict[str, Any]
) -> None:
    wrong = replace(application(NewPerson()), **change)
    assert (await refused(service, wrong)).code is Code.BAD_SIGNATURE


async def test_the_proof_is_for_one_server(service: Service) -> None:
    elsewhere = application(NewPerson(server_name="elsewhere"))
    assert (await refused(service, elsewhere)).code is Code.BAD_SIGNATURE


async def test_a_bad_pre_key_refuses_the_registration_whole(service: Service) -> None:
    person = NewPerson()
    wrong = replace(person.upload(), signed=NewPerson().signed())
    error = await refused(service, application(person, wrong, user_name="ann"))
    assert error.code is Code.BAD_SIGNATURE
    await service.register(NewPerson(), user_name="ann")


@pytest.mark.parametrize(
    "change",
    [
        {"registration_id": 0},
        {"registration_id": 0x4000},
        {"identity_key": b"\x05" + bytes(31)},
        {"identity_key": b"\x06" + bytes(32)},
        {"login_key": bytes(31)},
        {"keys": KeyUpload()},
        {"user_name": "ab"},
        {"user_name": "a" * 33},
        {"user_name": "ann!"},
        {"user_name": "änn"},
        {"user_name": "KELVIN\u212a"},
        {"device_name": "x" * 65},
        {"device_name": "two\nlines"},
        {"invitation": "x" * 9000},
    ],
    ids=str,
)
async def test_fields_have_their_ranges(service: Service, change: dict[str, Any]) -> None:
    wrong = replace(application(NewPerson()), **change)
    assert (await refused(service, wrong)).code is Code.INVALID_ARGUMENT


async def test_names_are_taken_in_any_case(service: Service) -> None:
    await service.register(NewPerson(), user_name="Ann")
    error = await refused(service, application(NewPerson(), user_name="aNN"))
    assert error.code is Code.USER_NAME_TAKEN


async def test_key_ids_that_come_twice_are_refused(service: Service) -> None:
    person = NewPerson()
    keys = person.upload()
    twice = (keys.one_time[0], replace(keys.one_time[1], id=keys.one_time[0].id))
    wrong = application(person, replace(keys, one_time=twice))
    assert (await refused(service, wrong)).code is Code.KEY_ID_REUSED


async def test_an_address_registers_so_many_an_hour(tmp_path: Path) -> None:
    config = KeysConfig("localhost", registrations_an_hour=2)
    async with keys_service(tmp_path, config) as service:
        addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "1.2.3.4"]
        done = [
            await asyncio.gather(
                service.keys.registrations.register(application(NewPerson()), address),
                return_exceptions=True,
            )
            for address in addresses
        ]
        kinds = [type(one) for (one,) in done]
        assert kinds == [Registered, Registered, SignetError, Registered, Registered]
        error = done[2][0]
        assert isinstance(error, SignetError)
        assert error.code is Code.RATE_LIMITED
        assert 3500 < error.retry_after_s <= 3600


# --- modes ----------------------------------------------------------------------------------------


async def test_an_invitation_is_asked_for_and_good_once(tmp_path: Path) -> None:
    config = generous(registration=RegistrationMode.INVITATION)
    async with keys_service(tmp_path, config) as service:
        code = await service.keys.registrations.invite()
        for wrong in ("", "AAAA-BBBB", code.lower()):
            error = await refused(service, application(NewPerson(), invitation=wrong))
            assert error.code is Code.REGISTRATION_REFUSED
        await service.register(NewPerson(), invitation=f" {code} ")
        error = await refused(service, application(NewPerson(), invitation=code))
        assert error.code is Code.REGISTRATION_REFUSED


async def test_an_invitation_is_over_in_time(tmp_path: Path) -> None:
    config = generous(registration=RegistrationMode.INVITATION)
    async with keys_service(tmp_path, config) as service:
        code = await service.keys.registrations.invite()
        service.clock.now += INVITATION_TTL
        error = await refused(service, application(NewPerson(), invitation=code))
        assert error.code is Code.REGISTRATION_REFUSED


async def test_a_registration_with_a_bad_signature_spends_no_invitation(tmp_path: Path) -> None:
    config = generous(registration=RegistrationMode.INVITATION)
    async with keys_service(tmp_path, config) as service:
        code = await service.keys.registrations.invite()
        wrong = replace(application(NewPerson(), invitation=code), signature=bytes(64))
        assert (await refused(service, wrong)).code is Code.BAD_SIGNATURE
        await service.register(NewPerson(), invitation=code)


def worked(server_name: str, person: NewPerson, bits: int) -> str:
    proofs = map(str, range(1_000_000))
    public = person.identity.public
    return next(proof for proof in proofs if work_done(server_name, public, proof) >= bits)


async def test_a_proof_of_work_is_for_one_identity(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(proof_of_work_bits=8)) as service:
        person, other = NewPerson(), NewPerson()
        proof = worked("localhost", person, 8)
        while work_done("localhost", other.identity.public, proof) >= 8:
            other = NewPerson()
        for wrong in (application(person), application(other, proof_of_work=proof)):
            assert (await refused(service, wrong)).code is Code.REGISTRATION_REFUSED
        await service.register(person, proof_of_work=proof)


# --- take-over ------------------------------------------------------------------------------------


async def recover(service: Service, **fields: Any) -> Registered:
    return await service.keys.registrations.recover(Recovery(**fields), HERE)


async def recovery_refused(service: Service, **fields: Any) -> SignetError:
    with pytest.raises(SignetError) as found:
        await recover(service, **fields)
    return found.value


async def test_a_recovery_key_takes_the_account_over(service: Service) -> None:
    old, new = NewPerson(), NewPerson()
    before = await service.register(old, user_name="ann")
    after = await recover(
        service,
        user=before.user,
        application=application(new),
        recovery_key=before.recovery_key.lower().replace("-", " "),
    )
    assert (after.user, after.device) == (before.user, 2)
    account = (await service.caller(after)).account
    assert (account.identity_key, account.user_name) == (new.identity.public, "ann")
    assert account.generation == 2
    assert service.told.replacements == [(before.user, (1,))]
    assert service.told.audit == ["ACCOUNT_REGISTERED", "ACCOUNT_RECOVERED"]
    with pytest.raises(SignetError, match="DEVICE_REMOVED"):
        await service.caller(before)


async def test_a_recovery_key_is_good_once(service: Service) -> None:
    before = await service.register(NewPerson())
    fields = {"user": before.user, "recovery_key": before.recovery_key}
    after = await recover(service, application=application(NewPerson()), **fields)
    error = await recovery_refused(service, application=application(NewPerson()), **fields)
    assert error.code is Code.NOT_FOUND
    fields["recovery_key"] = after.recovery_key
    await recover(service, application=application(NewPerson()), **fields)


async def test_an_unknown_account_and_a_wrong_key_have_one_answer(service: Service) -> None:
    """K5."""
    known = await service.register(NewPerson())
    answers = [
        await recovery_refused(
            service, user=user, application=application(NewPerson()), recovery_key=key
        )
        for user, key in (
            (known.user, "AAAA-BBBB"),
            (known.user, ""),
            (UserId(bytes(16)), "AAAA-BBBB"),
            (UserId(bytes(16)), known.recovery_key),
        )
    ]
    assert {(error.code, error.detail) for error in answers} == {(Code.NOT_FOUND, "")}


async def locked(service: Service, pin: str) -> Registered:
    """An account with a registration lock."""
    done = await service.register(NewPerson())
    await service.keys.accounts.update(await service.caller(done), Wanted(registration_lock=pin))
    return done


async def test_a_registration_lock_asks_for_its_pin(service: Service) -> None:
    done = await locked(service, "1234")
    fields = {"user": done.user, "recovery_key": done.recovery_key}
    for pin in ("", "4321"):
        error = await recovery_refused(
            service, application=application(NewPerson()), registration_lock=pin, **fields
        )
        assert error.code is Code.LOCKED
    await recover(service, application=application(NewPerson()), registration_lock="1234", **fields)
    assert service.told.audit.count("REGISTRATION_LOCK_REFUSED") == 1


async def test_pins_are_tried_so_often_and_no_more(service: Service) -> None:
    done = await locked(service, "1234")
    fields = {"user": done.user, "recovery_key": done.recovery_key}
    wrong = application(NewPerson())
    for _ in range(LOCK_TRIES):
        error = await recovery_refused(
            service, application=wrong, registration_lock="4321", **fields
        )
        assert error.code is Code.LOCKED
    right = {"application": application(NewPerson()), "registration_lock": "1234", **fields}
    error = await recovery_refused(service, **right)
    assert (error.code, error.retry_after_s) == (Code.RATE_LIMITED, LOCK_PERIOD)
    service.clock.now += LOCK_PERIOD
    await recover(service, **right)


async def test_who_lacks_the_recovery_key_spends_no_try_of_the_lock(service: Service) -> None:
    done = await locked(service, "1234")
    for _ in range(LOCK_TRIES + 1):
        error = await recovery_refused(
            service,
            user=done.user,
            application=application(NewPerson()),
            recovery_key="AAAA-BBBB",
            registration_lock="4321",
        )
        assert error.code is Code.NOT_FOUND
    await recover(
        service,
        user=done.user,
        application=application(NewPerson()),
        recovery_key=done.recovery_key,
        registration_lock="1234",
    )


async def test_an_address_tries_so_many_recoveries_an_hour(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(recoveries_an_hour=2)) as service:
        fields = {"user": UserId(bytes(16)), "application": application(NewPerson())}
        codes = [(await recovery_refused(service, **fields)).code for _ in range(3)]
        assert codes == [Code.NOT_FOUND, Code.NOT_FOUND, Code.RATE_LIMITED]


def test_a_recovery_key_is_read_as_people_type_it() -> None:
    assert fold_recovery_key(" ab0d-1fgh \n ijkl") == "ABODIFGHIJKL"
