"""A gateway is killed, and all its clients come to another at once (issue 4, reconnect storms).

Run by hand: `python -m tests.bench.bench_storm [--clients 10000] [--tls] [--tokens]`. The router,
both gateways and each part of the clients are processes of their own.
"""

import argparse
import asyncio
import os
import socket
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import uvloop

from signet.cli.bench_measure import fsyncs
from signet.core import limits
from tests.bench.drain_phones import most_in_a_second
from tests.bench.storm_crowd import Plan, Saw, run_crowd
from tests.bench.storm_pods import TALKERS, Pod, most_admitted, people, run_gateway, run_router
from tests.bench.storm_watch import Watch, cpu
from tests.support.certificates import Authority
from tests.support.gateways import Keys

CALM = 3.0  # seconds of talk before and after
LONGEST = 120.0  # seconds that the storm may take
OPEN = {"admit_burst": 1e6, "admit_rate": 1e6}  # the gateway that is killed lets all in at once


@dataclass
class Town:
    """Everything that runs."""

    count: int
    router: Pod
    first: Pod
    second: Pod
    crowds: list[Pod]

    async def each(self, what: str) -> list[Any]:
        """What all crowds answer."""
        return list(await asyncio.gather(*(crowd.ask(what) for crowd in self.crowds)))

    async def none(self, what: str, within: float) -> bool:
        """Whether the answers of all come to 0 in this time."""
        until = monotonic() + within
        while sum(await self.each(what)):
            if monotonic() > until:
                return False
            await asyncio.sleep(0.1)
        return True


@dataclass
class Result:
    """Of one storm. `killed` is of the monotonic clock; CPU of gateway and router in seconds."""

    watch: Watch
    killed: float
    reads: int
    admitted: int  # the most in a second
    cpu: list[float]
    away: int
    counts: dict[str, int]
    saw: Saw


async def build(arguments: argparse.Namespace, folder: Path, stack: ExitStack) -> Town:
    """All processes, and all clients at the first gateway."""
    private, count = Keys().private.private_bytes_raw(), arguments.clients
    tls, authority = dict[str, Any](), None
    if arguments.tls:
        signing, authority = Authority(), folder / "authority.pem"
        authority.write_bytes(signing.certificate)
        tls = {"tls_certificate": folder / "chain.pem", "tls_key": folder / "key.pem"}
        signing.sign().write(**dict(zip(("chain", "key"), tls.values(), strict=True)))

    async def pod(run: Any, *given: object) -> Pod:
        started = await Pod.start(run, *given)
        stack.callback(started.kill)
        return started

    router = await pod(run_router, folder, count)
    first = await pod(run_gateway, "gateway-0", router.address, private, OPEN | tls)
    bounds = {"max_handshakes": arguments.handshakes}
    second = await pod(run_gateway, "gateway-1", router.address, private, bounds | tls)
    users, crowds = people(count), list[Pod]()
    part = max(2 * TALKERS, -(-count // arguments.processes))
    for start in range(0, count, part):
        talkers = 0 if start else 2 * TALKERS
        there = (first.address, second.address, authority, arguments.tokens)
        plan = Plan(users[start : start + part], talkers, private, *there)
        crowds.append(await pod(run_crowd, plan))
    return Town(count, router, first, second, crowds)


def strangers(port: int, count: int, stack: ExitStack) -> None:
    """Connections that say nothing, until the gateway has enough of them."""
    for _ in range(count):
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))


async def storm(town: Town, settle: float, silent: int, stack: ExitStack) -> Result:
    """Kill the first gateway; returns when all are at the second and all messages have come."""
    port = int(town.second.address.split(":")[2].split("/")[0])
    await town.crowds[0].ask("talk")
    await asyncio.sleep(settle + CALM)
    reads = await town.router.ask("reads")
    await town.each("go")
    strangers(port, silent, stack)
    pods = (town.second, town.router)
    with Watch(town.second.pid, port) as watch:
        before, killed = [cpu(pod.pid) for pod in pods], monotonic()
        town.first.kill()
        await town.none("away", LONGEST)
        used = [cpu(pod.pid) - was for pod, was in zip(pods, before, strict=True)]
        reads = await town.router.ask("reads") - reads
    away = sum(await town.each("away"))
    await asyncio.sleep(CALM)
    await town.each("hush")
    await town.none("missing", LONGEST / 2)
    admitted = most_admitted(await town.second.ask("loads"))
    counts, saw = await town.second.ask("counts"), Saw()
    for part in await town.each("saw"):
        saw += part
    return Result(watch, killed, reads, admitted, used, away, counts, saw)


def at(values: Sequence[float], part: float) -> float:
    """The value below which this part of them is; they are sorted."""
    return values[min(len(values) - 1, int(len(values) * part))]


def show(town: Town, result: Result) -> None:
    """What is written into docs/draining.md."""
    saw, watch = result.saw, result.watch
    back = sorted(time - result.killed for time in saw.back)
    print(f"back: p50 {at(back, 0.5):.1f} s, p99 {at(back, 0.99):.1f} s, the last {back[-1]:.1f} s")
    print(f"not back after {LONGEST:g} s: {result.away}")
    _show_refusals(saw)
    print(f"closed untold: {saw.failed['closed before the upgrade']}", end="")
    print(f"; tries without an answer: {dict(saw.failed)}", end="")
    print(f"; streams lost again: {saw.lost - town.count}")
    print(f"what the gateway counted before the upgrade: {result.counts}")
    print(f"resumed: {saw.resumed} of {len(back)} Welcomes; directory reads: {result.reads}")
    each = [1000 * used / len(back) for used in result.cpu]
    print(f"CPU a client that is back: {each[0]:.2f} ms gateway, {each[1]:.2f} ms router", end="")
    print(" (refusals and the talk included)")
    seconds = Counter(int(time) for time in back)
    print(f"Welcomes in each second: {[seconds[n] for n in range(int(back[-1]) + 1)]}", end="")
    print(f", at most {most_in_a_second(back)} in any as seen by clients", end="")
    allowed = limits.ADMIT_BURST + limits.ADMIT_RATE
    print(f"; admitted at most {result.admitted} in any, {allowed:g} are allowed")
    print(f"unaccepted: at most {watch.most_unaccepted} of {limits.BACKLOG}")
    print(f"memory of the gateway: {watch.before:.0f} MiB before, {watch.peak:.0f} at the peak")
    late = sorted(saw.late)
    print(
        f"messages: {saw.sent} SENT, {saw.missing} lost, p50 {at(late, 0.5) * 1000:.1f} ms", end=""
    )
    print(f", the latest after {late[-1]:.1f} s; refusals: {dict(saw.refusals)}")
    stalls = ", ".join(f"{stall * 1000:.0f}" for stall in saw.stalls)
    print(f"event loops of the clients stood still for at most {stalls} ms")


def _show_refusals(saw: Saw) -> None:
    told = sorted(wait for waits in saw.told for wait in waits)
    print(f"told when: {len(told)} times, {saw.turned_away} of them before the upgrade", end="")
    if told:
        times = Counter(len(waits) for waits in saw.told)
        print(f"; {len(saw.told)} clients, so often each: {sorted(times.items())}", end="")
        print(f"; {told[0]:.1f} to {told[-1]:.1f} s, half below {at(told, 0.5):.1f}", end="")
    print(f"; closes: {dict(saw.closes)}")


async def bench(arguments: argparse.Namespace) -> None:
    """The whole of it."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, load = Path(name), os.getloadavg()[0]
        synced = sorted(fsyncs(folder))
        town = await build(arguments, folder, stack)
        await town.each("come")
        assert await town.none("away", 1.0 * town.count), "not all came before the storm"
        way = ("TLS" if arguments.tls else "no TLS", "tokens" if arguments.tokens else "resumed")
        print(f"{town.count} clients in {len(town.crowds)} processes; {', '.join(way)}", end="")
        print(f"; {arguments.handshakes} handshakes at once", end="")
        print(f"; fsync {at(synced, 0.5) * 1000:.2f} ms; load {load:.1f}")
        show(town, await storm(town, arguments.settle, arguments.silent, stack))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4, help="of clients")
    parser.add_argument("--settle", type=float, default=limits.USER_TTL, help="seconds before it")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--silent", type=int, default=0, help="strangers that hold handshakes")
    parser.add_argument("--tokens", action="store_true", help="nobody has a resume token")
    parser.add_argument("--handshakes", type=int, default=limits.MAX_HANDSHAKES, help="at once")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bench(arguments))


if __name__ == "__main__":
    main()
