"""What was changed is told to routers, whatever fails after the change (K1, S9)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from signet.core.errors import Code, SignetError
from signet.core.ids import UserId
from signet.keys.outbox import Outbox
from signet.keys.registration import Application, Recovery, Registered
from signet.keys.server import KeysServer
from signet.ports.inbox import StoreUnavailable
from tests.support.identities import NewPerson
from tests.support.keys_service import HERE, Service, Told, application, keys_service, service

__all__ = ["service"]


async def recover(service: Service, same: Application, lost: Registered) -> Registered:
    wanted = Recovery(lost.user, same, lost.recovery_key)
    return await service.keys.registrations.recover(wanted, HERE)


async def recovery_refused(service: Service, other: Application, lost: Registered) -> Code:
    with pytest.raises(SignetError) as found:
        await recover(service, other, lost)
    return found.value.code


# --- the answer is lost ---------------------------------------------------------------------------


async def test_a_recovery_whose_answer_was_lost_is_asked_for_again(service: Service) -> None:
    """The same device, and a recovery key that is good; the one of the lost answer is not."""
    before, new = await service.register(NewPerson()), NewPerson()
    same = application(new)
    answers = [await recover(service, same, before) for _ in range(3)]
    assert {(one.user, one.device) for one in answers} == {(before.user, 2)}
    assert len({one.recovery_key for one in answers}) == 3
    assert service.told.replacements == [(before.user, (1,))]
    assert service.told.audit.count("ACCOUNT_RECOVERED") == 1
    await service.log_in(new, answers[-1])
    for lost in answers[:-1]:
        assert await recovery_refused(service, application(NewPerson()), lost) is Code.NOT_FOUND
    await recover(service, application(NewPerson()), answers[-1])


async def test_a_try_that_overtakes_the_one_before_is_no_wrong_key(service: Service) -> None:
    """As by a client that gave up waiting: NOT_FOUND would tell it never to try again."""
    before, new = await service.register(NewPerson()), NewPerson()
    same = application(new)
    answers = await asyncio.gather(*(recover(service, same, before) for _ in range(2)))
    assert [one.device for one in answers] == [2, 2]
    strangers = [recover(service, application(NewPerson()), before) for _ in range(2)]
    refused = await asyncio.gather(*strangers, return_exceptions=True)
    assert [str(one)[:9] for one in refused] == ["NOT_FOUND"] * 2


async def test_of_two_devices_that_recover_at_once_one_does(service: Service) -> None:
    before = await service.register(NewPerson())
    tries = [recover(service, application(NewPerson()), before) for _ in range(2)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Registered", "SignetError"]


async def test_keys_that_were_made_anew_for_the_second_try_are_stored(service: Service) -> None:
    before, new = await service.register(NewPerson()), NewPerson()
    await recover(service, application(new), before)
    second = new.upload(3, 3)
    after = await recover(service, application(new, second), before)
    bob = await service.caller(await service.register(NewPerson()))
    (bundle,) = (await service.keys.bundles.fetch(bob, before.user)).devices
    assert (bundle.device, bundle.signed) == (after.device, second.signed)
    assert bundle.one_time in second.one_time


@pytest.mark.parametrize("sign_of_life", ["login", "request"])
async def test_the_old_recovery_key_is_over_once_the_new_device_is_seen(
    service: Service, sign_of_life: str
) -> None:
    before, new = await service.register(NewPerson()), NewPerson()
    same = application(new)
    after = await recover(service, same, before)
    if sign_of_life == "login":
        await service.log_in(new, after)
    else:
        await service.caller(after)
    assert await recovery_refused(service, same, before) is Code.NOT_FOUND


async def test_the_old_recovery_key_is_good_for_no_other_device(service: Service) -> None:
    before, new = await service.register(NewPerson()), NewPerson()
    await recover(service, application(new), before)
    thief = NewPerson()
    other_login = NewPerson(identity=new.identity)
    for other in (thief, other_login):
        assert await recovery_refused(service, application(other), before) is Code.NOT_FOUND
    wrong = Registered(before.user, 1, "AAAA-BBBB", before.token)
    assert await recovery_refused(service, application(new), wrong) is Code.NOT_FOUND


async def test_the_new_recovery_key_works_for_the_same_device_too(service: Service) -> None:
    before, new = await service.register(NewPerson()), NewPerson()
    after = await recover(service, application(new), before)
    again = await recover(service, application(new), after)
    assert again.device == 3


# --- routers cannot be told -----------------------------------------------------------------------


async def test_a_recovery_is_answered_and_told_later(service: Service) -> None:
    before = await service.register(NewPerson())
    service.told.away = StoreUnavailable()
    after = await service.recover(NewPerson(), before)
    await service.caller(after)
    service.told.away = None
    assert service.told.replacements == []
    await restarted(service).catch_up(fresh=True)
    assert service.told.replacements == [(before.user, (1,))]
    await restarted(service).catch_up(fresh=True)
    assert service.told.replacements == [(before.user, (1,))]


async def test_a_removed_device_and_a_deleted_account_are_told_later(service: Service) -> None:
    ann, bob = [await service.register(NewPerson()) for _ in range(2)]
    service.told.away = ConnectionRefusedError()
    await service.keys.accounts.remove_device(await service.caller(ann), 1)
    await service.keys.accounts.delete(bob.user)
    service.told.away = None
    await restarted(service).catch_up(fresh=True)
    assert service.told.changes == [ann.user]
    assert service.told.replacements == [(bob.user, (1,))]


async def test_what_is_new_is_left_to_whoever_made_it_for_one_round(service: Service) -> None:
    """Or a change would be told twice by two processes, as a rule."""
    before = await service.register(NewPerson())
    other = restarted(service)
    await other.catch_up(fresh=True)
    service.told.away = TimeoutError()
    await service.recover(NewPerson(), before)
    service.told.away = None
    await other.catch_up()
    assert service.told.replacements == []
    await other.catch_up()
    assert service.told.replacements == [(before.user, (1,))]


async def test_a_user_whose_routers_are_away_keeps_nobody_else_waiting(service: Service) -> None:
    people = [await service.register(NewPerson()) for _ in range(3)]
    service.told.away = TimeoutError()
    for one in people:
        await service.recover(NewPerson(), one)
    stuck = min(one.user for one in people)
    routers = AllBut(stuck=stuck)
    await Outbox(service.directory, routers).catch_up(fresh=True)
    assert {user for user, _ in routers.replacements} == {one.user for one in people} - {stuck}
    assert [one.user for one in await service.directory.untold()] == [stuck]


async def test_a_server_that_starts_tells_what_was_left(tmp_path: Path) -> None:
    """As after kill -9 between the change and its telling: the directory alone is left."""
    async with keys_service(tmp_path) as service:
        user = (await service.register(NewPerson())).user
        await service.directory.delete_account(user)
        server = KeysServer(service.keys)
        await server.start()
        try:
            await service.told.heard.wait()
            assert service.told.replacements == [(user, (1,))]
        finally:
            await server.stop()


def restarted(service: Service) -> Outbox:
    """That of another process, on the same directory."""
    return Outbox(service.directory, service.told)


@dataclass
class AllBut(Told):
    """Routers of which the one that owns this user's shard is away."""

    stuck: UserId = field(kw_only=True)

    async def replaced(self, user: UserId, dropped_devices: Sequence[int]) -> None:
        if user == self.stuck:
            raise TimeoutError
        await Told.replaced(self, user, dropped_devices)
