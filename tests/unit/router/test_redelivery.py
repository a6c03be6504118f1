"""What a device has not acknowledged for long is pushed again (R8): the link is a hint."""

from signet.core import limits
from signet.core.ids import UserId
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.later_router import ALICE, BOB, Clock, clock, events, router

__all__ = ["clock", "events", "router"]


async def connected(router: Router, user: UserId) -> Device:
    device = Device(router, user)
    await device.connect()
    await device.until(device.caught_up)
    return device


def redeliver(router: Router, clock: Clock, after: float) -> None:
    clock.ahead += after
    router._following.redeliver()


async def test_an_item_whose_push_was_lost_is_pushed_again(router: Router, clock: Clock) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    await alice.sent(BOB, 1)
    await bob.until(lambda: len(bob.items) == 1)
    redeliver(router, clock, 0.0)
    redeliver(router, clock, limits.REDELIVER + 1)
    await bob.until(lambda: len(bob.items) == 2)
    assert bob.items[0].position == bob.items[1].position
    bob.ack()
    await alice.until(lambda: len(alice.delivered) == 1)


async def test_each_time_it_is_waited_twice_as_long(router: Router, clock: Clock) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    await alice.sent(BOB, 1)
    await bob.until(lambda: len(bob.items) == 1)
    redeliver(router, clock, 0.0)
    redeliver(router, clock, limits.REDELIVER + 1)
    await bob.until(lambda: len(bob.items) == 2)
    redeliver(router, clock, limits.REDELIVER + 1)
    assert len(bob.items) == 2
    redeliver(router, clock, limits.REDELIVER)
    await bob.until(lambda: len(bob.items) == 3)


async def test_who_acknowledges_gets_nothing_twice(router: Router, clock: Clock) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    for ordinal in (1, 2, 3):
        await alice.sent(BOB, ordinal)
        await bob.until(lambda count=ordinal: len(bob.items) == count)  # type: ignore[misc]
        bob.ack()
        await alice.until(lambda count=ordinal: len(set(alice.delivered)) == count)  # type: ignore[misc]
        redeliver(router, clock, limits.REDELIVER + 1)
    await alice.sent(BOB, 4)
    await bob.until(lambda: len(bob.items) == 4)
    assert len({(i.position.epoch, i.position.seq) for i in bob.items}) == 4
