"""A new device comes to an account through a mailbox (K7)."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from signet.core.errors import Code, SignetError
from signet.core.limits import LINK_TTL, MAX_DEVICES
from signet.keys.linking import Approved, LinkedDevice
from signet.keys.parts import Caller
from signet.keys.registration import Registered
from tests.support.directories import a_device
from tests.support.identities import NewPerson
from tests.support.keys_service import HERE, Service, generous, keys_service, service

__all__ = ["service"]
OFFER, ANSWER, SEALED = os.urandom(32), b"answer", b"sealed"


async def refused(call: Any) -> Code:
    with pytest.raises(SignetError) as found:
        await call
    return found.value.code


@dataclass
class Linking:
    """An old device of somebody, and a new one that wants in."""

    service: Service
    person: NewPerson
    done: Registered
    address: bytes = b""
    new: NewPerson = field(default_factory=NewPerson)

    async def caller(self) -> Caller:
        return await self.service.caller(self.done)

    async def offered(self) -> None:
        links = self.service.keys.links
        self.address = (await links.open(HERE)).address
        await links.offer(await self.caller(), self.address, OFFER)

    async def answered(self) -> None:
        await self.offered()
        await self.service.keys.links.answer(self.address, ANSWER, HERE)

    async def approved(self) -> None:
        await self.answered()
        links = self.service.keys.links
        await links.approve(await self.caller(), self.address, self.approval())

    def approval(self) -> Approved:
        signed = b"".join(
            (
                b"signet-link-v1",
                b"localhost",
                self.address,
                self.done.user,
                self.new.login_public,
                self.new.registration_id.to_bytes(4, "big"),
            )
        )
        signature = self.person.identity.sign(signed)
        return Approved(self.new.login_public, self.new.registration_id, signature, SEALED)

    def device(self) -> LinkedDevice:
        keys = replace(self.new, identity=self.person.identity).upload()
        return LinkedDevice(self.new.login_public, self.new.registration_id, keys, "tablet")

    async def complete(self, device: LinkedDevice | None = None) -> Registered:
        wanted = device or self.device()
        return await self.service.keys.links.complete(self.address, wanted, HERE)


@pytest.fixture
async def linking(service: Service) -> Linking:
    person = NewPerson()
    return Linking(service, person, await service.register(person, device_name="phone"))


async def test_a_device_that_was_approved_registers_and_the_others_are_told(
    linking: Linking,
) -> None:
    await linking.approved()
    found = await linking.service.keys.links.get(linking.address, HERE)
    assert (found.offer, found.answer) == (OFFER, ANSWER)
    assert found.approval is not None
    assert found.approval.sealed == SEALED
    made = await linking.complete()
    assert (made.user, made.device, made.recovery_key) == (linking.done.user, 2, "")
    caller = await linking.service.caller(made)
    assert [one.name for one in caller.account.devices] == ["phone", "tablet"]
    assert linking.service.told.changes == [made.user]
    assert linking.service.told.audit[-1] == "DEVICE_LINKED"
    assert await linking.service.log_in(linking.new, made)


async def test_a_lost_answer_is_asked_for_again(linking: Linking) -> None:
    await linking.approved()
    wanted = linking.device()
    first = await linking.complete(wanted)
    assert (await linking.complete(wanted)).device == first.device


async def test_an_address_is_over_after_its_time(linking: Linking) -> None:
    await linking.approved()
    linking.service.clock.now += LINK_TTL
    assert await refused(linking.complete()) is Code.NOT_FOUND
    links = linking.service.keys.links
    assert await refused(links.get(linking.address, HERE)) is Code.NOT_FOUND
    assert await refused(links.get(os.urandom(32), HERE)) is Code.NOT_FOUND


async def test_who_knows_the_address_closes_it(linking: Linking) -> None:
    await linking.answered()
    links = linking.service.keys.links
    await links.close(linking.address, HERE)
    assert await refused(links.get(linking.address, HERE)) is Code.NOT_FOUND


async def test_nobody_registers_before_an_old_device_approves(linking: Linking) -> None:
    await linking.answered()
    assert await refused(linking.complete()) is Code.FORBIDDEN


async def test_only_the_device_that_was_approved_gets_in(linking: Linking) -> None:
    await linking.approved()
    other = replace(linking.device(), login_key=NewPerson().login_public)
    assert await refused(linking.complete(other)) is Code.FORBIDDEN
    other = replace(linking.device(), registration_id=1)
    assert await refused(linking.complete(other)) is Code.FORBIDDEN


async def test_who_has_not_the_identity_key_gets_in_nowhere(linking: Linking) -> None:
    await linking.answered()
    links, caller = linking.service.keys.links, await linking.caller()
    forged = replace(linking.approval(), signature=NewPerson().identity.sign(b"x"))
    call = links.approve(caller, linking.address, forged)
    assert await refused(call) is Code.BAD_SIGNATURE
    await links.approve(caller, linking.address, linking.approval())
    foreign = replace(linking.device(), keys=NewPerson().upload())
    assert await refused(linking.complete(foreign)) is Code.BAD_SIGNATURE


async def test_a_mailbox_is_of_the_account_that_came_first(linking: Linking) -> None:
    await linking.offered()
    other = await linking.service.caller(await linking.service.register(NewPerson()))
    links = linking.service.keys.links
    assert await refused(links.offer(other, linking.address, OFFER)) is Code.FORBIDDEN


async def test_an_account_with_six_devices_is_told_so_before_anybody_waits(
    linking: Linking,
) -> None:
    for _ in range(MAX_DEVICES - 1):
        await linking.service.directory.add_device(linking.done.user, a_device())
    assert await refused(linking.offered()) is Code.DEVICE_LIMIT


async def test_the_seventh_device_is_refused(linking: Linking) -> None:
    await linking.approved()
    for _ in range(MAX_DEVICES - 1):
        await linking.service.directory.add_device(linking.done.user, a_device())
    assert await refused(linking.complete()) is Code.DEVICE_LIMIT


@pytest.mark.parametrize("size", [0, 31, 33, 1000])
async def test_addresses_and_offers_of_another_size_are_refused(
    linking: Linking, size: int
) -> None:
    await linking.offered()
    links, caller = linking.service.keys.links, await linking.caller()
    for call in (
        links.get(bytes(size), HERE),
        links.offer(caller, linking.address, bytes(size)),
    ):
        assert await refused(call) is Code.INVALID_ARGUMENT


async def test_what_is_left_in_a_mailbox_is_bounded(linking: Linking) -> None:
    await linking.offered()
    links, caller = linking.service.keys.links, await linking.caller()
    answer = links.answer(linking.address, bytes(513), HERE)
    assert await refused(answer) is Code.INVALID_ARGUMENT
    await links.answer(linking.address, ANSWER, HERE)
    large = replace(linking.approval(), sealed=bytes(4097))
    assert await refused(links.approve(caller, linking.address, large)) is Code.INVALID_ARGUMENT


async def test_mailboxes_and_looks_are_counted_by_address(tmp_path: Path) -> None:
    config = generous(links_an_hour=2, link_calls_a_minute=3)
    async with keys_service(tmp_path, config) as service:
        links = service.keys.links
        address = (await links.open(HERE)).address
        await links.open(HERE)
        assert await refused(links.open(HERE)) is Code.RATE_LIMITED
        for _ in range(3):
            await links.get(address, HERE)
        assert await refused(links.get(address, HERE)) is Code.RATE_LIMITED
        assert (await links.get(address, "192.0.2.1")).by is None
