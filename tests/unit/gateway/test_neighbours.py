"""What a members' list says to a gateway, and a gateway that follows a real one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from signet.adapters.members_memory import MemoryMembers
from signet.core.ids import UserId
from signet.core.ring import Ring
from signet.gateway.neighbours import Neighbours, public_address
from signet.ports.members import State
from tests.support.gateways import BOB, World, make_gateway, record, router_record
from tests.support.opening import Open
from tests.support.streams import greet, send

USERS = [UserId(number.to_bytes(16, "big")) for number in range(200)]


def homes(neighbours: Neighbours) -> list[str]:
    found = [neighbours.home(user) for user in USERS]
    return [member.name if member else neighbours.name for member in found]


def on(*names: str) -> list[str | None]:
    ring = Ring(names)
    return [ring.at(user) for user in USERS]


def test_the_ring_is_of_those_who_are_active_and_of_oneself() -> None:
    here = Neighbours("a")
    here.see([record("b"), record("c", State.JOINING), record("d", State.DRAINING)], 1.0)
    assert homes(here) == on("a", "b")
    assert here.draining == 1


def test_who_drains_belongs_nowhere_in_its_own_ring_whatever_the_list_says() -> None:
    here = Neighbours("a")
    here.see([record("a"), record("b"), record("c")], 1.0)
    here.leave(2.0)
    assert homes(here) == on("b", "c")
    here.stay(3.0)
    assert homes(here) == on("a", "b", "c")


def test_only_who_comes_and_goes_changes_the_ring() -> None:
    here = Neighbours("a")
    here.see([record("a"), record("b")], 1.0)
    here.see([record("a", load=7), record("b", load=9, accepts=1.0)], 2.0)
    assert (here.version, here.changed_at) == (1, 1.0)
    assert here.active["b"].accepts == 1.0


def test_skew_is_the_load_in_parts_of_the_average() -> None:
    here = Neighbours("a")
    assert here.skew(5) == 1.0
    here.see([record("a", load=999), record("b", load=10), record("c", load=20)], 1.0)
    assert here.skew(30) == 1.5
    here.see([record("a"), record("b"), record("c")], 1.0)
    assert here.skew(0) == 1.0


def test_each_transport_has_its_own_public_address() -> None:
    both = record("a", public="wss://a.test/v1/connect a.test:7401")
    assert public_address(both, "websocket") == "wss://a.test/v1/connect"
    assert public_address(both, "grpc") == "a.test:7401"
    assert public_address(record("a", public="a.test:7401"), "websocket") == ""
    assert public_address(record("a"), "grpc") == ""
    secure = record("a", public="wss://a.test/v1/connect grpcs://a.test:7401")
    assert public_address(secure, "grpc") == "grpcs://a.test:7401"
    assert public_address(secure, "websocket") == "wss://a.test/v1/connect"


# --- a gateway on a real list -------------------------------------------------------------------


@pytest.fixture
async def members() -> AsyncIterator[MemoryMembers]:
    made = MemoryMembers()
    yield made
    await made.close()


async def test_a_gateway_finds_its_routers_and_neighbours_on_the_list(
    here: World, members: MemoryMembers, open_stream: Open
) -> None:
    gateway = make_gateway(here.router, here.keys, members=members, name="gateway-7")
    await gateway.start()
    try:
        assert gateway.not_ready() == "no router answers"
        assert gateway.accepts() == 0.0
        await members.put(router_record("router-0", "the only one"))
        while gateway.not_ready():
            await asyncio.sleep(0.01)
        await members.put(record("gateway-8", load=3))
        while not gateway.hub.neighbours.active:
            await asyncio.sleep(0.01)
        there = World(gateway, here.router, here.keys, here.users)
        async with open_stream(there) as alice, open_stream(here) as bob:
            await greet(there, alice)
            await greet(here, bob, BOB)
            await alice.send(send(BOB, 1))
            assert (await alice.until("answer")).answer.HasField("sent")
            assert gateway.load() == 1
            status = gateway.status()
            assert status["skew"] == 0.5
            assert status["rebalance"] == {
                "mode": "off: no other gateway has a public address",
                "asked": 0,
            }
        await members.remove(router_record("router-0", "the only one"))
        await members.remove(record("gateway-8"))
        while gateway.hub.neighbours.active:
            await asyncio.sleep(0.01)
        assert gateway.not_ready() == ""  # its link speaks, and it holds shards: a list is a hint
    finally:
        await gateway.stop()
