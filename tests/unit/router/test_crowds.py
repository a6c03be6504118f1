"""One person is written to by one sender, and by many strangers (M12)."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.core.link import Answer
from signet.core.recipients import Pace, Recipients
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers
from tests.support.one_router import BOB, SHARDS, connected

STRANGERS = [UserId(b"stranger" + bytes([n]) * 8) for n in range(5)]


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Place:
    """A router that lets two strangers' messages through, and three of a pair."""

    router: Router
    users: KnownUsers
    clock: Clock

    async def first_word(self, stranger: int) -> Answer:
        device = Device(self.router, STRANGERS[stranger])
        await device.connect()
        return await device.sent(BOB, 1)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    users, clock = KnownUsers(), Clock()
    for user in (BOB, *STRANGERS):
        users.add(user)
    recipients = Recipients(Pace(3, 1.0), Pace(2, 0.1))
    router = Router(
        open_inbox(tmp_path / "inbox.sqlite", SHARDS),
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        shards=SHARDS,
        alone=True,
        lease_s=math.inf,  # the clock is put forward
        clock=clock,
        recipients=recipients,
    )
    await router.start()
    yield Place(router, users, clock)
    await router.stop()
    await router._context.store.close()


async def test_of_many_strangers_so_many_are_heard_and_the_next_is_told_when(
    place: Place,
) -> None:
    assert [(await place.first_word(n)).code for n in (0, 1)] == [None, None]
    refused = await place.first_word(2)
    assert (refused.code, refused.retry_after_s) == (Code.RATE_LIMITED, 10.0)
    place.clock.now += 10.0
    assert (await place.first_word(3)).code is None


async def test_somebody_whom_the_recipient_has_written_to_is_no_stranger(place: Place) -> None:
    for stranger in (0, 1):
        await place.first_word(stranger)
    assert (await place.first_word(2)).code is Code.RATE_LIMITED
    place.users.written.add((BOB, STRANGERS[3]))  # as another router noted it
    assert (await place.first_word(3)).code is None
    bob = await connected(place.router, BOB)
    await bob.sent(STRANGERS[4], 1)
    assert (await place.first_word(4)).code is None


async def test_somebody_blocked_sees_what_others_see_and_takes_nobodys_place(
    place: Place,
) -> None:
    place.users.block(BOB, STRANGERS[0])
    assert (await place.first_word(0)).code is None
    assert [(await place.first_word(n)).code for n in (1, 2)] == [None, None]
    place.users.block(BOB, STRANGERS[3])
    await place.router.changed(BOB)
    assert (await place.first_word(3)).code is Code.RATE_LIMITED
    assert (await place.first_word(4)).code is Code.RATE_LIMITED


async def test_one_sender_writes_to_one_recipient_so_fast(place: Place) -> None:
    place.users.written.add((BOB, STRANGERS[0]))
    device = Device(place.router, STRANGERS[0])
    await device.connect()
    assert [(await device.sent(BOB, n)).code for n in (1, 2, 3)] == [None] * 3
    refused = await device.sent(BOB, 4)
    assert (refused.code, refused.retry_after_s) == (Code.RATE_LIMITED, 1.0)
    assert (await device.sent(STRANGERS[1], 1)).code is None
    place.clock.now += 1.0
    again = await device.sent(BOB, 4)
    assert again.code is None, "the same ordinal, in its place"


async def test_copies_for_ones_own_devices_are_not_counted(place: Place) -> None:
    place.users.add(STRANGERS[0], {1: 11, 2: 12})
    device = Device(place.router, STRANGERS[0])
    await device.connect()
    for ordinal in range(1, 10):
        before = len(device.answers)
        device.send(STRANGERS[0], ordinal, devices={2: 12})
        await device.until(lambda: len(device.answers) > before)  # noqa: B023
        assert device.answers[-1].code is None
