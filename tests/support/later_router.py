"""A router whose clock a test puts forward, and what it publishes.

Fixtures: import them all. Nothing but `clock` decides what is due.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.ids import DeviceId, UserId
from signet.ports.events import CAME_BACK, NEW_MESSAGE, Event, Topic
from signet.router.router import Router
from tests.support.known_users import KnownUsers

SHARDS = 16
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))


class Clock:
    """`ahead` of the machine's by so many seconds."""

    ahead = 0.0

    def now(self) -> float:
        return boot_clock() + self.ahead


class Kept(MemoryEvents):
    """What was published for push."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed: list[Event] = []

    @property
    def hints(self) -> list[DeviceId]:
        """Which devices were hinted."""
        return self._of(NEW_MESSAGE)

    @property
    def came_back(self) -> list[DeviceId]:
        """Which devices were said to be back."""
        return self._of(CAME_BACK)

    def publish(self, event: Event) -> None:
        if event.topic is Topic.PUSH:
            self.pushed.append(event)
        super().publish(event)

    def _of(self, name: str) -> list[DeviceId]:
        return [DeviceId(one.user, one.device) for one in self.pushed if one.type == name]


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
    started = Router(
        store,
        users,
        MemoryPresence(boot_clock),
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
