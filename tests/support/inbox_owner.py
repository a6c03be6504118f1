"""A store on Cassandra that holds a shard, and appends to one inbox in it as a router does."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from signet.adapters.inbox_cassandra.life import Pace
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.core import limits
from signet.core.ids import START, DeviceId, Incarnation, Position, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import Acknowledged, Batch, Entry, StoreUnavailable, Taken
from tests.support.cassandra import SLOW_S

T = TypeVar("T")
SHARDS = 4
SHARD = ShardId(1)
NOW_MS = 1_700_000_000_000
LONG_S = 1000.0
SOON = 60.0


def somebody() -> DeviceId:
    """Whose inbox is in SHARD."""
    while shard_of(user := UserId(os.urandom(16)), SHARDS) != SHARD:
        pass
    return DeviceId(user, 1)


class Owner:
    """A store that holds a shard, and an inbox in it."""

    def __init__(self, store: CassandraInbox, life: Incarnation, one: Taken) -> None:
        self.store, self.life, self.one, self.epoch = store, life, one, one.epoch
        self.device = somebody()

    def batch(self, *numbers: int, acked: int = 0, device: DeviceId | None = None) -> list[Batch]:
        device = device or self.device
        entries = [Entry(device, Position(self.epoch, seq), NOW_MS, b"%d" % seq) for seq in numbers]
        acks = [Acknowledged(device, Position(self.epoch, acked))] if acked else []
        return [Batch(SHARD, self.epoch, entries, acks)]

    async def found(self, device: DeviceId | None = None) -> list[int]:
        page = await self.store.read(device or self.device, START, 1000, limits.MIB, NOW_MS)
        return [entry.position.seq for entry in page.entries]

    async def append(self, batches: list[Batch]) -> None:
        """As a router does: the same again until the outcome is known (J2)."""
        await answered(lambda: self.store.append(batches))

    async def found_soon(self, device: DeviceId | None = None) -> list[int]:
        return await answered(lambda: self.found(device))


async def answered(call: Callable[[], Awaitable[T]]) -> T:
    """What is answered in the end: a node that died a moment ago is asked for a while."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                return await call()
            except StoreUnavailable:
                await asyncio.sleep(0.1)


async def owner_in(url: str, lease_s: float, pace: Pace | None = None) -> Owner:
    """One that has begun, and has taken SHARD, which nobody had."""
    store = CassandraInbox(url, SHARDS, now_ms=lambda: NOW_MS, pace=pace or Pace())
    return await begun(store, lease_s)


async def begun(store: CassandraInbox, lease_s: float) -> Owner:
    life = Incarnation(os.urandom(16))
    await answered(lambda: store.register(life, lease_s))
    (one,) = await answered(lambda: store.take(life, [SHARD]))
    return Owner(store, life, one)


async def after(owner: Owner, url: str) -> Owner:
    """The next owner, when that one is gone without a word: it was marked dead (L2)."""
    store = CassandraInbox(url, SHARDS, now_ms=lambda: NOW_MS, timeout_s=SLOW_S)
    counter = (await answered(store.leases))[owner.life]
    assert await answered(lambda: store.mark_dead(owner.life, counter or 0))
    following = await begun(store, LONG_S)
    following.device = owner.device
    return following
