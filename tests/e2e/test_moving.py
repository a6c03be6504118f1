"""A gateway is drained while people talk: they move, and nobody notices (S7, P6)."""

import asyncio
import time
from pathlib import Path

import pytest

from signet.client import ConnectionChanged, ConnectionState
from signet.client.client import Transport
from signet.core.drain import Order
from tests.support.people import Person, running
from tests.support.two_gateways import cluster

MESSAGES = 40  # each way, within the burst of a device's bucket


def states(person: Person) -> list[ConnectionState]:
    return [event.state for event in person.told if isinstance(event, ConnectionChanged)]


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_people_who_talk_move_to_another_gateway_without_a_gap(
    transport: Transport, tmp_path: Path
) -> None:
    async with (
        cluster(tmp_path, transport) as here,
        running(await here.register("alice")) as alice,
        running(await here.register("bob")) as bob,
    ):
        a, b = alice.client.user_id, bob.client.user_id
        await alice.client.send(b, "hi")
        await bob.reads(1)
        await bob.client.send(a, "hi")
        await alice.reads(1)
        first, here.gateway = here.gateways[0], here.gateways[1]
        draining = asyncio.create_task(first.drain(Order(time.monotonic() + 2.0)))
        for number in range(MESSAGES):
            await alice.client.send(b, str(number))
            await bob.client.send(a, str(number))
        expected = ["hi", *map(str, range(MESSAGES))]
        assert await bob.reads(len(expected)) == expected
        assert await alice.reads(len(expected)) == expected
        await draining
        assert len(here.gateways[1].hub.sessions) == 2
        assert here.dialled == [0, 0, 1, 1]
        for person in (alice, bob):
            await person.until(lambda who=person: len(states(who)) > 2)  # type: ignore[misc]
            assert states(person) == [
                ConnectionState.CONNECTING,
                ConnectionState.ONLINE,
                ConnectionState.ONLINE,
            ]
        await alice.client.send(b, "still here")
        assert (await bob.reads(len(expected) + 1))[-1] == "still here"
