"""A gateway with thousands of streams is drained while people talk (issue 4, "It must show" 4).

Run by hand: `python -m tests.bench.bench_drain [--connections 5000] [--within 30] [--rate 0]`;
`--picture docs/pictures/drain.svg` draws it.
Everything is in one process, so the latencies are the worst that two cores give.
"""

import argparse
import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from time import monotonic

import uvloop

from signet.adapters.members_memory import MemoryMembers
from signet.core.drain import Order
from signet.core.ids import UserId
from signet.core.ring import Ring
from signet.gateway import Gateway
from signet.ports.members import Kind, Member, State
from tests.bench.drain_phones import Phone, Seen, most_in_a_second
from tests.bench.picture import Chart, svg
from tests.support.gateways import World, make_gateway, router_record, world

AT_ONCE = 50  # streams that are opened at the same time before the drain
TALKERS = 50  # pairs, one message a second each way


@dataclass
class Gateways:
    """The gateways of a cluster, each with its record kept on the list."""

    members: MemoryMembers
    running: dict[str, Gateway]
    draining: str = ""

    def url(self, name: str) -> str:
        host, port = self.running[name].websocket_address
        return f"ws://{host}:{port}/v1/connect"

    def record(self, name: str) -> Member:
        gateway, state = self.running[name], State.ACTIVE
        if name == self.draining:
            state = State.DRAINING
        load, accepts = gateway.load(), gateway.accepts()
        made = Member(Kind.GATEWAY, name, "", state, 1, name.encode(), load=load, accepts=accepts)
        return replace(made, public=self.url(name))

    async def keep(self) -> None:
        """What pods do: say each second what they carry."""
        while True:
            for name in self.running:
                await self.members.put(self.record(name))
            await asyncio.sleep(1.0)


@asynccontextmanager
async def gateways(here: World, number: int) -> AsyncIterator[Gateways]:
    made = Gateways(MemoryMembers(), {})
    await made.members.put(router_record("router-0", "in this process"))
    for n in range(number):
        name = f"gateway-{n}"
        gateway = make_gateway(here.router, here.keys, name=name, members=made.members)
        await gateway.start()
        made.running[name] = gateway
    keeping = asyncio.create_task(made.keep())
    while any(gateway.not_ready() for gateway in made.running.values()):
        await asyncio.sleep(0.01)
    try:
        yield made
    finally:
        keeping.cancel()
        await asyncio.gather(*(gateway.stop() for gateway in made.running.values()))
        await made.members.close()


def users_of(gateway: str, count: int, names: Iterable[str]) -> list[UserId]:
    """Some who belong at a gateway by the ring."""
    ring, found = Ring(names), list[UserId]()
    while len(found) < count:
        user = UserId(os.urandom(16))
        if ring.at(user) == gateway:
            found.append(user)
    return found


def full_collection() -> float:
    """Milliseconds for which it stops the world."""
    began = monotonic()
    gc.collect()
    return (monotonic() - began) * 1000


async def talk(pairs: Sequence[tuple[Phone, Phone]], until: asyncio.Event) -> None:
    """One message a second each way, spread over the second."""
    while not until.is_set():
        for one, other in pairs:
            one.write(other.user)
            other.write(one.user)
            await asyncio.sleep(1.0 / len(pairs))


async def samples(gateway: Gateway, into: list[tuple[float, float]]) -> None:
    while True:
        into.append((monotonic(), float(gateway.load())))
        await asyncio.sleep(0.2)


async def stalls(into: list[float]) -> None:
    """How long the loop stood still, by this machine and by ourselves: what latencies include."""
    while True:
        began = monotonic()
        await asyncio.sleep(0.01)
        into.append(monotonic() - began - 0.01)


async def drain(arguments: argparse.Namespace) -> None:
    """The whole of it."""
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as here, gateways(here, arguments.gateways) as there:
            users = users_of("gateway-0", arguments.connections, there.running)
            for user in users:
                here.users.add(user)
            talkers = users[: 2 * TALKERS]
            pairs = list(zip(talkers[::2], talkers[1::2], strict=True))
            here.users.written |= {p for a, b in pairs for p in ((a, b), (b, a))}
            await _drain(arguments, here, there, users)


async def _drain(
    arguments: argparse.Namespace, here: World, there: Gateways, users: Sequence[UserId]
) -> None:
    seen, first = Seen(), "gateway-0"
    others = [there.url(name) for name in there.running if name != first]
    turns = count()
    phones = [
        Phone(user, here.keys.token, seen, lambda: others[next(turns) % len(others)])
        for user in users
    ]
    for start in range(0, len(phones), AT_ONCE):
        await asyncio.gather(
            *(p.connect(there.url(first)) for p in phones[start : start + AT_ONCE])
        )
    print(f"{there.running[first].load()} streams at {first}, {len(others)} other gateways")
    gc.unfreeze()  # the gateways have done it already
    pause = full_collection()
    gc.freeze()
    print(f"a full collection: {pause:.0f} ms; after gc.freeze {full_collection():.0f} ms")
    seen.welcomes.clear()
    stop, left = asyncio.Event(), list[tuple[float, float]]()
    talking = asyncio.create_task(
        talk(list(zip(phones[:100:2], phones[1:100:2], strict=True)), stop)
    )
    stood = list[float]()
    standing = asyncio.create_task(stalls(stood))
    sampling = asyncio.create_task(samples(there.running[first], left))
    await asyncio.sleep(3.0)
    began = monotonic()
    accepts = {name: there.running[name].accepts() for name in there.running if name != first}
    there.draining = first
    await there.members.put(there.record(first))
    await there.running[first].drain(Order(began + arguments.within, arguments.rate))
    took = monotonic() - began
    await asyncio.sleep(3.0)
    stop.set()
    await talking
    for _ in range(100):
        if seen.answered <= seen.received:
            break
        await asyncio.sleep(0.1)
    sampling.cancel()
    standing.cancel()
    print(f"the event loop of all stood still for {max(stood) * 1000:.0f} ms at most")
    _print(arguments, there, seen, accepts, took)
    if arguments.picture:
        _draw(Path(arguments.picture), there, seen, left, began - 3.0, accepts, arguments)
    await asyncio.gather(*(phone.close() for phone in phones))


def _print(
    arguments: argparse.Namespace,
    there: Gateways,
    seen: Seen,
    accepts: dict[str, float],
    took: float,
) -> None:
    print(
        f"drained in {took:.1f} s of {arguments.within:g} s; closes: {dict(seen.closes)},"
        f" refusals: {dict(seen.refusals)}"
    )
    asked = most_in_a_second([at for at, _ in seen.asks])
    print(f"asked to move: {len(seen.asks)}, at most {asked} in a second")
    for name, most in accepts.items():
        came = seen.welcomes[there.url(name)]
        in_a_second = most_in_a_second(came)
        limit = arguments.rate or most
        print(f"  {name}: {len(came)} came, at most {in_a_second} in a second; {limit:g} was asked")
    latest = max((late for _, late in seen.shown), default=0.0) * 1000
    median = sorted(late for _, late in seen.shown)[len(seen.shown) // 2] * 1000
    lost = len(seen.answered - seen.received)
    print(f"messages: {len(seen.answered)} SENT, {lost} lost, p50 {median:.1f} ms", end="")
    print(f", the latest {latest:.0f} ms; {seen.resumed} streams resumed")


def _per_second(times: Sequence[float], began: float, seconds: float) -> list[tuple[float, float]]:
    counts = [0] * (int(seconds) + 1)
    for time in times:
        if 0 <= time - began < len(counts):
            counts[int(time - began)] += 1
    return [(n + part, float(c)) for n, c in enumerate(counts) for part in (0.0, 1.0)]


def _latest(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    most = dict[int, float]()
    for at, value in points:
        most[int(2 * at)] = max(most.get(int(2 * at), 0.0), value)
    return [(half / 2, most[half]) for half in sorted(most)]


def _draw(
    path: Path,
    there: Gateways,
    seen: Seen,
    left: list[tuple[float, float]],
    began: float,
    accepts: dict[str, float],
    arguments: argparse.Namespace,
) -> None:
    seconds = max(at for at, _ in left) - began
    came = {n: _per_second(seen.welcomes[there.url(n)], began, seconds) for n in accepts}
    late = _latest([(at - began, value * 1000) for at, value in seen.shown if at >= began])
    limit = ("what each of them accepts", min(accepts.values()))
    if arguments.rate:
        limit = ("what was asked, for all together", arguments.rate)
    streams = [(at - began, value) for at, value in left if at >= began]
    charts = [
        Chart("streams at the gateway that is drained", {"": streams}),
        Chart("reconnects in each second", came, limit=limit),
        Chart("from send to delivery: the latest in each half second, ms", {"": late}),
    ]
    path.write_text(svg(charts, seconds))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=5_000)
    parser.add_argument("--gateways", type=int, default=3)
    parser.add_argument("--within", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--picture", default="")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(drain(arguments))


if __name__ == "__main__":
    main()
