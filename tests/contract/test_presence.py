"""What ports/presence.py says may be relied upon, on every adapter."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from signet.adapters.presence_memory import MemoryPresence
from signet.adapters.presence_redis import RedisPresence
from signet.adapters.presence_sqlite import SqlitePresence
from signet.core.ids import UserId
from signet.ports.presence import PresenceStore, Seen, Status
from tests.support.lanes import Server

SOON = 30.0


@pytest.fixture
async def presence(request: pytest.FixtureRequest) -> AsyncIterator[PresenceStore]:
    store: PresenceStore = request.getfixturevalue(f"{request.param}_presence")
    yield store
    await store.close()


@pytest.fixture
def memory_presence() -> PresenceStore:
    return MemoryPresence(time.monotonic)


@pytest.fixture
def sqlite_presence(tmp_path: Path) -> PresenceStore:
    return SqlitePresence(tmp_path / "shared.sqlite")


@pytest.fixture
def redis_presence(redis_server: Server) -> PresenceStore:
    return RedisPresence(f"redis://{redis_server.url}", timeout_s=SOON)


every_adapter = pytest.mark.parametrize(
    "presence",
    ["memory", "sqlite", pytest.param("redis", marks=pytest.mark.lane("redis"))],
    indirect=True,
)


def online(last_seen_ms: int = 1_000) -> Seen:
    return Seen(UserId(os.urandom(16)), Status.ONLINE, last_seen_ms, "gateway-0")


@every_adapter
async def test_what_was_put_is_known(presence: PresenceStore) -> None:
    ann, bob = online(), replace(online(), status=Status.AWAY, gateway="gateway-1")
    await presence.put([ann, bob], 60)
    assert await presence.get([ann.user, bob.user]) == {ann.user: ann, bob.user: bob}


@every_adapter
async def test_who_was_never_seen_is_not_known(presence: PresenceStore) -> None:
    assert await presence.get([online().user]) == {}
    assert await presence.get([]) == {}


@every_adapter
async def test_a_record_is_rewritten_whole(presence: PresenceStore) -> None:
    ann = online()
    await presence.put([ann], 60)
    later = replace(ann, status=Status.OFFLINE, last_seen_ms=2_000, gateway="")
    await presence.put([later], 60)
    assert await presence.get([ann.user]) == {ann.user: later}


@every_adapter
async def test_of_somebody_who_is_forgotten_nothing_is_known(presence: PresenceStore) -> None:
    ann, bob = online(), online()
    await presence.put([ann, bob], 60)
    await presence.forget([ann.user, online().user])
    assert await presence.get([ann.user, bob.user]) == {bob.user: bob}


@every_adapter
async def test_an_expired_record_is_offline_and_keeps_its_last_seen_time(
    presence: PresenceStore,
) -> None:
    ann = online(last_seen_ms=1_234)
    await presence.put([ann], 0.05)
    async with asyncio.timeout(SOON):
        while (await presence.get([ann.user]))[ann.user].status is not Status.OFFLINE:
            await asyncio.sleep(0)
    assert (await presence.get([ann.user]))[ann.user].last_seen_ms == 1_234
