"""What a device has not acknowledged for long is pushed again (R8): the link is a hint."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.core import limits
from signet.core.ids import UserId
from signet.router.router import Router, boot_clock
from tests.support.devices import Device
from tests.support.known_users import KnownUsers

SHARDS = 16
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))


class Clock:
    ahead = 0.0

    def now(self) -> float:
        return boot_clock() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def router(tmp_path: Path, clock: Clock) -> AsyncIterator[Router]:
    users = KnownUsers()
    for user in (ALICE, BOB):
        users.add(user)
    store = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    started = Router(
        store,
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        shards=SHARDS,
        alone=True,
        lease_s=float("inf"),
        clock=clock.now,
    )
    await started.start()
    yield started
    await started.stop()
    await store.close()


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
