"""Redis loses all it has: when somebody was last seen is still told, from the directory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from signet.adapters.directory_sql import open_directory
from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_redis import RedisPresence
from signet.adapters.users_directory import DirectoryUsers
from signet.core.ids import DeviceAddress, DeviceId, UserId
from signet.core.link import ToRouter, WatchUsers
from signet.core.shards import shard_of
from signet.ports.presence import Status
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.directories import registered
from tests.support.lanes import Server
from tests.support.one_router import SHARDS

pytestmark = pytest.mark.lane("redis")
SOON = 30.0


async def eventually(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await found():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def a_router(users: DirectoryUsers, folder: Path, server: Server) -> AsyncIterator[Router]:
    """One life of a process: nothing but Redis and the files outlives it."""
    store = open_inbox(folder / "inbox.sqlite", SHARDS)
    presence = RedisPresence(f"redis://{server.url}")
    router = Router(store, users, presence, MemoryEvents(), shards=SHARDS, alone=True)
    await router.start()
    yield router
    await router.stop()
    await presence.close()
    await store.close()


async def a_device(router: Router, user: UserId) -> Device:
    device = Device(router, user)
    device.address = DeviceAddress(DeviceId(user, 1), 4711, 1)
    await device.connect()
    await device.until(device.caught_up)
    return device


async def told_of(watcher: Device, user: UserId) -> tuple[int, int]:
    """What somebody who looks at the user is told first: the status, and the time in ms."""
    watch = WatchUsers(1, watcher.address, (user,))
    watcher.link.submit([ToRouter(shard_of(user, SHARDS), watch)])
    await watcher.until(lambda: any(f.WhichOneof("body") == "presence" for f in watcher.frames))
    (first, *_) = [f.presence for f in watcher.frames if f.WhichOneof("body") == "presence"]
    return first.status, first.last_seen_ms


async def test_last_seen_is_still_told_after_a_flush(redis_server: Server, tmp_path: Path) -> None:
    directory = await open_directory(f"sqlite:///{tmp_path / 'directory.sqlite'}")
    users = DirectoryUsers(directory)
    ann, bob = [(await registered(directory)).user for _ in range(2)]
    redis = Redis.from_url(f"redis://{redis_server.url}")

    async def is_kept() -> bool:
        return (await users.load([bob]))[bob].last_seen_ms > 0

    async with a_router(users, tmp_path, redis_server) as before:
        (await a_device(before, bob)).detach()
        await eventually(is_kept)
    kept_ms = (await users.load([bob]))[bob].last_seen_ms
    await redis.flushall()
    async with a_router(users, tmp_path, redis_server) as after:
        assert await told_of(await a_device(after, ann), bob) == (Status.OFFLINE, kept_ms)
    await redis.aclose()
    await directory.close()
