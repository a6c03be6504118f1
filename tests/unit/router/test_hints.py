"""A router hints each device that is away, again and again, and says who has come back (M11)."""

from signet.core import limits
from signet.core.ids import DeviceId
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.later_router import ALICE, BOB, Clock, Kept, clock, events, router

__all__ = ["clock", "events", "router"]
BOBS = DeviceId(BOB, 1)


async def someone(router: Router) -> Device:
    alice = Device(router, ALICE)
    await alice.connect()
    await alice.until(alice.caught_up)
    return alice


async def sent_to_bob(router: Router) -> None:
    assert (await (await someone(router)).sent(BOB, 1)).code is None


async def test_the_event_names_the_device_and_whether_it_is_urgent_and_no_more(
    router: Router, events: Kept
) -> None:
    alice = await someone(router)
    alice.send(BOB, 1, urgent=True)
    alice.send(BOB, 2)
    await alice.until(lambda: len(alice.answers) == 2)
    assert events.hints == [BOBS, BOBS]
    assert [event.urgent for event in events.pushed] == [True, False]


async def test_what_is_quiet_wakes_nobody(router: Router, events: Kept) -> None:
    alice = await someone(router)
    alice.send(BOB, 1, quiet=True)
    await alice.until(lambda: len(alice.answers) == 1)
    assert alice.answers[0].code is None
    assert events.pushed == []


async def test_a_device_that_is_here_is_not_hinted_and_neither_is_anybody_by_receipts(
    router: Router, events: Kept
) -> None:
    bob = Device(router, BOB)
    await bob.connect()
    await bob.until(bob.caught_up)
    await sent_to_bob(router)
    await bob.until(lambda: len(bob.items) == 1)
    assert events.pushed == []


async def test_who_comes_back_is_said_to_be_back_once(router: Router, events: Kept) -> None:
    await sent_to_bob(router)
    bob = Device(router, BOB)
    for _ in range(2):
        await bob.connect()
        await bob.until(bob.caught_up)
    assert events.came_back == [BOBS]
    assert ALICE not in {device.user for device in events.came_back}


async def test_who_stays_away_is_hinted_again(router: Router, clock: Clock, events: Kept) -> None:
    await sent_to_bob(router)
    assert events.hints == [BOBS]
    clock.ahead = limits.REMIND_AFTER + 1
    router._context.hints.remind()
    assert events.hints == [BOBS, BOBS]
    router._context.hints.remind()
    assert events.hints == [BOBS, BOBS]


async def test_who_has_come_is_not(router: Router, clock: Clock, events: Kept) -> None:
    await sent_to_bob(router)
    bob = Device(router, BOB)
    await bob.connect()
    await bob.until(lambda: len(bob.items) == 1)
    clock.ahead = limits.REMIND_AFTER + 1
    router._context.hints.remind()
    assert events.hints == [BOBS]
