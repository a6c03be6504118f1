"""A router hints those again who stay away, and nobody who has come (design.md §5)."""

from signet.core import limits
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.later_router import ALICE, BOB, Clock, Kept, clock, events, router

__all__ = ["clock", "events", "router"]


async def sent_to_bob(router: Router) -> None:
    alice = Device(router, ALICE)
    await alice.connect()
    await alice.until(alice.caught_up)
    assert (await alice.sent(BOB, 1)).code is None


async def test_who_stays_away_is_hinted_again(router: Router, clock: Clock, events: Kept) -> None:
    await sent_to_bob(router)
    assert events.hints == [BOB]
    clock.ahead = limits.REMIND_AFTER + 1
    router._sends.remind()
    assert events.hints == [BOB, BOB]
    router._sends.remind()
    assert events.hints == [BOB, BOB]


async def test_who_has_come_is_not(router: Router, clock: Clock, events: Kept) -> None:
    await sent_to_bob(router)
    bob = Device(router, BOB)
    await bob.connect()
    await bob.until(lambda: len(bob.items) == 1)
    clock.ahead = limits.REMIND_AFTER + 1
    router._sends.remind()
    assert events.hints == [BOB]
