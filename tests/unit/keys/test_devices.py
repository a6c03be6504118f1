"""Devices of an account: renamed, registered anew, gone when they are idle (K8)."""

from dataclasses import replace
from typing import Any

import pytest

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceId
from signet.core.limits import IDLE_DEVICE_DAYS
from signet.keys.devices import Renewal
from tests.support.directories import a_device
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, service

__all__ = ["service"]
DAY = 24 * 3600


async def refused(call: Any) -> Code:
    with pytest.raises(SignetError) as found:
        await call
    return found.value.code


async def test_a_device_is_renamed_by_its_owner(service: Service) -> None:
    caller = await service.caller(await service.register(NewPerson(), device_name="phone"))
    own = await service.keys.accounts.rename_device(caller, 1, "old phone")
    assert [one.name for one in own.account.devices] == ["old phone"]
    accounts = service.keys.accounts
    assert await refused(accounts.rename_device(caller, 2, "x")) is Code.NOT_FOUND
    assert await refused(accounts.rename_device(caller, 1, "a\nb")) is Code.INVALID_ARGUMENT
    assert await refused(accounts.rename_device(caller, 1, "x" * 65)) is Code.INVALID_ARGUMENT


async def test_a_device_registers_anew_under_its_id(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    caller = await service.caller(done)
    again = replace(person, registration_id=815, next_id=1)
    token = await service.keys.devices.renew(caller, Renewal(815, again.upload()))
    renewed = await service.keys.logins.authenticate(token.token)
    assert (renewed.device, renewed.address.registration) == (caller.device, 815)
    assert service.told.changes == [done.user]
    assert service.told.audit[-1] == "DEVICE_RENEWED"


async def test_what_registers_anew_has_a_new_id_and_all_its_keys(service: Service) -> None:
    person = NewPerson()
    caller = await service.caller(await service.register(person))
    renew = service.keys.devices.renew
    for renewal, code in (
        (Renewal(person.registration_id, person.upload()), Code.INVALID_ARGUMENT),
        (Renewal(0, person.upload()), Code.INVALID_ARGUMENT),
        (Renewal(815, person.upload(long_lived=False)), Code.INVALID_ARGUMENT),
        (Renewal(815, NewPerson().upload()), Code.BAD_SIGNATURE),
    ):
        assert await refused(renew(caller, renewal)) is code


async def test_a_device_that_nobody_used_for_long_is_removed_and_its_account_told(
    service: Service,
) -> None:
    person = NewPerson()
    done = await service.register(person)
    device = a_device(created_ms=int(service.clock() * 1000))
    await service.directory.add_device(done.user, device)
    service.clock.now += (IDLE_DEVICE_DAYS - 1) * DAY
    await service.log_in(person, done)
    assert await service.keys.devices.expire() == 0
    service.clock.now += 2 * DAY
    assert await service.keys.devices.expire() == 1
    account = await service.directory.account(done.user)
    assert account is not None
    assert [one.id for one in account.devices] == [1]
    assert service.told.changes == [done.user]
    assert service.told.audit[-1] == "DEVICE_EXPIRED"
    service.clock.now += 2 * IDLE_DEVICE_DAYS * DAY
    assert await service.keys.devices.expire() == 0
    assert await service.directory.stock(DeviceId(done.user, 1))
