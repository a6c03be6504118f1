"""People talk, every second something breaks, all is healed, the ledger is read."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.chaos import faults
from tests.faults.chaos.crowd import Crowd
from tests.faults.chaos.faults import Fault, Kind, Part, Way
from tests.faults.chaos.ledger import Broken, Ledger, Offence, percentile
from tests.faults.chaos.system import System

DYING = {Kind.PEOPLE: Way(0.5, 0.0, 3.0, 8.0)}
SLOWEST = 5  # messages whose waiting is told
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How many people in how many processes; messages and restarts a second of all of them."""

    people: int
    processes: int
    rate: float
    restarts: float
    patience: float  # seconds in which everybody has to catch up at the end


class Chaos:
    """One run. `play` it; then read `ledger`."""

    def __init__(
        self, system: System, size: Size, *, seed: int, seconds: float, folder: Path, say: Say
    ) -> None:
        self.ledger = Ledger()
        self._system, self._size, self._say = system, size, say
        self._seed, self._seconds, self._folder = seed, seconds, folder
        self._crowd: Crowd
        self._whole: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._began = 0.0

    async def play(self) -> int:
        """The exit status: 0 when the zeros are zero and everybody has caught up."""
        await self._system.start()
        self._crowd = Crowd(
            people=self._size.people,
            processes=self._size.processes,
            rate=self._size.rate,
            restarts=self._size.restarts,
            seed=self._seed,
            folder=self._folder / "people",
            server=self._system.server,
            ledger=self.ledger,
        )
        (self._folder / "people").mkdir()
        playing = asyncio.create_task(self._play())
        try:
            waiting: set[asyncio.Future[Any]] = {playing, self._crowd.failed}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._crowd.failed.done():
                self._crowd.failed.result()
            whole = await playing
        finally:
            playing.cancel()
            await self._crowd.kill()
            await self._system.stop()
        return self._report(whole)

    async def _play(self) -> bool:
        began = time.monotonic()
        await self._crowd.enter()
        await self._crowd.greet()
        await self._crowd.caught_up(self._size.patience)
        self._say(f"{self._size.people} people met in {time.monotonic() - began:.1f} s")
        dying = self._crowd.groups[-1]
        plan = faults.plan(
            [*self._system.parts, Part(dying.name, DYING)], self._seed, self._seconds
        )
        for fault in plan:
            self._say(str(fault))
        self._crowd.talk()
        self._began = time.monotonic()
        self._say(f"it begins: {datetime.now(UTC):%H:%M:%S.%f} UTC")
        async with asyncio.TaskGroup() as group:
            for fault in plan:
                group.create_task(self._break(fault))
            group.create_task(asyncio.sleep(self._seconds))
        return await self._catch_up()

    async def _break(self, fault: Fault) -> None:
        """At its time, or as soon as the part is whole again after what it suffered before."""
        await asyncio.sleep(self._began + fault.at - time.monotonic())
        async with self._whole[fault.part]:
            began = time.monotonic()
            if fault.kind is Kind.PEOPLE:
                ended = await self._crowd.die_and_come_back(self._crowd.groups[-1], fault.lasts)
            else:
                ended = await self._system.suffer(fault)
            what = f"{fault.kind.value} {fault.part}"
            self.ledger.faults.append(Broken(what, fault.kind.value, began, ended))

    async def _catch_up(self) -> bool:
        """Everything is healed: what was written must arrive, and nothing behind a farewell."""
        patience, began = self._size.patience, time.monotonic()
        await self._crowd.quiet()
        self._say(f"all are there and write no more: {len(self.ledger.missing())} on their way")
        whole = await self._crowd.caught_up(patience)
        missing = len(self.ledger.missing())
        self._say(f"{missing} missing after {time.monotonic() - began:.1f} s of peace")
        if whole:
            await self._crowd.farewell()
            whole = await self._crowd.caught_up(patience)
            await self._crowd.leave()
        return whole

    # --- the report ---------------------------------------------------------------------------

    def _report(self, whole: bool) -> int:
        now, crowd = time.monotonic(), self._crowd
        for note in self._system.notes():
            self._say(note)
        self._recoveries()
        delays = self.ledger.delays()
        self._say(
            f"shown after SENT: p50 {percentile(delays, 0.5):.3f} s, p99"
            f" {percentile(delays, 0.99):.1f} s, longest {max(delays, default=0.0):.1f} s"
        )
        for message in self.ledger.slowest(SLOWEST):
            wrote, sent = (m[message] - self._began for m in (self.ledger.wrote, self.ledger.sent))
            self._say(f"slow: {message}, {wrote:.1f} to {sent:.1f} s")
        for what, times in crowd.troubles.most_common(10):
            self._say(f"calls that failed and were tried again: {times} x {what}")
        for person, what, at in crowd.unexpected:
            self._say(f"UNEXPECTED at {at - self._began:.3f} s, person {person}: {what}")
        for offence in self.ledger.offences(now):
            self._say(f"{offence.wrong.value.upper()}: {offence.message}, {self._times(offence)}")
            for fault in self.ledger.around(offence):
                self._say(f"    while: {self._fault(fault)}")
        for message in self.ledger.missing():
            what = "SENT and not shown" if message in self.ledger.sent else "not SENT"
            at = self.ledger.wrote.get(message, now) - self._began
            self._say(f"MISSING: {message}, written at {at:.3f} s: {what}")
        count = self.ledger.count(now)
        self._say(str(count))
        return 0 if whole and count.good and not crowd.unexpected else 1

    def _times(self, offence: Offence) -> str:
        since, until = offence.since - self._began, offence.until - self._began
        return f"between {since:.3f} and {until:.3f} s"

    def _fault(self, fault: Broken) -> str:
        return f"{fault.what}, {fault.began - self._began:.3f} to {fault.ended - self._began:.3f} s"

    def _recoveries(self) -> None:
        by_kind: dict[str, list[float]] = defaultdict(list)
        for recovery in self.ledger.recoveries():
            by_kind[recovery.fault.what].append(recovery.seconds)
        self._say("recovery: seconds from a fault's end to the slowest SENT of those affected")
        for what, seconds in sorted(by_kind.items()):
            median, most = percentile(seconds, 0.5), max(seconds)
            self._say(
                f"  {what:<34} {len(seconds):3} times, median {median:5.1f}, most {most:5.1f}"
            )
