"""What the owner of a shard does when it is told that an account was deleted."""

from pathlib import Path

import pytest

from signet.core.errors import Code
from signet.core.ids import START, DeviceId, UserId
from signet.ports.inbox import StoreUnavailable
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers
from tests.support.one_router import ALICE, BOB, CAROL, connected, start


async def deleted(router: Router, users: KnownUsers, user: UserId) -> None:
    devices = list(users.users.pop(user).devices)
    await router.replaced(user, devices)


async def test_its_streams_end_by_their_own_code_and_nothing_of_it_is_kept(
    router: Router, users: KnownUsers, alice: Device, bob: Device
) -> None:
    users.written.add((ALICE, BOB))
    await alice.sent(BOB, 1)
    presence = router._context.presence
    assert (await presence.get([BOB])).keys() == {BOB}
    await deleted(router, users, BOB)
    await bob.until(lambda: bool(bob.drops))
    assert [drop.code for drop in bob.drops] == [Code.ACCOUNT_DELETED]
    (head,) = await router._context.store.heads([DeviceId(BOB, 1)])
    assert (head.last, head.items, head.counter) == (START, 0, 0)
    await alice.sent(CAROL, 1)  # what follows from the end of a stream is over
    assert await presence.get([BOB]) == {}


async def test_who_still_has_a_token_is_told_that_the_account_is_deleted(
    router: Router, users: KnownUsers, bob: Device
) -> None:
    await deleted(router, users, BOB)
    await bob.connect()
    await bob.until(lambda: len(bob.drops) == 2)
    assert bob.drops[-1].code is Code.ACCOUNT_DELETED


async def test_what_waits_for_somebody_away_is_dropped_too_after_a_restart(
    users: KnownUsers, tmp_path: Path
) -> None:
    first = await start(users, tmp_path)
    await connected(first, BOB)
    alice = await connected(first, ALICE)
    await alice.sent(BOB, 1)
    await first.stop()
    await first._context.store.close()

    second = await start(users, tmp_path)
    await deleted(second, users, BOB)
    (head,) = await second._context.store.heads([DeviceId(BOB, 1)])
    assert (head.last, head.items) == (START, 0)
    await second.stop()
    await second._context.store.close()


async def test_it_is_told_again_while_presence_cannot_be_forgotten(
    router: Router, users: KnownUsers, bob: Device
) -> None:
    class Away:
        async def forget(self, users: list[UserId]) -> None:
            raise StoreUnavailable("presence")

    there = router._context.presence
    router._context.presence = Away()  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        await deleted(router, users, BOB)
    router._context.presence = there
    await router.replaced(BOB, [1])
    assert await there.get([BOB]) == {}
