"""When somebody was last seen is kept in the directory, sparingly, and told from there (P8)."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from signet.core import limits
from signet.core.ids import UserId
from signet.core.link import ToRouter, WatchUsers
from signet.core.shards import shard_of
from signet.ports.inbox import StoreUnavailable
from signet.router.last_seen import LastSeen
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers
from tests.support.one_router import ALICE, BOB, SHARDS
from tests.support.virtual_time import in_virtual_time

NOON = 1_700_000_000_000
HARDLY = limits.LAST_SEEN_DELAY / 10


class CountedUsers(KnownUsers):
    """Says which notes came, and when; `away`, it refuses them."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.notes: list[tuple[float, list[tuple[UserId, int]]]] = []
        for user in (ALICE, BOB):
            self.add(user)

    async def note_seen(self, pairs: Sequence[tuple[UserId, int]]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.notes.append((asyncio.get_running_loop().time(), list(pairs)))
        await super().note_seen(pairs)


def last_seen(users: KnownUsers) -> LastSeen:
    loop = asyncio.get_running_loop()
    return LastSeen(users, loop.time, loop.call_later, loop.create_task)


@in_virtual_time
async def test_all_who_go_at_one_time_are_noted_together_and_soon() -> None:
    users = CountedUsers()
    seen = last_seen(users)
    seen.gone(ALICE, NOON)
    seen.gone(BOB, NOON + 1)
    assert (seen.of(ALICE), seen.of(BOB)) == (NOON, NOON + 1)
    await asyncio.sleep(limits.LAST_SEEN_DELAY + HARDLY)
    assert users.notes == [(limits.LAST_SEEN_DELAY, [(ALICE, NOON), (BOB, NOON + 1)])]


@in_virtual_time
async def test_who_comes_and_goes_all_the_time_is_noted_once_a_minute_with_the_last_time() -> None:
    users = CountedUsers()
    seen = last_seen(users)
    for second in range(150):
        seen.gone(ALICE, NOON + second)
        await asyncio.sleep(1)
    await asyncio.sleep(2 * limits.LAST_SEEN_PERIOD)
    times = [at for at, _ in users.notes]
    assert len(times) == 4
    assert all(b - a >= limits.LAST_SEEN_PERIOD for a, b in pairwise(times))
    assert users.users[ALICE].last_seen_ms == NOON + 149


@in_virtual_time
async def test_a_directory_that_is_away_is_told_when_it_is_back() -> None:
    users = CountedUsers()
    seen = last_seen(users)
    users.away = True
    seen.gone(ALICE, NOON)
    await asyncio.sleep(10 * limits.LAST_SEEN_DELAY)
    assert seen.of(ALICE) == NOON
    users.away = False
    await asyncio.sleep(limits.LAST_SEEN_DELAY + HARDLY)
    assert users.users[ALICE].last_seen_ms == NOON


async def test_who_was_last_seen_is_told_by_a_router_that_knows_it_from_the_directory_alone(
    router: Router, alice: Device, users: KnownUsers
) -> None:
    await users.note_seen([(BOB, NOON)])
    watch = WatchUsers(1, alice.address, (BOB,))
    alice.link.submit([ToRouter(shard_of(BOB, SHARDS), watch)])
    await alice.until(lambda: any(f.WhichOneof("body") == "presence" for f in alice.frames))
    assert alice.frames[-1].presence.last_seen_ms == NOON


async def test_who_goes_and_who_is_there_when_the_router_stops_are_kept(
    router: Router, alice: Device, bob: Device, users: KnownUsers
) -> None:
    bob.detach()
    async with asyncio.timeout(30):
        while not users.users[BOB].last_seen_ms:
            await asyncio.sleep(0.01)
    assert users.users[ALICE].last_seen_ms == 0
    await router.stop()
    assert users.users[ALICE].last_seen_ms >= users.users[BOB].last_seen_ms
