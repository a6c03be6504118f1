"""A gateway is killed, and all its clients come to another at once (issue 4, reconnect storms).

Run by hand: `python -m tests.bench.bench_storm [--clients 10000]`. The router and both gateways
are processes of their own, all clients are in this one: their times include its event loop's.
"""

import argparse
import asyncio
import gc
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import uvloop

from signet.cli.bench_measure import fsyncs
from signet.core import limits
from tests.bench.drain_phones import most_in_a_second
from tests.bench.storm_phones import Storm, StormPhone
from tests.bench.storm_pods import TALKERS, Pod, most_admitted, people, run_gateway, run_router
from tests.bench.storm_watch import Watch, overflows
from tests.support.gateways import Keys

AT_ONCE = 50  # streams that are opened at the same time before the storm
CALM = 3.0  # seconds of talk before and after
LONGEST = 60.0  # seconds that the storm may take
OPEN = {"admit_burst": 1e6, "admit_rate": 1e6}  # the gateway that is killed lets all in at once


@dataclass
class Town:
    """Everything that runs, and where the clients are told to go."""

    router: Pod
    first: Pod
    second: Pod
    phones: list[StormPhone]
    seen: Storm
    entry: list[str]
    stalls: list[float] = field(default_factory=list)


@dataclass
class Result:
    """Of one storm. `killed` is of the monotonic clock."""

    watch: Watch
    killed: float
    reads: int
    overflowed: int
    admitted: int  # the most in a second


async def build(count: int, folder: Path) -> Town:
    """All processes, and all clients at the first gateway."""
    keys, seen = Keys(), Storm()
    private = keys.private.private_bytes_raw()
    router = await Pod.start(run_router, folder, count)
    first = await Pod.start(run_gateway, "gateway-0", router.address, private, OPEN)
    second = await Pod.start(run_gateway, "gateway-1", router.address, private, {})
    entry = [first.address]
    phones = [StormPhone(user, keys.token, seen, lambda: entry[0]) for user in people(count)]
    for start in range(0, count, AT_ONCE):
        some = phones[start : start + AT_ONCE]
        await asyncio.gather(*(phone.come() for phone in some))
        await asyncio.gather(*(phone.welcome.wait() for phone in some))
    return Town(router, first, second, phones, seen, entry)


async def talk(phones: Sequence[StormPhone], until: asyncio.Event) -> None:
    """One message a second from each to its partner, also while they have no stream."""
    pairs = list(zip(phones[::2], phones[1::2], strict=True))
    while not until.is_set():
        for one, other in pairs:
            one.write(other.user)
            other.write(one.user)
            await asyncio.sleep(1.0 / len(pairs))


async def stand_still(into: list[float]) -> None:
    """How long this event loop did, which is in all times that are measured here."""
    while True:
        began = monotonic()
        await asyncio.sleep(0.01)
        into.append(monotonic() - began - 0.01)


async def storm(town: Town, settle: float) -> Result:
    """Kill the first gateway; returns when all are at the second and all messages have come."""
    stop, port = asyncio.Event(), int(town.second.address.split(":")[2].split("/")[0])
    talking = asyncio.create_task(talk(town.phones[: 2 * TALKERS], stop))
    await asyncio.sleep(settle + CALM)
    stalling = asyncio.create_task(stand_still(town.stalls))
    reads, overflowed, town.seen.resumed = await town.router.ask("reads"), overflows(), 0
    with Watch(town.second.pid, port) as watch:
        town.entry[0], killed = town.second.address, monotonic()
        town.first.kill()
        await all_back(town)
        reads = await town.router.ask("reads") - reads
    await asyncio.sleep(CALM)
    stop.set()
    await talking
    stalling.cancel()
    await all_answered(town)
    admitted = most_admitted(await town.second.ask("loads"))
    return Result(watch, killed, reads, overflows() - overflowed, admitted)


def away(town: Town) -> list[StormPhone]:
    """Who has no stream of the second gateway."""
    at = town.second.address
    return [phone for phone in town.phones if phone.url != at or not phone.welcome.is_set()]


async def all_back(town: Town) -> None:
    """Everybody is at the second gateway, or the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST):
            while away(town):
                await asyncio.sleep(0.05)


async def all_answered(town: Town) -> None:
    """What was said SENT has come, or will not."""
    for _ in range(300):
        if town.seen.answered <= town.seen.received:
            return
        await asyncio.sleep(0.1)


def show(town: Town, result: Result, synced: Sequence[float], load: float) -> None:
    """What is written into docs/draining.md."""
    seen, watch = town.seen, result.watch
    back = sorted(at - result.killed for at in seen.welcomes[town.second.address])
    middle = sorted(synced)[len(synced) // 2] * 1000
    print(f"{len(town.phones)} clients; fsync {middle:.2f} ms; load {load:.1f}", end="")
    print(f"; the clients' event loop stood still for {max(town.stalls) * 1000:.0f} ms at most")
    if missing := away(town):
        print(f"{len(missing)} did not come back in {LONGEST:g} s")
    print(
        f"the last was back after {back[-1]:.1f} s, half after {back[len(back) // 2]:.1f} s", end=""
    )
    print(f"; {seen.resumed} of {len(back)} Welcomes resumed; {result.reads} directory reads")
    seconds = Counter(int(at) for at in back)
    print(f"Welcomes in each second: {[seconds[n] for n in range(int(back[-1]) + 1)]}", end="")
    print(f", at most {most_in_a_second(back)} in any as seen by clients", end="")
    allowed = limits.ADMIT_BURST + limits.ADMIT_RATE
    print(f"; admitted at most {result.admitted} in any, {allowed:g} are allowed")
    print(f"closes: {dict(seen.closes)}; tries without an answer: {dict(seen.failed)}")
    _show_refusals(seen)
    print(f"unaccepted: at most {watch.most_unaccepted} of {limits.BACKLOG}", end="")
    print(f", {result.overflowed} packets were dropped for it")
    print(f"memory of the gateway: {watch.before:.0f} MiB before, {watch.peak:.0f} at the peak")
    late, lost = sorted(took for _, took in seen.shown), len(seen.answered - seen.received)
    median = late[len(late) // 2] * 1000
    print(f"messages: {len(seen.answered)} SENT, {lost} lost, p50 {median:.1f} ms", end="")
    print(f", the latest after {late[-1]:.1f} s; refusals: {dict(seen.refusals)}")


def _show_refusals(seen: Storm) -> None:
    told = sorted(wait for waits in seen.told.values() for wait in waits)
    if told:
        times = Counter(len(waits) for waits in seen.told.values())
        print(f"refused: {len(seen.told)} clients, so often each: {sorted(times.items())}", end="")
        print(f"; told {told[0]:.1f} to {told[-1]:.1f} s, half below {told[len(told) // 2]:.1f}")


async def bench(clients: int, settle: float) -> None:
    """The whole of it."""
    with tempfile.TemporaryDirectory() as name:
        folder, load = Path(name), os.getloadavg()[0]
        synced = fsyncs(folder)
        town = await build(clients, folder)
        print(f"{await town.first.ask('load')} streams at the gateway that is killed")
        gc.collect()
        gc.freeze()
        result = await storm(town, settle)
        show(town, result, synced, load)
        await asyncio.gather(*(phone.close() for phone in town.phones))
        town.second.kill()
        town.router.kill()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--settle", type=float, default=limits.USER_TTL, help="seconds before it")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bench(arguments.clients, arguments.settle))


if __name__ == "__main__":
    main()
