"""A router is drained of its shards while people talk (issue 4, "It must show" 4).

Run by hand: `python -m tests.bench.bench_handover [--connections 5000] [--rate 100]`;
`--picture docs/pictures/handover.svg` draws it.
Three routers on one SQLite file and a gateway, with real links between them, in one process: the
latencies are the worst that two cores give.
"""

import argparse
import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import uvloop
from grpc import aio

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.members_memory import MemoryMembers
from signet.adapters.owners_grpc import OwnerChannels
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core import limits
from signet.core.drain import Order
from signet.core.ids import UserId
from signet.gateway import Gateway, GatewayConfig
from signet.gateway.link_grpc import GrpcRouters
from signet.ports.members import Kind, Member, State
from signet.router.link_server import OPTIONS, LinkServer
from signet.router.peer_server import PeerServer
from signet.router.router import Router
from tests.bench.drain_phones import Phone, Seen, most_in_a_second
from tests.bench.picture import Chart, svg
from tests.support.gateways import SERVER, Keys
from tests.support.known_users import KnownUsers

ROUTERS = ("router-0", "router-1", "router-2")
FIRST = ROUTERS[0]
AT_ONCE = 50  # streams that are opened at the same time before the drain
TALKERS = 50  # pairs, one message a second each way
LOOK_EVERY = 0.02  # seconds between two counts of shards


@dataclass
class Cluster:
    """What one process holds of a cluster."""

    members: MemoryMembers
    routers: dict[str, Router]
    addresses: dict[str, str]
    gateway: Gateway
    keys: Keys

    @property
    def url(self) -> str:
        host, port = self.gateway.websocket_address
        return f"ws://{host}:{port}/v1/connect"

    async def say(self, name: str, state: State) -> None:
        await self.members.put(record(name, self.addresses[name], self.routers[name], state))

    @property
    def at_rest(self) -> bool:
        """Every shard is held, and spread as it is to be."""
        held = [router.load() for router in self.routers.values()]
        most = (1 + limits.BOUNDED_LOAD) * limits.SHARDS / len(held) + 1
        return sum(held) == limits.SHARDS and max(held) <= most


def record(name: str, address: str, router: Router, state: State) -> Member:
    return Member(Kind.ROUTER, name, address, state, 1, router.incarnation)


@asynccontextmanager
async def cluster(folder: Path, users: KnownUsers) -> AsyncIterator[Cluster]:
    members, keys = MemoryMembers(), Keys()
    routers, addresses = dict[str, Router](), dict[str, str]()
    async with AsyncExitStack() as stack:
        for name in ROUTERS:
            store = open_inbox(folder / "inbox.sqlite")
            stack.push_async_callback(store.close)
            peers = OwnerChannels(members)
            stack.push_async_callback(peers.close)
            presence, events = MemoryPresence(boot_clock), MemoryEvents()
            router = Router(store, users, presence, events, name=name, members=members, peers=peers)
            server = aio.server(options=[*OPTIONS])
            LinkServer(router).add_to(server)
            PeerServer(router).add_to(server)
            addresses[name] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            stack.push_async_callback(server.stop, 0)
            await router.start()
            stack.push_async_callback(router.stop)
            routers[name] = router
            await members.put(record(name, addresses[name], router, State.ACTIVE))
        config = GatewayConfig(
            name="gateway-0",
            server_name=SERVER,
            resume_key=b"r" * 32,
            admit_burst=10_000,
            admit_rate=10_000,
        )
        gateway = Gateway(config, GrpcRouters(), keys, members=members)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        yield Cluster(members, routers, addresses, gateway, keys)


async def talk(pairs: Sequence[tuple[Phone, Phone]], until: asyncio.Event) -> None:
    """One message a second each way, spread over the second."""
    while not until.is_set():
        for one, other in pairs:
            one.write(other.user)
            other.write(one.user)
            await asyncio.sleep(1.0 / len(pairs))


async def watch(router: Router, held: list[tuple[float, float]]) -> None:
    while True:
        held.append((monotonic(), float(router.load())))
        await asyncio.sleep(LOOK_EVERY)


async def rest(there: Cluster) -> None:
    async with asyncio.timeout(120):
        while not there.at_rest:
            await asyncio.sleep(0.1)


async def bench(arguments: argparse.Namespace) -> None:
    users = KnownUsers()
    ids = [UserId(os.urandom(16)) for _ in range(arguments.connections)]
    for user in ids:
        users.add(user)
    pairs = list(zip(ids[: 2 * TALKERS : 2], ids[1 : 2 * TALKERS : 2], strict=True))
    users.written |= {p for a, b in pairs for p in ((a, b), (b, a))}
    with tempfile.TemporaryDirectory() as folder:
        async with cluster(Path(folder), users) as there:
            await rest(there)
            await _bench(arguments, there, ids)


async def _bench(arguments: argparse.Namespace, there: Cluster, ids: Sequence[UserId]) -> None:
    seen, stop = Seen(), asyncio.Event()
    phones = [Phone(user, there.keys.token, seen, lambda: there.url) for user in ids]
    for start in range(0, len(phones), AT_ONCE):
        await asyncio.gather(*(p.connect(there.url) for p in phones[start : start + AT_ONCE]))
    gc.collect()
    gc.freeze()
    router, held = there.routers[FIRST], list[tuple[float, float]]()
    pairs = list(zip(phones[: 2 * TALKERS : 2], phones[1 : 2 * TALKERS : 2], strict=True))
    talking = asyncio.create_task(talk(pairs, stop))
    watching = asyncio.create_task(watch(router, held))
    await asyncio.sleep(3.0)
    began, shards = monotonic(), router.load()
    await there.say(FIRST, State.DRAINING)
    await router.drain(Order(began + arguments.within, arguments.rate))
    took = monotonic() - began
    await asyncio.sleep(3.0)
    stop.set()
    await talking
    for _ in range(100):
        if seen.answered <= seen.received:
            break
        await asyncio.sleep(0.1)
    watching.cancel()
    given = [at for (at, now), (_, before) in zip(held[1:], held, strict=False)
             for _ in range(int(before - now))]  # fmt: skip
    _print(arguments, seen, shards, took, given, router.load())
    if arguments.picture:
        _draw(Path(arguments.picture), seen, held, given, began - 3.0, arguments)
    await asyncio.gather(*(phone.close() for phone in phones))


def _print(
    arguments: argparse.Namespace,
    seen: Seen,
    shards: int,
    took: float,
    given: Sequence[float],
    left: int,
) -> None:
    most = most_in_a_second(list(given))
    print(f"{arguments.connections} streams; {shards} shards handed over in {took:.1f} s", end="")
    print(f", at most {most} in a second ({arguments.rate:g} was asked); {left} left")
    late = sorted(value for _, value in seen.shown)
    lost = len(seen.answered - seen.received)
    print(f"closes: {dict(seen.closes)}, refusals: {dict(seen.refusals)}")
    print(f"messages: {len(seen.answered)} SENT, {lost} lost", end="")
    print(f", p50 {late[len(late) // 2] * 1000:.1f} ms, the latest {late[-1] * 1000:.0f} ms")


def _draw(
    path: Path,
    seen: Seen,
    held: Sequence[tuple[float, float]],
    given: Sequence[float],
    began: float,
    arguments: argparse.Namespace,
) -> None:
    seconds = held[-1][0] - began
    counts, most = [0] * (int(seconds) + 1), dict[int, float]()
    for at in given:
        counts[int(at - began)] += 1
    for at, value in seen.shown:
        if at >= began:
            half = int(2 * (at - began))
            most[half] = max(most.get(half, 0.0), value * 1000)
    steps = [(n + part, float(c)) for n, c in enumerate(counts) for part in (0.0, 1.0)]
    charts = [
        Chart("shards at the router that is drained", {"": [(at - began, n) for at, n in held]}),
        Chart("shards handed over in each second", {"": steps}, limit=("asked", arguments.rate)),
        Chart(
            "from send to delivery: the latest in each half second, ms",
            {"": [(half / 2, most[half]) for half in sorted(most)]},
        ),
    ]
    path.write_text(svg(charts, seconds))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=5_000)
    parser.add_argument("--within", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=limits.HANDOVER_RATE)
    parser.add_argument("--picture", default="")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bench(arguments))


if __name__ == "__main__":
    main()
