"""Redis killed, stopped, flushed: nobody waits for it, nothing moves, all comes back (L6, P8)."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from signet.adapters.members_redis import RedisMembers
from signet.adapters.presence_redis import RedisPresence
from signet.adapters.rate_limits_redis import RedisRateLimits
from signet.core import limits
from signet.core.ids import UserId
from signet.ports.members import Kind, Member, State
from signet.ports.presence import Seen, Status
from signet.ports.rate_limits import Allowed
from tests.support.busy_members import listed, put
from tests.support.lanes import Server

pytestmark = pytest.mark.lane("redis")
SOON = 30.0
TTL = 1.5  # of records that are written every tenth second: no busy machine is that late
SETTLE = 3.0
# Calls that are not answered, with room for a busy machine.
BOUND = 10 * limits.SHARED_STORE_TIMEOUT


def members_of(server: Server) -> RedisMembers:
    return RedisMembers(
        f"redis://{server.url}", ttl_s=TTL, refresh_s=0.1, poll_s=0.05, settle_s=SETTLE
    )


def pod() -> Member:
    name = f"router-{uuid4().hex[:8]}"
    return Member(Kind.ROUTER, name, "127.0.0.1:1", State.ACTIVE, 1, uuid4().bytes)


async def within(seconds: float, call: Awaitable[object]) -> object:
    async with asyncio.timeout(seconds):
        return await call


async def eventually(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await found():
            await asyncio.sleep(0.02)


@pytest.fixture
async def pods(redis_server: Server) -> AsyncIterator[list[tuple[RedisMembers, Member]]]:
    """Three pods, each with its own view and its own record."""
    redis = Redis.from_url(f"redis://{redis_server.url}")
    await redis.flushall()
    await redis.aclose()
    three = [(members_of(redis_server), pod()) for _ in range(3)]
    for members, member in three:
        await put(members, member)
    for members, _ in three:
        await listed(members, lambda found: len(found) == 3)
    yield three
    for members, _ in three:
        await members.close()


async def seen_during(
    members: RedisMembers, broken: Callable[[], Awaitable[object]]
) -> list[Sequence[Member]]:
    """Every list that a watch shows while something is broken, and until a second after."""
    shown: list[Sequence[Member]] = []

    async def follow() -> None:
        async for found in members.watch():
            shown.append(found)  # noqa: PERF401 - read while it grows

    following = asyncio.create_task(follow())
    await eventually(lambda: asyncio.sleep(0, bool(shown)))
    await broken()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return shown


async def test_a_flush_moves_nothing(
    redis_server: Server, pods: list[tuple[RedisMembers, Member]]
) -> None:
    redis = Redis.from_url(f"redis://{redis_server.url}")

    async def flush() -> None:
        await redis.flushall()

        async def is_back() -> bool:
            return bool(await redis.zcard("{signet:members}:ends") == 3)

        await eventually(is_back)
        assert len(await pods[0][0].list()) == 3

    shown = await seen_during(pods[0][0], flush)
    await redis.aclose()
    assert [len(found) for found in shown] == [3]


async def test_a_restart_moves_nothing_and_records_come_back(
    redis_server: Server, pods: list[tuple[RedisMembers, Member]]
) -> None:
    async def restart() -> None:
        redis_server.kill()
        with pytest.raises(ConnectionError):
            await pods[1][0].put(pods[1][1])
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < 2 * TTL:
            assert len(await pods[0][0].list()) == 3
            await asyncio.sleep(0.02)
        await asyncio.to_thread(redis_server.restart)
        late = members_of(redis_server)

        async def all_are_back() -> bool:
            return len(await late.list()) == 3

        await eventually(all_are_back)
        await late.close()

    shown = await seen_during(pods[0][0], restart)
    assert [len(found) for found in shown] == [3]


async def test_a_stopped_redis_holds_nobody_up(
    redis_server: Server, pods: list[tuple[RedisMembers, Member]]
) -> None:
    members, member = pods[0]
    presence = RedisPresence(f"redis://{redis_server.url}")
    seen = Seen(UserId(os.urandom(16)), Status.ONLINE, 1, "gateway-0")
    loop = asyncio.get_running_loop()
    with redis_server.paused():
        assert len(await within(BOUND, members.list()) or []) == 3  # type: ignore[arg-type]
        with pytest.raises(ConnectionError):
            await within(BOUND, members.put(member))
        began = loop.time()
        await within(BOUND, presence.put([seen], 60))
        assert await within(BOUND, presence.get([seen.user])) == {}
        for _ in range(20):  # most of them are not even tried
            assert await presence.get([seen.user]) == {}
        assert loop.time() - began < BOUND
    await put_and_get(presence, seen)
    await presence.close()


async def put_and_get(presence: RedisPresence, seen: Seen) -> None:
    """Until it is known: a Redis that answers late counts as away, and drops what is put."""

    async def known() -> bool:
        await presence.put([seen], 60)
        return await presence.get([seen.user]) == {seen.user: seen}

    await eventually(known)


async def test_limits_allow_while_redis_is_away_and_say_so(redis_server: Server) -> None:
    counted: list[None] = []
    rates = RedisRateLimits(f"redis://{redis_server.url}", away=lambda: counted.append(None))
    key = uuid4().hex
    assert (await rates.hit("login", key, 1, 60)).allowed
    counted.clear()
    with redis_server.paused():
        for _ in range(10):
            assert await within(BOUND, rates.hit("login", key, 1, 60)) == Allowed(True)
    assert len(counted) == 10

    async def refused() -> bool:
        return not (await rates.hit("login", key, 1, 60)).allowed

    await eventually(refused)
    await rates.close()


async def test_last_seen_survives_the_end_of_redis(redis_server: Server) -> None:
    presence = RedisPresence(f"redis://{redis_server.url}")
    seen = Seen(UserId(os.urandom(16)), Status.ONLINE, 77, "gateway-0")

    async def known() -> bool:
        found = await presence.get([seen.user])
        return found.get(seen.user) == Seen(seen.user, Status.OFFLINE, 77, "")

    async def put_and_known() -> bool:
        await presence.put([seen], 0.001)
        return await known()

    await eventually(put_and_known)
    await asyncio.to_thread(redis_server.restart)
    await eventually(known)
    await presence.close()


async def test_a_pod_that_dies_falls_off_the_list_once_its_record_ran_out(
    pods: list[tuple[RedisMembers, Member]],
) -> None:
    dead, member = pods[2]
    await dead.close()  # as a kill does: the record is not removed

    async def gone() -> bool:
        return member not in await pods[0][0].list()

    await eventually(gone)
    await listed(pods[1][0], lambda found: len(found) == 2)
