"""Reads do not slow down behind what was deleted (W1: they begin at the acknowledged position)."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from signet.adapters.inbox_cassandra.driver import Driver
from signet.adapters.inbox_cassandra.session import Session
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.adapters.inbox_cassandra.url import parse
from signet.core import limits
from signet.core.durability.operations import Put, Trim, WriteRows
from signet.core.ids import START, DeviceId, Position, ShardId, UserId
from signet.ports.inbox import StoreUnavailable
from tests.support.cassandra import SLOW_S, cassandra_url

__all__ = ["cassandra_url"]
pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(180)]
NOW_MS = 1_700_000_000_000
ROWS = int(os.environ.get("SIGNET_DELETED_ROWS", "60000"))
AT_ONCE = 1000
WRITERS = 4
READS = 30


@pytest.fixture
async def driver(cassandra_url: str) -> AsyncIterator[Driver]:
    session = await Session.open(parse(cassandra_url), SLOW_S)
    yield Driver(session, lambda: NOW_MS)
    await session.close()


def somebody() -> DeviceId:
    return DeviceId(UserId(os.urandom(16)), 1)


async def write(driver: Driver, device: DeviceId, first: int, count: int) -> None:
    rows = tuple(
        Put(ShardId(0), device, Position(1, seq), NOW_MS, b"x")
        for seq in range(first, first + count)
    )
    while await driver.perform(WriteRows(device, rows)) is not True:
        pass


async def write_and_delete(driver: Driver, device: DeviceId) -> None:
    """By several at once, deleting behind them, as an inbox that is long and is then fetched."""
    turns = iter(range(1, ROWS + 1, AT_ONCE))

    async def some() -> None:
        for first in turns:
            await write(driver, device, first, AT_ONCE)

    await asyncio.gather(*(some() for _ in range(WRITERS)))
    for last in range(AT_ONCE, ROWS + 1, AT_ONCE):
        while await driver.perform(Trim(device, Position(1, last), ShardId(0))) is not True:
            pass


async def took(*works: Callable[[], Awaitable[object]]) -> list[float]:
    """Seconds of each, the least of several in turn: what else the machine does only adds."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(READS):
        for work, seconds in zip(works, times, strict=True):
            began = time.perf_counter()
            await work()
            seconds.append(time.perf_counter() - began)
    return [min(seconds) for seconds in times]


async def from_the_beginning(driver: Driver, device: DeviceId) -> float:
    """Seconds of one read that does not begin behind what was deleted; the time-out, at most."""
    began = time.perf_counter()
    with contextlib.suppress(StoreUnavailable):
        await driver.read("read_items", *device, *START, 100)
    return time.perf_counter() - began


async def test_an_inbox_with_very_many_deleted_rows_is_read_as_fast_as_another(
    driver: Driver, cassandra_url: str
) -> None:
    old, new = somebody(), somebody()
    began = time.perf_counter()
    await write_and_delete(driver, old)
    print(f"{ROWS} rows written and deleted in {time.perf_counter() - began:.1f} s")
    for device in (old, new):
        await write(driver, device, ROWS + 1, 20)
    store = CassandraInbox(cassandra_url, 4, timeout_s=SLOW_S)
    for device in (new, old):
        page = await store.read(device, START, 100, limits.MIB, NOW_MS)
        assert [entry.position.seq for entry in page.entries] == list(range(ROWS + 1, ROWS + 21))
        (head,) = await store.heads([device])
        assert head.items == 20
    of_new, of_old = await took(
        *(partial(store.read, device, START, 100, limits.MIB, NOW_MS) for device in (new, old))
    )
    blind = await from_the_beginning(driver, old)
    await store.close()
    print(f"a read: {of_old * 1e3:.1f} ms behind {ROWS} deleted rows, ", end="")
    print(f"{of_new * 1e3:.1f} ms without; from the beginning {blind * 1e3:.1f} ms")
    assert of_old < 4 * of_new + 0.002
    assert blind > 3 * of_old, "it is the beginning that makes the difference"
