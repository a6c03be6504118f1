"""A router dies after each of its operations in turn; the next one recovers (P1, P4, R1–R4)."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from signet.adapters.inbox_cassandra.life import Pace
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.core import limits
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import Acknowledged, Batch, Connected, Entry, Taken
from tests.support.cassandra import SLOW_S, cassandra_url, clear
from tests.support.dying_inbox import AT_ONCE, Death, dying

__all__ = ["cassandra_url"]
pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(300)]
SHARDS = 4
NOW_MS = 1_700_000_000_000
SHARD = ShardId(2)
LEASE_S = 1000.0
NEVER = 10**9
BEHIND = 2
ROUNDS = 5
LATER = Pace(row_after=NEVER, head_after=NEVER, tick=0.005)


def somebody() -> DeviceId:
    while shard_of(user := UserId(os.urandom(16)), SHARDS) != SHARD:
        pass
    return DeviceId(user, 1)


@dataclass
class Ledger:
    """What was asked of a store and what it has confirmed, of one device that acknowledges."""

    device: DeviceId = field(default_factory=somebody)
    other: DeviceId = field(default_factory=somebody)
    tried: Position = START
    durable: Position = START
    counter: int = 0
    acked_tried: Position = START
    acked: Position = START

    async def life(self, store: CassandraInbox) -> None:
        """Begin, append and acknowledge some, give the shard away."""
        life = Incarnation(os.urandom(16))
        await store.register(life, LEASE_S)
        (one,) = await store.take(life, [SHARD])
        for seq in range(1, ROUNDS + 1):
            await self.append(store, one.epoch, seq)
        await store.release(life, [one])

    async def append(self, store: CassandraInbox, epoch: Epoch, seq: int) -> None:
        position, behind = Position(epoch, seq), Position(epoch, seq - BEHIND)
        both = [Entry(d, position, NOW_MS, b"%d" % seq) for d in (self.device, self.other)]
        acknowledged = [Acknowledged(self.device, behind)] if seq > BEHIND else []
        connected = [Connected(self.other, seq, (seq,))]
        self.tried = position
        self.acked_tried = max(self.acked_tried, *(a.position for a in acknowledged), START)
        await store.append([Batch(SHARD, epoch, both, acknowledged, connected)])
        self.durable, self.acked, self.counter = position, self.acked_tried, seq

    async def check(self, store: CassandraInbox) -> None:
        one, two = await store.heads([self.device, self.other])
        assert self.durable <= one.last <= max(self.tried, START)
        assert one.last == two.last, "an append is there for all its devices, or for none"
        assert self.acked <= one.acknowledged <= self.acked_tried  # P4
        assert two.counter >= self.counter
        for head in (one, two):
            page = await store.read(head.device, START, 1000, limits.MIB, NOW_MS)
            found = [entry.position.seq for entry in page.entries]
            upto = max([*found, self.durable.seq])  # a head knows numbers that were only tried (J2)
            assert found == list(range(head.acknowledged.seq + 1, upto + 1))  # P1, P3
            assert upto <= head.last.seq
            assert [entry.body for entry in page.entries] == [b"%d" % seq for seq in found]
            assert head.items == len(found)


@pytest.fixture
async def next_store(cassandra_url: str) -> AsyncIterator[CassandraInbox]:
    clear(cassandra_url)
    store = CassandraInbox(cassandra_url, SHARDS, now_ms=lambda: NOW_MS, timeout_s=SLOW_S)
    yield store
    await store.close()


async def take_over(store: CassandraInbox) -> tuple[Incarnation, Taken]:
    """Mark everybody else dead, and take the shard."""
    life = Incarnation(os.urandom(16))
    await store.register(life, LEASE_S)
    for other, counter in (await store.leases()).items():
        if other != life and counter is not None:
            assert await store.mark_dead(other, counter)
    (one,) = await store.take(life, [SHARD])
    return life, one


async def until_death(url: str, ledger: Ledger, death: Death, pace: Pace) -> bool:
    """Whether it came before the life was over."""
    store = dying(url, SHARDS, NOW_MS, death, pace)
    living, dead = asyncio.create_task(ledger.life(store)), asyncio.create_task(death.came.wait())
    await asyncio.wait([living, dead], return_when=asyncio.FIRST_COMPLETED)
    died = death.came.is_set()
    if not died:
        await living
    for task in (living, dead):
        task.cancel()
    await store.close()
    await asyncio.gather(living, dead, return_exceptions=True)
    return died


@pytest.mark.parametrize("unheard", [False, True], ids=["not sent", "not heard"])
@pytest.mark.parametrize("pace", [AT_ONCE, LATER], ids=["rows at once", "rows at the end"])
async def test_after_each_operation_a_router_may_die_and_nothing_is_lost_nor_comes_back(
    cassandra_url: str, next_store: CassandraInbox, pace: Pace, unheard: bool
) -> None:
    died, after = True, 0
    while died:
        ledger, death = Ledger(), Death(after, unheard)
        died = await until_death(cassandra_url, ledger, death, pace)
        life, one = await take_over(next_store)
        try:
            await ledger.check(next_store)
        except AssertionError as error:
            raise AssertionError(f"died after {death.operations}") from error
        await ledger.append(next_store, one.epoch, 1)
        await next_store.release(life, [one])
        after += 1
    print(f"{after} deaths")
    assert after > ROUNDS + 4


async def test_who_recovers_may_die_too_after_each_operation(
    cassandra_url: str, next_store: CassandraInbox
) -> None:
    """R2: the next one does the same."""
    died, after = True, 0
    while died:
        ledger, middle = Ledger(), 3 + ROUNDS  # the take, most appends
        assert await until_death(cassandra_url, ledger, Death(middle, True), LATER)
        assert ledger.durable.seq > 2
        death = Death(after, unheard=bool(after % 2))
        second = dying(cassandra_url, SHARDS, NOW_MS, death)
        recovering = asyncio.create_task(_recovers(second, ledger))
        coming = asyncio.create_task(death.came.wait())
        await asyncio.wait([recovering, coming], return_when=asyncio.FIRST_COMPLETED)
        died = death.came.is_set()
        if not died:
            await recovering
        for task in (recovering, coming):
            task.cancel()
        await second.close()
        await asyncio.gather(recovering, coming, return_exceptions=True)
        life, one = await take_over(next_store)
        await ledger.check(next_store)
        await next_store.release(life, [one])
        after += 1
    print(f"{after} deaths of who recovers")
    assert after > 8


async def _recovers(store: CassandraInbox, ledger: Ledger) -> None:
    await take_over(store)
    await ledger.check(store)
