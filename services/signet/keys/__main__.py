"""`signet keys-service`: accounts, devices and pre-keys, over REST and gRPC."""

import asyncio
import time

import typer

from signet.adapters.owners_grpc import OwnerChannels
from signet.core.drain import Order
from signet.core.limits import KEYS_LAST
from signet.keys.configured import keys_config
from signet.keys.entrance import Entrance
from signet.keys.server import KeysServer
from signet.keys.service import Keys
from signet.pod.command import command_of
from signet.pod.listening import check_free
from signet.pod.pod import Pod, Running
from signet.ports.members import Kind


class KeysPod:
    """pod/service.Service. It holds nothing: requests that are open end by themselves."""

    def __init__(self, server: KeysServer, entrance: Entrance) -> None:
        self._server, self._entrance = server, entrance
        self._until = 0.0

    def not_ready(self) -> str:
        return ""

    def load(self) -> int:
        return 0

    def misplaced(self) -> int:
        return 0

    def rebalance(self) -> None:
        """It holds nothing."""

    def accepts(self) -> float:
        return 0.0

    async def drain(self, order: Order) -> None:
        """Nothing is to be given away; go on answering until those who balance loads know it."""
        self._until = min(order.deadline, time.monotonic() + KEYS_LAST)
        while (left := self._until - time.monotonic()) > 0:  # noqa: ASYNC110 - it may come nearer
            await asyncio.sleep(min(left, 0.1))

    async def undrain(self) -> None:
        """Nothing was given away."""
        self._until = 0.0

    def status(self) -> dict[str, object]:
        return {"announces": self._entrance.announced}

    async def stop(self) -> None:
        await self._entrance.stop()
        await self._server.stop()


async def build(pod: Pod) -> Running:
    """See pod.Build."""
    settings, stores = pod.settings, pod.stores
    for name in ("rest_port", "grpc_port"):
        check_free(settings.host, getattr(settings, name), name)
    owners = OwnerChannels(pod.members, settings.shards, pod.channels)
    pod.stack.push_async_callback(owners.close)
    directory, limits = await stores.directory(), stores.limits()
    keys = Keys(
        directory,
        limits,
        owners.changes,
        stores.events(),
        keys_config(settings),
        blobs=stores.blobs(),
    )
    server = KeysServer(
        keys,
        host=settings.host,
        rest_port=settings.rest_port,
        grpc_port=settings.grpc_port,
        proxies=settings.proxies,
    )
    await server.start()
    entrance = Entrance(keys, pod.members, settings.public_websocket, settings.public_grpc)
    entrance.start()
    return Running(
        service=KeysPod(server, entrance),
        listens={"rest": f"http://{server.rest}", "grpc": f"{server.grpc}"},
        documents={"/v1/jwks": keys.jwks},
    )


keys_service = command_of(Kind.KEYS, build, "One keys service: accounts, devices, pre-keys.")

if __name__ == "__main__":
    typer.run(keys_service)
