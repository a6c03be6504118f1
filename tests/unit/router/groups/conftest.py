"""A router with a group of Alice, Bob and Carol, of whom the first two are connected."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.groups import GroupId
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_groups import KnownGroups
from tests.support.known_users import KnownUsers
from tests.support.one_router import ALICE, BOB, CAROL, SHARDS, connected

GROUP = GroupId(b"group".ljust(16, b"_"))


@pytest.fixture
def groups() -> KnownGroups:
    users = KnownUsers()
    for user in (ALICE, BOB, CAROL):
        users.add(user)
    known = KnownGroups(users)
    known.change(GROUP, ALICE, BOB, CAROL)
    known.told(GROUP, 1)
    return known


async def start(groups: KnownGroups, folder: Path) -> Router:
    """A router on the inboxes of a folder, as after a kill -9 of the one before."""
    store = open_inbox(folder / "inbox.sqlite", SHARDS)
    presence, events = MemoryPresence(boot_clock), MemoryEvents()
    router = Router(store, groups.users, presence, events, groups=groups, shards=SHARDS, alone=True)
    await router.start()
    return router


@pytest.fixture
async def router(groups: KnownGroups, tmp_path: Path) -> AsyncIterator[Router]:
    started = await start(groups, tmp_path)
    yield started
    await started.stop()
    await started._context.store.close()


@pytest.fixture
async def alice(router: Router) -> Device:
    return await connected(router, ALICE)


@pytest.fixture
async def bob(router: Router) -> Device:
    return await connected(router, BOB)
