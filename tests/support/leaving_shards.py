"""A router whose shards can be given away while something waits in it; a directory that can wait.

Fixtures: import them all. `router` holds all SHARDS when a test begins; `ended` hears of its end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import SqliteInbox, open_inbox
from signet.adapters.members_memory import MemoryMembers
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.ids import Incarnation, UserId
from signet.core.link import NotOwner, ToGateway
from signet.core.shards import shard_of
from signet.ports.users import User
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers

SHARDS = 4
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))
TAKER = Incarnation(b"taker".ljust(16, b"."))


class SlowUsers(KnownUsers):
    """A directory that answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.asked = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def load(self, users: Sequence[UserId]) -> dict[UserId, User]:
        self.asked.set()
        await self.open.wait()
        return await super().load(users)


class Listener(Device):
    """A device's gateway that also hears who does not own what."""

    def __init__(self, router: Router, user: UserId) -> None:
        super().__init__(router, user, shards=SHARDS)
        self.not_owners: list[NotOwner] = []

    def _deliver(self, frames: Sequence[ToGateway]) -> None:
        self.not_owners += [frame for frame in frames if isinstance(frame, NotOwner)]
        super()._deliver(frames)


@pytest.fixture
async def users() -> SlowUsers:
    known = SlowUsers()
    for user in (ALICE, BOB):
        known.add(user)
    return known


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteInbox]:
    opened = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    yield opened
    await opened.close()


@pytest.fixture
def ended() -> list[str]:
    """Said when the router's life was ended."""
    return []


@pytest.fixture
async def router(users: SlowUsers, store: SqliteInbox, ended: list[str]) -> AsyncIterator[Router]:
    started = Router(
        store,
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        members=MemoryMembers(),
        shards=SHARDS,
        lost=lambda: ended.append("lost"),
    )
    await started.start()
    await until(lambda: started.load() == SHARDS)
    yield started
    await started.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def give_away(router: Router, user: UserId) -> None:
    """The shard that a user is in."""
    await router._ownership._hand_over(TAKER, [shard_of(user, SHARDS)])


async def connected(router: Router, user: UserId) -> Listener:
    device = Listener(router, user)
    await device.connect()
    await device.until(device.caught_up)
    return device
