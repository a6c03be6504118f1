"""The load of `signet bench`, in a process of its own: a plan in, figures out, both JSON lines.

    python -m signet.cli.bench_load < plan.json

It looks at the server's process from outside (CPU time, memory), and at its own beside it.
"""

import asyncio
import dataclasses
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil
import uvloop

from signet.cli.bench_person import Account, Failed, Person
from signet.cli.bench_stream import Dialler, Transport

T = TypeVar("T")

BODY = os.urandom(300)  # about what an encrypted text of one line weighs
SETTLE = 0.5  # seconds in which what was started before a measurement comes to rest
AT_ONCE = 50  # streams that are opened at the same time


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. Seconds are of each phase; `closed` are sends in flight.

    `counter` is below every connection counter that these devices will use (O4). Of a cluster:
    `places` is the address of each account, `others` are the processes besides `server_pid`.
    `steady` leaves out what is measured while nothing happens, and the closed loop.
    """

    transport: Transport
    address: str
    server_pid: int
    accounts: Sequence[Account]
    rates: Sequence[int]
    seconds: float
    closed: int
    counter: int
    places: Sequence[str] = ()
    others: Sequence[int] = ()
    steady: bool = False

    def write(self) -> str:
        people = [
            (one.user.hex(), one.device, one.registration, one.token) for one in self.accounts
        ]
        return json.dumps({**dataclasses.asdict(self), "accounts": people})

    @staticmethod
    def read(text: str) -> "Plan":
        plan = json.loads(text)
        people = [Account(bytes.fromhex(user), *rest) for user, *rest in plan.pop("accounts")]
        return Plan(accounts=people, **plan)


@dataclass(frozen=True, slots=True)
class Figures:
    """One phase under load. Milliseconds; CPU seconds for 1,000 messages; busy share in percent.

    `server_cpu` is of all server processes together, `cpus` of each, in the order of the plan.
    """

    phase: str
    messages: int
    rate: float
    sent_p50: float
    sent_p99: float
    received_p50: float
    received_p99: float
    server_cpu: float
    load_cpu: float
    busy: float
    cpus: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Idle:
    """What a stream costs while nothing happens, and when it comes back."""

    streams: int
    kib: float
    reconnect_cpu_ms: float


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values are; 0 for none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class Load:
    """All people of the bench, in pairs who write to each other."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        places = plan.places or [plan.address] * len(plan.accounts)
        self._diallers = {place: Dialler(plan.transport, place) for place in places}
        self._people = [
            Person(account, self._diallers[place], time.perf_counter, plan.counter)
            for account, place in zip(plan.accounts, places, strict=True)
        ]
        self._servers = [psutil.Process(pid) for pid in (plan.server_pid, *plan.others)]
        self._server = self._servers[0]
        self._own = psutil.Process()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for one, other in zip(self._people[::2], self._people[1::2], strict=True):
            one.peer, other.peer = other, one
        for person in self._people:
            person.on_failure = self._fail

    def _fail(self, failure: Failed) -> None:
        if not self._failed.done():
            self._failed.set_exception(failure)

    async def idle(self) -> Idle:
        """Open all streams, then all again; they stay open."""
        await self._open(self._people[:2])  # what the first stream alone brings into memory
        await asyncio.sleep(SETTLE)
        before = self._server.memory_full_info().uss
        await self._open(self._people[2:])
        await asyncio.sleep(SETTLE)
        streams = len(self._people) - 2
        kib = (self._server.memory_full_info().uss - before) / 1024 / streams
        await asyncio.gather(*(person.close() for person in self._people))
        await asyncio.sleep(SETTLE)
        cpu = _cpu(self._server)
        await self._open(self._people)
        spent = _cpu(self._server) - cpu
        return Idle(streams, kib, spent * 1000 / len(self._people))

    async def _open(self, people: Sequence[Person]) -> None:
        for at in range(0, len(people), AT_ONCE):
            await asyncio.gather(*(person.connect() for person in people[at : at + AT_ONCE]))

    async def steady(self, rate: int) -> Figures:
        """So many a second, whatever the answers do (open loop)."""

        async def send() -> None:
            people, began, sent = itertools.cycle(self._people), time.perf_counter(), 0
            while (now := time.perf_counter() - began) < self._plan.seconds:
                while sent < now * rate:
                    next(people).send(BODY)
                    sent += 1
                await asyncio.sleep(0.002)

        return await self._measured(f"{rate}/s", send)

    async def closed(self) -> Figures:
        """A fixed number in flight: the most that one process takes."""

        async def send() -> None:
            ready = asyncio.Queue[Person]()
            for person in self._people:
                person.on_done = ready.put_nowait
            for person in self._people[: self._plan.closed]:
                person.send(BODY)
            ends = time.perf_counter() + self._plan.seconds
            people = itertools.cycle(self._people)
            while time.perf_counter() < ends:
                await ready.get()
                next(person for person in people if not person.waiting).send(BODY)
            for person in self._people:
                person.on_done = lambda _: None

        return await self._measured("closed", send)

    async def warm_up(self) -> None:
        """Everybody writes once, so that nobody is a stranger."""
        for person in self._people:
            person.send(BODY)
        await self._answered()

    async def _answered(self) -> None:
        """All sends are answered and have arrived."""
        ends = time.perf_counter() + 30
        while any(person.waiting or person.expected for person in self._people):
            if time.perf_counter() > ends:
                raise Failed("some sends were not answered, or did not arrive, within 30 s")
            await asyncio.sleep(0.01)

    async def _measured(self, phase: str, send: Callable[[], Awaitable[None]]) -> Figures:
        for person in self._people:
            person.sent_after, person.received_after = [], []
        psutil.cpu_percent()
        before = [_cpu(one) for one in (*self._servers, self._own)]
        began = time.perf_counter()
        await send()
        lasted, busy = time.perf_counter() - began, psutil.cpu_percent()
        await self._answered()
        after = [_cpu(one) for one in (*self._servers, self._own)]
        *servers, own = [now - then for now, then in zip(after, before, strict=True)]
        sent = sorted(itertools.chain(*(p.sent_after for p in self._people)))
        received = sorted(itertools.chain(*(p.received_after for p in self._people)))
        return Figures(
            phase=phase,
            messages=len(sent),
            rate=len(sent) / lasted,
            sent_p50=percentile(sent, 0.5) * 1000,
            sent_p99=percentile(sent, 0.99) * 1000,
            received_p50=percentile(received, 0.5) * 1000,
            received_p99=percentile(received, 0.99) * 1000,
            server_cpu=sum(servers) * 1000 / len(sent),
            load_cpu=own * 1000 / len(sent),
            busy=busy,
            cpus=[one * 1000 / len(sent) for one in servers],
        )

    async def run(self) -> AsyncIterator[Idle | Figures]:
        """All phases, each as soon as it is measured.

        Raises:
            Failed: a stream was closed or a send refused.
        """
        if self._plan.steady:
            await self._or_failed(self._open(self._people))
        else:
            yield await self._or_failed(self.idle())
        await self._or_failed(self.warm_up())
        for rate in self._plan.rates:
            yield await self._or_failed(self.steady(rate))
        if not self._plan.steady:
            yield await self._or_failed(self.closed())
        for person in self._people:
            person.on_failure = lambda _: None
        await asyncio.gather(*(person.close() for person in self._people))
        await asyncio.gather(*(dialler.close() for dialler in self._diallers.values()))

    async def _or_failed(self, work: Coroutine[None, None, T]) -> T:
        task = asyncio.ensure_future(work)
        waiting: set[asyncio.Future[Any]] = {task, self._failed}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            task.cancel()
            self._failed.result()
        return await task


def _cpu(process: psutil.Process) -> float:
    """Seconds of CPU that the process has used, in the kernel too."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(plan: Plan) -> None:
    async for figures in Load(plan).run():
        kind = type(figures).__name__.lower()
        print(json.dumps({"kind": kind, **dataclasses.asdict(figures)}), flush=True)


def main() -> None:
    more_files()
    plan = Plan.read(sys.stdin.read())
    try:
        uvloop.run(measure(plan))
    except (Failed, OSError) as error:
        print(json.dumps({"kind": "failed", "why": str(error)}), flush=True)
        raise SystemExit(1) from None


def more_files() -> None:
    """As many open files as the system allows: a stream is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
