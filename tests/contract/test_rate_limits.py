"""What ports/rate_limits.py says may be relied upon, on every adapter."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from signet.adapters.rate_limits import MemoryRateLimits
from signet.adapters.rate_limits_redis import RedisRateLimits
from signet.ports.rate_limits import RateLimits
from tests.support.lanes import Server

SOON = 30.0
CLOCKS = 0.2  # how far apart two clocks may be here, and how finely they are read
Open = Callable[[], RateLimits]


@pytest.fixture
async def open_limits(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens one pod's limits; all of one test count into the same windows."""
    opened: list[RateLimits] = []
    open_one: Open = request.getfixturevalue(f"{request.param}_limits")

    def open_pod() -> RateLimits:
        opened.append(open_one())
        return opened[-1]

    yield open_pod
    await asyncio.gather(*(limits.close() for limits in opened))


@pytest.fixture
def redis_limits(redis_server: Server) -> Open:
    return lambda: RedisRateLimits(f"redis://{redis_server.url}", away=lambda: None, timeout_s=SOON)


@pytest.fixture
def memory_limits() -> Open:
    """All pods of an embedded server are one process."""
    shared = MemoryRateLimits()
    return lambda: shared


every_adapter = pytest.mark.parametrize(
    "open_limits", ["memory", pytest.param("redis", marks=pytest.mark.lane("redis"))], indirect=True
)


def new_key() -> str:
    return uuid4().hex


@every_adapter
async def test_so_many_pass_in_a_period_and_the_next_is_told_when(open_limits: Open) -> None:
    limits, key = open_limits(), new_key()
    for _ in range(3):
        assert (await limits.hit("login", key, 3, 60)).allowed
    refused = await limits.hit("login", key, 3, 60)
    assert not refused.allowed
    assert 55 < refused.retry_after_s <= 60


@every_adapter
async def test_all_pods_count_into_one_window(open_limits: Open) -> None:
    here, there, key = open_limits(), open_limits(), new_key()
    assert (await here.hit("login", key, 1, 60)).allowed
    assert not (await there.hit("login", key, 1, 60)).allowed


@every_adapter
async def test_keys_and_names_are_counted_apart(open_limits: Open) -> None:
    limits, key = open_limits(), new_key()
    assert (await limits.hit("login", key, 1, 60)).allowed
    assert (await limits.hit("login", new_key(), 1, 60)).allowed
    assert (await limits.hit("lookup", key, 1, 60)).allowed


@every_adapter
async def test_a_hundred_at_once_are_counted_one_by_one(open_limits: Open) -> None:
    pods, key = [open_limits(), open_limits()], new_key()
    hits = [pods[number % 2].hit("login", key, 10, 60) for number in range(100)]
    assert sum(one.allowed for one in await asyncio.gather(*hits)) == 10


@every_adapter
async def test_who_waited_as_told_passes(open_limits: Open) -> None:
    limits, key = open_limits(), new_key()
    loop = asyncio.get_running_loop()
    assert (await limits.hit("login", key, 1, 1)).allowed
    earliest = loop.time()
    refused = await limits.hit("login", key, 1, 1)
    earliest, latest = earliest + refused.retry_after_s, loop.time() + refused.retry_after_s
    async with asyncio.timeout(SOON):
        asked = loop.time()
        while not (await limits.hit("login", key, 1, 1)).allowed:
            assert asked < latest + CLOCKS, "it waited as told, and was refused"
            await asyncio.sleep(0.01)
            asked = loop.time()
    assert loop.time() > earliest - CLOCKS
