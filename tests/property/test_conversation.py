"""Two devices and real routers, on bad links and a store in trouble (P1–P3, O1–O3, R1–R6).

Whatever happened between: when all calms down, every message that was not given up is shown once,
in the order in which it was written, and its sender has a receipt.
"""

import asyncio
import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support import virtual_time
from tests.support.conversing import Talker, World

CALM = 120.0  # virtual seconds in which all must be settled


class Story:
    """What happens, by name; `amount` says how much of it."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def alice_writes(self, amount: int) -> None:
        self._write(self.world.alice, amount)

    async def bob_writes(self, amount: int) -> None:
        self._write(self.world.bob, amount)

    async def time_passes(self, amount: int) -> None:
        await asyncio.sleep(amount * amount / 20)

    async def alices_link_breaks(self, _: int) -> None:
        self.world.alice.reconnect()

    async def bobs_link_breaks(self, _: int) -> None:
        self.world.bob.reconnect()

    async def alices_link_is_replaced(self, _: int) -> None:
        self.world.alice.come_again()

    async def bobs_link_is_replaced(self, _: int) -> None:
        self.world.bob.come_again()

    async def bob_is_away(self, _: int) -> None:
        self.world.bob.break_off()

    async def the_router_dies(self, _: int) -> None:
        self.world.kill()

    async def the_router_is_overtaken(self, _: int) -> None:
        self.world.overtake()

    async def there_is_trouble(self, amount: int) -> None:
        self.world.set_trouble(amount / 10)

    def _write(self, talker: Talker, amount: int) -> None:
        for _ in range(amount):
            kind = self.world.chance.random()
            talker.write(stale=kind < 0.1, hopeless=kind > 0.95)


HAPPENINGS = [name for name in vars(Story) if not name.startswith("_")]
EVENTS = st.lists(
    st.tuples(st.sampled_from(HAPPENINGS), st.integers(1, 10)), min_size=3, max_size=25
)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32), strangers=st.booleans(), events=EVENTS)
def test_what_is_answered_sent_is_shown_once_in_order_whatever_breaks(
    seed: int, strangers: bool, events: list[tuple[str, int]]
) -> None:
    with capture_logs() as logs:
        virtual_time.run(talk(seed, strangers, events))
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def talk(seed: int, strangers: bool, events: list[tuple[str, int]]) -> None:
    world = World(random.Random(seed), strangers=strangers)
    story = Story(world)
    world.start_another()
    world.set_trouble(0.5)
    for talker in (world.alice, world.bob):
        talker.reconnect()
    for name, amount in events:
        await getattr(story, name)(amount)
        await asyncio.sleep(0.1)
    await calms_down(world)
    for talker in (world.alice, world.bob):
        all_that_was_not_given_up_is_there(talker)
    numbers_have_no_gaps(world)
    world.end()


async def calms_down(world: World) -> None:
    world.calm()
    world.users.written |= {(world.alice.user, world.bob.user), (world.bob.user, world.alice.user)}
    await asyncio.sleep(2.0)  # what is late on the links arrives
    for talker in (world.alice, world.bob):
        talker.reconnect()
    deadline = world.loop.time() + CALM
    while world.loop.time() < deadline and not (settled(world.alice) and settled(world.bob)):
        await asyncio.sleep(1.0)


def expected(talker: Talker) -> list[int]:
    return [ordinal for ordinal in talker.written if ordinal not in talker.given_up]


def settled(talker: Talker) -> bool:
    return len(talker.outbox) == 0 and len(talker.receipts) >= len(expected(talker))


def all_that_was_not_given_up_is_there(talker: Talker) -> None:
    assert len(talker.outbox) == 0
    assert sorted(talker.completed) == expected(talker)
    assert talker.other.shown == expected(talker)  # P1, P2, P3; and nothing that was refused
    assert talker.receipts == {talker.written[n].id for n in expected(talker)}  # R4
    assert talker.drops == []


def numbers_have_no_gaps(world: World) -> None:
    for device, written in world.rows.written.items():
        seqs = defaultdict(set)
        for position in written:
            seqs[position.epoch].add(position.seq)
        for epoch, numbers in seqs.items():
            assert numbers == set(range(1, len(numbers) + 1)), (device, epoch)
