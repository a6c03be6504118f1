"""One server with a second gateway beside its own, on the same router: for clients that move."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signet.client import Client, Environment
from signet.client.client import Transport
from signet.client.transports import grpc_stream, websocket
from signet.client.transports.stream import Stream
from signet.data_folder import DataFolder
from signet.gateway import Gateway
from signet.gateway.configured import gateway_config
from signet.pod.listening import address
from signet.ports.links import Routers
from signet.ports.members import Kind, Member, State
from signet.settings import Settings
from signet.standalone import Standalone

SECOND = Member(Kind.GATEWAY, "gateway-1", "", State.ACTIVE, 1, b"2", accepts=1_000.0)


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

    def public(self, number: int) -> str:
        """What a gateway's record says of where clients may be sent."""
        at = self.gateways[number]
        return f"ws://{address(at.websocket_address)}/v1/connect {address(at.grpc_address)}"

    async def register(self, name: str, environment: Environment | None = None) -> Client:
        """A new account; without an environment it dials `gateway`, whatever the address."""
        return await Client.register(
            server=self.server.addresses.rest,
            store=self.folder / name,
            user_name=name,
            transport=self.transport,
            environment=environment or Environment(dial=self.dial),
        )


@asynccontextmanager
async def cluster(
    folder: Path, transport: Transport, **of_the_second: Any
) -> AsyncIterator[Cluster]:
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
        config = replace(config, **({"name": "gateway-1"} | of_the_second))
        second = Gateway(config, links[0], NoKeys())
        await second.start()
        stack.push_async_callback(second.stop)
        assert server.gateway is not None
        server.gateway.hub.neighbours.see([SECOND], 0.0)
        yield Cluster(server, [server.gateway, second], server.gateway, transport, folder)
