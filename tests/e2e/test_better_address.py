"""Clients go where their user belongs by the ring; who cannot stays in peace (S7)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.client import ConnectionChanged, ConnectionState, Environment
from signet.client.client import Transport
from signet.core.limits import MAX_MOVES, MOVE_QUIET
from signet.ports.members import Member
from tests.support.gateways import record
from tests.support.lanes import free_port
from tests.support.people import Person, running
from tests.support.two_gateways import Cluster, cluster

HERE, THERE = 0, 1
MESSAGES = 8  # fewer than a stranger may send


@pytest.fixture(params=["websocket", "grpc"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    transport: Transport = request.param
    async with cluster(tmp_path, transport) as made:
        yield made


def at(here: Cluster, number: int, *members: Member) -> None:
    """What a gateway sees: these others, and that nobody belongs to itself."""
    neighbours = here.gateways[number].hub.neighbours
    neighbours.see(members, 0.0)
    neighbours.leave(0.0)


def online(person: Person) -> int:
    """How many streams it had."""
    changes = [event for event in person.told if isinstance(event, ConnectionChanged)]
    assert {change.state for change in changes} <= {
        ConnectionState.CONNECTING,
        ConnectionState.ONLINE,
    }
    return sum(change.state is ConnectionState.ONLINE for change in changes)


async def streams(here: Cluster, number: int, count: int) -> None:
    async with asyncio.timeout(30):
        while here.gateways[number].load() != count:
            await asyncio.sleep(0.02)


async def test_a_newcomer_moves_to_the_gateway_where_its_user_belongs(here: Cluster) -> None:
    at(here, HERE, record("gateway-1", public=here.public(THERE)))
    async with running(await here.register("alice", Environment())) as alice:
        await streams(here, THERE, 1)
        await streams(here, HERE, 0)
        await alice.until(lambda: online(alice) == 2)


async def test_who_cannot_reach_the_better_address_stays_and_talks(here: Cluster) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    at(here, HERE, record("gateway-1", public=f"ws://{nowhere}/v1/connect {nowhere}"))
    async with (
        running(await here.register("alice", Environment())) as alice,
        running(await here.register("bob", Environment())) as bob,
    ):
        await alice.client.send(bob.client.user_id, "still here")
        assert await bob.reads(1) == ["still here"]
        assert online(alice) == 1
        await streams(here, HERE, 2)


async def test_gateways_that_disagree_do_not_send_a_client_to_and_fro_for_long(
    here: Cluster,
) -> None:
    at(here, HERE, record("gateway-1", public=here.public(THERE)))
    at(here, THERE, record("standalone", public=here.public(HERE)))
    async with (
        running(await here.register("alice", Environment())) as alice,
        running(await here.register("bob", Environment())) as bob,
    ):
        for number in range(MESSAGES):
            await alice.client.send(bob.client.user_id, str(number))
        assert await bob.reads(MESSAGES) == [str(number) for number in range(MESSAGES)]
        await alice.until(lambda: online(alice) > 1)
        await bob.client.send(alice.client.user_id, "enough")
        assert await alice.reads(1) == ["enough"]
        assert online(alice) <= MAX_MOVES + 1


async def test_when_a_gateway_joins_its_users_are_asked_and_go_there(here: Cluster) -> None:
    async with (
        running(await here.register("alice", Environment())) as alice,
        running(await here.register("bob", Environment())) as bob,
    ):
        hub = here.gateways[HERE].hub
        hub.neighbours.see([record("gateway-1", public=here.public(THERE))], hub.clock())
        hub.neighbours.leave(hub.clock() - MOVE_QUIET)
        await streams(here, THERE, 2)
        await bob.client.send(alice.client.user_id, "there")
        assert await alice.reads(1) == ["there"]
        assert hub.strays.asked == 2
        for person in (alice, bob):
            await person.until(lambda who=person: online(who) == 2)  # type: ignore[misc]
