"""A whole drain in virtual time: who is sent where, how fast, and what is left at the end (S7)."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from signet.core.drain import Order
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.core.limits import BACKOFF_CAP, DRAIN_PART, PACE_STEP
from signet.core.ring import Ring
from signet.core.session import Input
from signet.gateway.departure import Departure
from signet.ports.members import Member, State
from tests.support.gateways import record
from tests.support.one_gateway import Edge, Place
from tests.support.virtual_time import in_virtual_time, run

USERS = [UserId(number.to_bytes(16, "big")) for number in range(240)]
FEW = settings(max_examples=8, deadline=None)
OTHERS = ("gateway-1", "gateway-2", "gateway-3")


def listed(names: Iterable[str], accepts: float = 1_000.0) -> list[Member]:
    return [record(name, public=f"wss://{name}.test/v1/connect", accepts=accepts) for name in names]


class Drain:
    """gateway-0 with its streams, which go when they are asked to, or do not."""

    def __init__(
        self, users: list[UserId] = USERS, *, obedient: bool = True, entry_lead: float = 0.0
    ) -> None:
        loop = asyncio.get_running_loop()
        self.place = Place()
        self.hub = self.place.hub
        self.hub.config = replace(self.hub.config, entry_lead=entry_lead)
        self.hub.clock = loop.time
        self.place.session.happens(Input.LOST)
        self.edges = {user: self.place.stream_of(user) for user in users}
        self.asked_at = dict[UserId, float]()
        self._obedient = obedient
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Each stream that was asked is gone a moment later."""
        while True:
            for session in list(self.hub.sessions.values()):
                user = session.address.device.user
                if self.edges[user].of("reconnect") and user not in self.asked_at:
                    self.asked_at[user] = self.hub.clock()
                    if self._obedient:
                        session.happens(Input.BYE)
            await asyncio.sleep(0.01)

    async def run(self, order: Order, members: list[Member]) -> Departure:
        self.see(members)
        self.hub.neighbours.leave(self.hub.clock())
        departure = Departure(self.hub, self.hub.neighbours, order, random.Random(7).random)
        await departure.run()
        self._watching.cancel()
        return departure

    def see(self, members: list[Member]) -> None:
        self.hub.neighbours.see(members, self.hub.clock())

    def sent_to(self) -> dict[UserId, list[str]]:
        return {user: [r.to for r in edge.of("reconnect")] for user, edge in self.edges.items()}

    def closes(self) -> list[tuple[Code, float]]:
        found = [close for edge in self.edges.values() for close in edge.of("close")]
        return [(Code(c.code), c.retry_after_ms / 1000) for c in found if c.code != Code.BYE.value]

    def most_in_a_second(self) -> int:
        """As seen from outside, each 0.01 s: so much less than a second that a step is left out."""
        times = sorted(self.asked_at.values())
        return max(sum(0 <= other - time < 1.0 - PACE_STEP for other in times) for time in times)


@FEW
@given(st.integers(1, 3), st.floats(2, 120))
def test_every_stream_is_asked_once_for_its_gateway_of_the_ring_and_gone_by_the_deadline(
    others: int, period: float
) -> None:
    async def story() -> None:
        drain, names = Drain(), OTHERS[:others]
        await drain.run(Order(period), listed(["gateway-0", *names]))
        ring = Ring(names)
        expected = {user: [f"wss://{ring.at(user)}.test/v1/connect"] for user in USERS}
        assert drain.sent_to() == expected
        assert drain.closes() == []
        assert max(drain.asked_at.values()) <= period

    run(story())


@FEW
@given(st.integers(10, 200))
def test_a_survivor_is_never_sent_more_in_a_second_than_its_part(accepts: int) -> None:
    async def story() -> None:
        drain = Drain()
        await drain.run(Order(3.0), listed(OTHERS[:1], float(accepts)))
        assert drain.most_in_a_second() <= accepts * DRAIN_PART

    run(story())


@in_virtual_time
async def test_what_the_survivors_do_not_take_is_closed_at_the_deadline_with_a_time() -> None:
    drain = Drain()
    await drain.run(Order(2.0), listed(OTHERS[:1], 10.0))
    asked = len(drain.asked_at)
    assert 10 <= asked <= 20
    closes = drain.closes()
    assert {code for code, _ in closes} == {Code.DRAINING}
    assert len(closes) == len(USERS) - asked
    waits = [wait for _, wait in closes]
    assert max(waits) <= BACKOFF_CAP
    assert max(waits) - min(waits) > 10  # they do not come back together


@in_virtual_time
async def test_who_was_asked_and_does_not_go_is_closed_at_the_deadline() -> None:
    drain = Drain(USERS[:20], obedient=False)
    await drain.run(Order(5.0), listed(OTHERS))
    assert len(drain.closes()) == 20
    assert drain.hub.clock() < 5.5


@in_virtual_time
async def test_a_survivor_that_is_full_is_left_out_until_it_is_not() -> None:
    drain = Drain()
    full, free = listed(["gateway-1"], 0.0), listed(["gateway-2"], 20.0)
    running = asyncio.create_task(drain.run(Order(60.0), [*full, *free]))
    await asyncio.sleep(5.0)
    before = {user for user, to in drain.sent_to().items() if to}
    assert {to for user in before for to in drain.sent_to()[user]} == {
        "wss://gateway-2.test/v1/connect"
    }
    drain.see(listed(["gateway-1", "gateway-2"]))
    await running
    ring = Ring(["gateway-1", "gateway-2"])
    for user in set(USERS) - before:
        assert drain.sent_to()[user] == [f"wss://{ring.at(user)}.test/v1/connect"]


@in_virtual_time
async def test_without_public_addresses_all_are_sent_to_the_entrance_at_what_the_others_take() -> (
    None
):
    drain = Drain()
    await drain.run(Order(4.0), [record("gateway-1", accepts=50.0), record("gateway-2")])
    assert set(map(tuple, drain.sent_to().values())) == {("",)}
    assert drain.most_in_a_second() <= 2 * 50 * DRAIN_PART


@in_virtual_time
async def test_nobody_is_asked_back_to_an_entrance_that_has_not_heard_of_the_drain() -> None:
    drain = Drain(USERS[:20], entry_lead=5.0)
    began = drain.hub.clock()
    await drain.run(Order(began + 60.0, 4.0), [record("gateway-1")])
    first, last = min(drain.asked_at.values()) - began, max(drain.asked_at.values()) - began
    assert 5.0 <= first < 5.5
    assert 4.5 < last - first < 6.0  # then at the pace that was asked for


@in_virtual_time
async def test_a_short_drain_does_not_wait_long_for_the_entrance() -> None:
    drain = Drain(USERS[:20], entry_lead=5.0)
    began = drain.hub.clock()
    await drain.run(Order(began + 8.0), [record("gateway-1")])
    assert 1.0 <= min(drain.asked_at.values()) - began < 1.5
    assert drain.closes() == []


@in_virtual_time
async def test_those_who_can_be_sent_to_a_gateway_by_name_need_not_wait_for_the_entrance() -> None:
    drain = Drain(USERS[:20], entry_lead=5.0)
    began = drain.hub.clock()
    await drain.run(Order(began + 60.0), listed(OTHERS))
    assert max(drain.asked_at.values()) - began < 2.0


@in_virtual_time
async def test_others_that_drain_too_share_what_the_survivors_take() -> None:
    drain = Drain()
    also = record("gateway-9", State.DRAINING)
    await drain.run(Order(3.0), [*listed(OTHERS[:1], 100.0), also])
    assert drain.most_in_a_second() <= 100 * DRAIN_PART / 2


@in_virtual_time
async def test_a_stream_that_is_greeted_during_the_drain_has_its_turn() -> None:
    drain = Drain(USERS[:3], obedient=False)
    edge, late = Edge(), USERS[100]
    opened = drain.hub.open(edge, "websocket")
    drain._watching.cancel()
    running = asyncio.create_task(drain.run(Order(30.0), listed(OTHERS)))
    await asyncio.sleep(3.0)
    assert edge.frames == []
    drain.place.greeted(opened, late)
    await asyncio.sleep(3.0)
    assert edge.kinds == ["welcome", "reconnect"]
    for session in list(drain.hub.sessions.values()):
        session.happens(Input.BYE)
    await running
