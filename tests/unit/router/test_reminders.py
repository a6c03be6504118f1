"""A router hints those again who stay away, and nobody who has come (design.md §5)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.core import limits
from signet.core.ids import UserId
from signet.ports.events import Event, Topic
from signet.router.router import Router, boot_clock
from tests.support.devices import Device
from tests.support.known_users import KnownUsers

SHARDS = 16
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))


class Kept(MemoryEvents):
    """What was published."""

    def __init__(self) -> None:
        super().__init__()
        self.hints: list[UserId] = []

    def publish(self, event: Event) -> None:
        if event.topic is Topic.PUSH:
            self.hints.append(event.user)
        super().publish(event)


class Clock:
    ahead = 0.0

    def now(self) -> float:
        return boot_clock() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> Kept:
    return Kept()


@pytest.fixture
async def router(tmp_path: Path, clock: Clock, events: Kept) -> AsyncIterator[Router]:
    users = KnownUsers()
    for user in (ALICE, BOB):
        users.add(user)
    store = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    presence = MemoryPresence(boot_clock)
    started = Router(
        store,
        users,
        presence,
        events,
        shards=SHARDS,
        alone=True,
        lease_s=float("inf"),
        clock=clock.now,
    )
    await started.start()
    yield started
    await started.stop()
    await store.close()


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
