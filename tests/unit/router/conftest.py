"""A router, and two people who are connected to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers
from tests.support.one_router import ALICE, BOB, CAROL, connected, start


@pytest.fixture
def users() -> KnownUsers:
    known = KnownUsers()
    for user in (ALICE, BOB, CAROL):
        known.add(user)
    return known


@pytest.fixture
async def router(users: KnownUsers, tmp_path: Path) -> AsyncIterator[Router]:
    started = await start(users, tmp_path)
    yield started
    await started.stop()
    await started._context.store.close()


@pytest.fixture
async def alice(router: Router) -> Device:
    return await connected(router, ALICE)


@pytest.fixture
async def bob(router: Router) -> Device:
    return await connected(router, BOB)
