"""Three routers share the shards; they are killed, drained and cut off while people talk.

Real gateways' hubs, real routers and the SDK's cores, in virtual time (P1–P3, P6, L2–L7, J5, O3).
When all calms down every shard has one owner, every message is shown once, in the order in which it
was written, and its sender has a receipt.
"""

import asyncio
import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from signet.core.ids import UserId
from tests.support import virtual_time
from tests.support.cluster_in_time import USERS, Bad, Cluster
from tests.support.phones import Phone

ROUTERS = ("router-0", "router-1", "router-2")
CALM = 240.0  # virtual seconds in which all must be settled


class Story:
    """What happens, by name; `amount` from 1 to 10 says whom it concerns, or how much of it."""

    def __init__(self, cluster: Cluster, phones: list[Phone]) -> None:
        self.cluster, self.phones = cluster, phones

    async def somebody_writes(self, amount: int) -> None:
        phone = self.phones[amount % 3]
        for to in self._others(phone):
            for _ in range(amount):
                phone.write(to)

    async def all_write(self, amount: int) -> None:
        for phone in self.phones:
            for to in self._others(phone):
                phone.write(to)

    async def time_passes(self, amount: int) -> None:
        await asyncio.sleep(amount * amount / 10)

    async def a_router_dies(self, amount: int) -> None:
        self.cluster.kill(ROUTERS[amount % 3])

    async def a_router_drains(self, amount: int) -> None:
        self.cluster.drain(ROUTERS[amount % 3])

    async def a_router_drains_while_all_write(self, amount: int) -> None:
        for _ in range(amount):
            await self.all_write(1)
            await asyncio.sleep(0.002)
        self.cluster.drain(ROUTERS[amount % 3])
        for _ in range(10):
            await self.all_write(1)
            await asyncio.sleep(0.002)

    async def a_drain_is_aborted(self, amount: int) -> None:
        await self.cluster.undrain(ROUTERS[amount % 3])

    async def a_link_is_cut(self, _: int) -> None:
        self.cluster.cut_a_link()

    async def a_link_stands_still(self, amount: int) -> None:
        self.cluster.stall_a_link(amount * 0.6)

    async def frames_are_troubled(self, amount: int) -> None:
        """The links of one router; for so long that some of what is behind them is found out."""
        bad, name = tuple(Bad)[amount % 3], ROUTERS[amount % 2]
        self.cluster.trouble_links(name, bad, amount * 0.5)

    async def a_gateway_dies(self, amount: int) -> None:
        dead = self.cluster.kill_gateway(amount % 2)
        for phone in self.phones:
            phone.lost(dead)

    async def a_phone_comes_again(self, amount: int) -> None:
        self.phones[amount % 3].connect()

    async def a_phone_is_off(self, amount: int) -> None:
        self.phones[amount % 3].leave()

    async def there_is_trouble(self, amount: int) -> None:
        self.cluster.set_trouble(amount / 15)

    def _others(self, phone: Phone) -> list[UserId]:
        return [user for user in USERS if user != phone.user]


HAPPENINGS = [name for name in vars(Story) if not name.startswith("_")]
EVENTS = st.lists(
    st.tuples(st.sampled_from(HAPPENINGS), st.integers(1, 10)), min_size=3, max_size=25
)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), events=EVENTS)
def test_nothing_is_lost_doubled_or_reordered_while_shards_change_hands(
    seed: int, events: list[tuple[str, int]]
) -> None:
    with capture_logs() as logs:
        virtual_time.run(talk(seed, events))
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def talk(seed: int, events: list[tuple[str, int]]) -> None:
    cluster = Cluster(random.Random(seed))
    await cluster.up(ROUTERS, gateways=2)
    phones = [Phone(cluster, user) for user in USERS]
    story = Story(cluster, phones)
    for phone in phones:
        phone.connect()
    for name, amount in events:
        await getattr(story, name)(amount)
        await asyncio.sleep(0.1)
    await calms_down(cluster, phones)
    for phone in phones:
        all_is_there(phone, phones)
    every_shard_has_one_owner(cluster)
    numbers_have_no_gaps(cluster)
    cluster.down()


async def calms_down(cluster: Cluster, phones: list[Phone]) -> None:
    cluster.set_trouble(0.0)
    for name in ROUTERS:
        await cluster.undrain(name)
    await asyncio.sleep(3.0)
    for phone in phones:
        phone.connect()
    deadline = cluster.loop.time() + CALM
    while cluster.loop.time() < deadline and not (
        all(map(settled, phones)) and set(cluster.epochs_held.values()) == {1}
    ):
        await asyncio.sleep(1.0)


def settled(phone: Phone) -> bool:
    waiting = sum(map(len, phone.outboxes.values()))
    return not waiting and len(phone.receipts) >= len(phone.written)


def all_is_there(phone: Phone, phones: list[Phone]) -> None:
    assert sum(map(len, phone.outboxes.values())) == 0
    for other in phones:
        written = [ordinal for to, ordinal in phone.written if to == other.user]
        assert other.shown[phone.user] == written  # P1, P2, P3
    assert set(phone.written.values()) - phone.receipts == set()  # R4, J5
    assert phone.receipts - set(phone.written.values()) == set()


def every_shard_has_one_owner(cluster: Cluster) -> None:
    assert set(cluster.epochs_held.values()) == {1}


def numbers_have_no_gaps(cluster: Cluster) -> None:
    for device, written in cluster.rows.written.items():
        of_epoch: defaultdict[int, list[int]] = defaultdict(list)
        for position in sorted(written):
            of_epoch[position.epoch].append(position.seq)
        for epoch, numbers in of_epoch.items():
            assert numbers == list(range(1, len(numbers) + 1)), (device, epoch)


@virtual_time.in_virtual_time
async def test_shards_are_shared_and_a_drained_router_has_none() -> None:
    cluster = Cluster(random.Random(1))
    await cluster.up(ROUTERS, gateways=1)
    await asyncio.sleep(20.0)
    held = {name: life.router.load() for name, life in cluster.routers.items()}
    assert max(held.values()) <= 4, held
    assert sum(held.values()) == 8
    cluster.drain("router-1")
    await cluster.draining["router-1"]
    await asyncio.sleep(1.0)
    assert cluster.routers["router-1"].router.load() == 0
    every_shard_has_one_owner(cluster)
    await cluster.undrain("router-1")
    await asyncio.sleep(20.0)
    assert cluster.routers["router-1"].router.load() == held["router-1"]
    cluster.down()


@virtual_time.in_virtual_time
async def test_the_shards_of_a_killed_router_are_taken_when_its_lease_has_run_out() -> None:
    cluster = Cluster(random.Random(2))
    await cluster.up(ROUTERS, gateways=1)
    await asyncio.sleep(20.0)
    lost = dict(cluster.routers["router-2"].router._context.epochs)
    died = cluster.loop.time()
    cluster.kill("router-2")
    while 0 in cluster.epochs_held.values():
        await asyncio.sleep(0.1)
    assert 4.0 < cluster.loop.time() - died < 7.0
    now = {
        s: e for life in cluster.routers.values() for s, e in life.router._context.epochs.items()
    }
    assert all(now[shard] > epoch for shard, epoch in lost.items())  # L5
    cluster.down()
