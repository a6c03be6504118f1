"""Pods of bench_storm, each in a process of its own: a router, and gateways before it.

Talked to by a pipe: the first that comes is the address, or the process ends with a traceback.
"""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from time import monotonic
from typing import Any, Self

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc import aio
from prometheus_client import REGISTRY

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core import limits
from signet.core.ids import ID_BYTES, UserId
from signet.gateway import Gateway, GatewayConfig
from signet.gateway.link_grpc import GrpcRouters
from signet.router.link_server import OPTIONS, LinkServer
from signet.router.router import Router
from tests.support.gateways import SERVER, Keys
from tests.support.known_users import KnownUsers

TALKERS = 50  # pairs
_LOOK_EVERY = 0.01  # seconds
_START = 60.0  # seconds in which a pod has to say its address
_SPAWN = multiprocessing.get_context("spawn")


def people(count: int) -> list[UserId]:
    """The same in each process, spread over all shards."""
    return [UserId(blake2b(n.to_bytes(8), digest_size=ID_BYTES).digest()) for n in range(count)]


@dataclass
class Pod:
    """A process that can be asked and killed. Ends with its parent."""

    process: SpawnProcess
    pipe: "Connection[Any, Any]"
    address: str = ""

    @classmethod
    async def start(cls, run: Callable[..., None], *arguments: object) -> Self:
        """Returns when it listens. Raises EOFError or TimeoutError."""
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=run, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()
        pod = cls(process, ours)
        pod.address = await pod.hear()
        return pod

    @property
    def pid(self) -> int:
        assert self.process.pid
        return self.process.pid

    async def ask(self, what: str) -> Any:
        self.pipe.send(what)
        return await self.hear()

    async def hear(self) -> Any:
        if not await asyncio.to_thread(self.pipe.poll, _START):
            raise TimeoutError("a pod does not answer")
        return self.pipe.recv()

    def kill(self) -> None:
        """With signal 9."""
        self.process.kill()
        self.process.join()


async def serve(pipe: "Connection[Any, Any]", answers: dict[str, Callable[[], Any]]) -> None:
    """Answer until the parent is gone."""
    while True:
        try:
            asked = await asyncio.to_thread(pipe.recv)
        except (EOFError, OSError):
            return
        pipe.send(answers[asked]())


def run(work: Awaitable[None]) -> None:
    """The whole of a process."""

    async def inside() -> None:
        await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inside())


def run_router(pipe: "Connection[Any, Any]", folder: Path, count: int) -> None:
    """Answers "reads": how many it has asked the directory for of those who do not talk."""
    run(_router(pipe, folder, count))


async def _router(pipe: "Connection[Any, Any]", folder: Path, count: int) -> None:
    users, ids = KnownUsers(), people(count)
    for user in ids:
        users.add(user)
    for a, b in zip(ids[: 2 * TALKERS : 2], ids[1 : 2 * TALKERS : 2], strict=True):
        users.written |= {(a, b), (b, a)}
    store = open_inbox(folder / "inbox.sqlite", limits.SHARDS)
    router = Router(store, users, MemoryPresence(boot_clock), MemoryEvents(), alone=True)
    server = aio.server(options=[*OPTIONS])
    LinkServer(router).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await router.start()
    pipe.send(f"127.0.0.1:{port}")
    await serve(pipe, {"reads": lambda: sum(users.reads[user] for user in ids[2 * TALKERS :])})


def run_gateway(
    pipe: "Connection[Any, Any]", name: str, router: str, private: bytes, config: dict[str, Any]
) -> None:
    """Answers "load": its open streams; "loads": how many there were at which time, from 0 on;
    "counts": what its metrics say of those who found no room.
    """
    run(_gateway(pipe, name, router, private, config))


async def _gateway(
    pipe: "Connection[Any, Any]", name: str, router: str, private: bytes, config: dict[str, Any]
) -> None:
    keys = Keys(Ed25519PrivateKey.from_private_bytes(private))
    made = GatewayConfig(
        name=name, server_name=SERVER, resume_key=b"r" * 32, routers=(router,), **config
    )
    gateway = Gateway(made, GrpcRouters(), keys)
    await gateway.start()
    while gateway.not_ready():
        await asyncio.sleep(0.01)
    host, port = gateway.websocket_address
    pipe.send(f"{'wss' if made.tls_certificate else 'ws'}://{host}:{port}/v1/connect")
    loads = list[tuple[float, int]]()
    sampling = asyncio.create_task(_sample(gateway, loads))
    await serve(pipe, {"load": gateway.load, "loads": lambda: loads, "counts": _counts})
    sampling.cancel()


def _counts() -> dict[str, int]:
    """By what it is: of connections, and of packets that the kernel dropped."""
    name = "signet_gateway_turned_away_total"
    told = {told: REGISTRY.get_sample_value(name, {"told": told}) for told in ("yes", "no")}
    left, drops = (
        REGISTRY.get_sample_value(f"signet_gateway_accept_{what}_total")
        for what in ("left", "drops")
    )
    found = {"told": told["yes"], "not told": told["no"], "had left": left, "dropped": drops}
    return {what: int(count or 0) for what, count in found.items()}


async def _sample(gateway: Gateway, into: list[tuple[float, int]]) -> None:
    while True:
        into.append((monotonic(), gateway.load()))
        await asyncio.sleep(_LOOK_EVERY)


def most_admitted(loads: Sequence[tuple[float, int]]) -> int:
    """In any second, of streams that all stay. The clock is the same in all processes."""
    most, first = 0, 0
    for at, load in loads:
        while loads[first][0] < at - 1.0:
            first += 1
        most = max(most, load - loads[first][1])
    return most
