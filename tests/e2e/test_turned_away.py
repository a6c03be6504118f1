"""A gateway has no room for a moment: clients are told when to come, and come (T2, S8, P6)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from signet.client import ConnectionChanged, ConnectionState
from signet.client.client import Transport
from signet.core.errors import Code
from signet.core.session import Input
from signet.pod.listening import address
from tests.support.people import Person, running
from tests.support.streams import GrpcStream
from tests.support.two_gateways import Cluster, cluster


@asynccontextmanager
async def stranger(here: Cluster) -> AsyncIterator[None]:
    """Holds the only handshake of the second gateway, and says nothing."""
    gateway = here.gateways[1]
    if here.transport == "grpc":
        async with GrpcStream(address(gateway.grpc_address)):
            while not gateway.load():
                await asyncio.sleep(0.01)
            yield
        return
    _, writer = await asyncio.open_connection(*gateway.websocket_address)
    try:
        yield
    finally:
        writer.close()


def refusals(person: Person) -> list[ConnectionChanged]:
    told = [event for event in person.told if isinstance(event, ConnectionChanged)]
    return [event for event in told if event.code is Code.OVERLOADED]


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_who_finds_no_room_is_told_when_to_come_and_is_back_then(
    transport: Transport, tmp_path: Path
) -> None:
    async with (
        cluster(tmp_path, transport, max_handshakes=1, hello_timeout=30.0) as here,
        running(await here.register("alice")) as alice,
        running(await here.register("bob")) as bob,
    ):
        here.gateway = here.gateways[1]
        async with asyncio.timeout(60):
            async with stranger(here):
                for session in list(here.gateways[0].hub.sessions.values()):
                    session.happens(Input.SILENT)
                for person in (alice, bob):
                    await person.until(lambda who=person: bool(refusals(who)))  # type: ignore[misc]
            for person in (alice, bob):
                assert refusals(person)[0].state is ConnectionState.WAITING
                assert refusals(person)[0].retry_in_s >= 1.0
                await person.client.wait_online()
            await alice.client.send(bob.client.user_id, "back")
            assert await bob.reads(1) == ["back"]
