"""All people, in some processes; what they tell goes into the ledger."""

import asyncio
import contextlib
import json
import random
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.chaos.ledger import Ledger, Message
from tests.faults.chaos.people import Plan

FRIENDS = 4  # with whom each person talks, at least
LINE = 2**24  # bytes of the longest order or record


def friendships(people: int, chance: random.Random) -> dict[int, list[int]]:
    """Random pairs; each person has some, and both sides of a pair write."""
    friends: dict[int, set[int]] = {index: set() for index in range(people)}
    for index in range(people):
        others = [other for other in range(people) if other != index]
        for other in chance.sample(others, min(len(others), FRIENDS // 2)):
            friends[index].add(other)
            friends[other].add(index)
    return {index: sorted(of) for index, of in friends.items()}


class Group:
    """The people of one process. Killed and started again, they go on from their disks."""

    def __init__(self, name: str, plan: Plan, crowd: "Crowd") -> None:
        self.name, self._plan, self._crowd = name, plan, crowd
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Everybody is entered when it returns."""
        log = (Path(self._plan.folder) / f"{self.name}.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.faults.chaos.people",
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                limit=LINE,
            )
        self._said = {}
        self._reading = asyncio.create_task(self._read(self._process))
        self._reading.add_done_callback(self._crowd.ended)
        self._write(asdict(self._plan))
        await self.ask("enter", answer="all_entered")

    async def ask(self, what: str, *arguments: Any, answer: str) -> None:
        """Give an order; wait for its end."""
        said = self._said[answer] = asyncio.Event()
        self.tell(what, *arguments)
        await said.wait()

    def tell(self, what: str, *arguments: Any) -> None:
        self._write([what, *arguments])

    def _write(self, value: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line.endswith(b"\n"):  # a kill may cut the last one short
                what, *record = json.loads(line)
                self._crowd.note(what, record)
                if what in self._said:
                    self._said[what].set()

    async def kill(self) -> None:
        """Kill -9; all that it had told is in the ledger when this returns."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    @property
    def people(self) -> Sequence[int]:
        return self._plan.people


class Crowd:
    """Enters, talks, catches up, ends."""

    def __init__(
        self,
        *,
        people: int,
        processes: int,
        rate: float,
        restarts: float,
        seed: int,
        folder: Path,
        server: str,
        ledger: Ledger,
        called: str = "person",
    ) -> None:
        self.ledger, self._chance = ledger, random.Random(seed)
        self.friends = friendships(people, self._chance)
        self.troubles: Counter[str] = Counter()
        self.unexpected: list[tuple[int, str, float]] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._users: dict[int, str] = {}
        self._news = asyncio.Event()
        self.groups = []
        for number in range(processes):
            mine = list(range(number, people, processes))
            share = len(mine) / people
            pace = rate * share, restarts * share
            plan = Plan(mine, str(folder), server, seed + number, *pace, called)
            self.groups.append(Group(f"people-{number}", plan, self))

    async def enter(self) -> None:
        """All register, and know each other."""
        await asyncio.gather(*(group.start() for group in self.groups))
        await asyncio.gather(*(self._introduce(group) for group in self.groups))

    async def _introduce(self, group: Group) -> None:
        friends = {str(index): self.friends[index] for index in group.people}
        await group.ask("meet", self._users, friends, answer="met")

    def talk(self) -> None:
        for group in self.groups:
            group.tell("talk")

    async def die_and_come_back(self, group: Group, seconds: float) -> float:
        """Kill -9 a process of people; they come back from their disks. Returns when it died."""
        await group.kill()
        died = time.monotonic()
        await asyncio.sleep(seconds)
        await group.start()
        await self._introduce(group)
        for index in group.people:
            self.ledger.note_back(index, time.monotonic())
        group.tell("talk")
        return died

    async def quiet(self) -> None:
        await asyncio.gather(*(group.ask("quiet", answer="quiet") for group in self.groups))

    async def greet(self) -> None:
        await asyncio.gather(*(group.ask("greet", answer="greeted") for group in self.groups))

    async def farewell(self) -> None:
        await asyncio.gather(*(group.ask("farewell", answer="greeted") for group in self.groups))

    async def caught_up(self, patience: float, hurry: float = 5.0) -> bool:
        """Wait until all that was written is SENT and shown; False when patience is over."""
        over = time.monotonic() + patience
        hurried = time.monotonic()
        while self.ledger.missing() and time.monotonic() < over:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._news.wait()
            if time.monotonic() > hurried + hurry:
                hurried = time.monotonic()
                for group in self.groups:
                    group.tell("hurry")
        return not self.ledger.missing()

    async def leave(self) -> None:
        await asyncio.gather(*(group.ask("leave", answer="left") for group in self.groups))

    async def kill(self) -> None:
        await asyncio.gather(*(group.kill() for group in self.groups))

    def ended(self, reading: "asyncio.Task[None]") -> None:
        """What a process of people said could not be read: nothing that follows would be true."""
        if not reading.cancelled() and reading.exception() is not None:
            self.failed.set_exception(reading.exception() or RuntimeError())

    def note(self, what: str, record: list[Any]) -> None:
        """One line of a process of people."""
        self._news.set()
        match what:
            case "wrote" | "sent" | "confirmed":
                getattr(self.ledger, f"note_{what}")(Message(*record[:3]), record[3])
            case "shown":
                self.ledger.note_shown(Message(*record[:3]), record[3], record[4])
            case "back":
                self.ledger.note_back(record[0], record[1])
            case "entered":
                self._users[record[0]] = record[1]
            case "trouble":
                self.troubles[record[1]] += 1
            case "unexpected":
                self.unexpected.append((record[0], record[1], record[2]))
