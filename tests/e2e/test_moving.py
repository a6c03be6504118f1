"""A gateway is drained while people talk: they move, and nobody notices (S7, P6)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signet.client import Client, ConnectionChanged, ConnectionState, Environment
from signet.client.client import Transport
from signet.client.transports import grpc_stream, websocket
from signet.client.transports.stream import Stream
from signet.core.drain import Order
from signet.data_folder import DataFolder
from signet.gateway import Gateway
from signet.gateway.configured import gateway_config
from signet.pod.listening import address
from signet.ports.links import Routers
from signet.ports.members import Kind, Member, State
from signet.settings import Settings
from signet.standalone import Standalone
from tests.support.people import Person, running

SECOND = Member(Kind.GATEWAY, "gateway-1", "", State.ACTIVE, 1, b"2", accepts=1_000.0)
MESSAGES = 40  # each way, within the burst of a device's bucket


class NoKeys:
    """Of a gateway that takes resume tokens only: a move that costs a login fails the test."""

    def get(self, kid: str) -> Ed25519PublicKey | None:
        return None


@dataclass
class Cluster:
    """One server with two gateways behind one address, which leads to `gateway`."""

    server: Standalone
    gateways: list[Gateway]
    gateway: Gateway
    transport: Transport
    folder: Path
    dialled: list[int] = field(default_factory=list)

    async def dial(self, _: str) -> Stream:
        self.dialled.append(self.gateways.index(self.gateway))
        if self.transport == "grpc":
            return await grpc_stream.dial(address(self.gateway.grpc_address))
        return await websocket.dial(f"ws://{address(self.gateway.websocket_address)}/v1/connect")

    async def register(self, name: str) -> Client:
        return await Client.register(
            server=self.server.addresses.rest,
            store=self.folder / name,
            user_name=name,
            transport=self.transport,
            environment=Environment(dial=self.dial),
        )


@asynccontextmanager
async def cluster(folder: Path, transport: Transport) -> AsyncIterator[Cluster]:
    links: list[Routers] = []

    def keep(routers: Routers) -> Routers:
        links.append(routers)
        return routers

    ports = dict.fromkeys(("websocket_port", "grpc_port", "rest_port", "admin_port"), 0)
    wanted: dict[str, Any] = {"data": folder / "server", "drain_s": 0.0, **ports}
    settings = Settings(**wanted)
    async with AsyncExitStack() as stack:
        server = Standalone(settings, wrap_routers=keep)
        await server.start()
        stack.push_async_callback(server.stop)
        config = gateway_config(settings, "another", DataFolder(folder / "server").key("resume"))
        second = Gateway(replace(config, name="gateway-1"), links[0], NoKeys())
        await second.start()
        stack.push_async_callback(second.stop)
        assert server.gateway is not None
        server.gateway.hub.neighbours.see([SECOND], 0.0)
        yield Cluster(server, [server.gateway, second], server.gateway, transport, folder)


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
