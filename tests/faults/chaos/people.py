"""A process full of people: a plan on standard input, then orders; the ledger's records come out.

    python -m tests.faults.chaos.people

Both ways JSON, one value a line. It ends when its input does, at once, as the kill -9 that it is
there for ends it.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from signet.core.ids import UserId
from signet.telemetry import logs
from tests.faults.chaos.person import Person
from tests.faults.chaos.waiting import say_when_asked

REGISTER_AT_ONCE = 4
BEAT = 0.05  # seconds between two looks at who is to write


@dataclass(frozen=True, slots=True)
class Plan:
    """`people` by their number; `rate` is messages a second of all of them; `restarts` as well.

    `called` begins their user names.
    """

    people: list[int]
    folder: str
    server: str
    seed: int
    rate: float
    restarts: float
    called: str


def tell(*record: Any) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


class Process:
    """The people of this process, and what they do by chance."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._chance = plan, random.Random(plan.seed)
        self._people = {
            index: Person(
                index,
                Path(plan.folder) / str(index) / "device.db",
                "grpc" if index % 2 else "websocket",
                tell,
                plan.called,
            )
            for index in plan.people
        }
        self._friends: dict[int, list[int]] = {}
        self._talking = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def enter(self) -> None:
        at_once = asyncio.Semaphore(REGISTER_AT_ONCE)

        async def one(person: Person) -> None:
            async with at_once:
                tell("entered", person.index, (await person.enter(self._plan.server)).hex())

        await asyncio.gather(*(one(person) for person in self._people.values()))
        tell("all_entered")

    async def meet(self, known: dict[str, str], friends: dict[str, list[int]]) -> None:
        users = {int(index): UserId(bytes.fromhex(user)) for index, user in known.items()}
        for index, person in self._people.items():
            self._friends[index] = friends[str(index)]
            await person.meet({other: users[other] for other in self._friends[index]})
        tell("met")

    async def greet(self) -> None:
        """Everybody writes to all their friends: nobody is a stranger after that."""
        for index, person in self._people.items():
            for friend in self._friends[index]:
                await person.write(friend)
        tell("greeted")

    async def talk(self) -> None:
        """A steady rate of messages and of restarts, whoever answers, until `quiet`."""
        self._talking, began, wrote, restarted = True, time.monotonic(), 0, 0
        while self._talking:
            lasted = time.monotonic() - began
            while wrote < lasted * self._plan.rate:
                wrote += 1
                self._write(self._chance.choice(self._plan.people))
            while restarted < lasted * self._plan.restarts:
                restarted += 1
                self._later(self._away(self._someone(), self._chance.uniform(0.0, 3.0)))
            await asyncio.sleep(BEAT)

    def _someone(self) -> Person:
        return self._people[self._chance.choice(self._plan.people)]

    def _write(self, index: int) -> None:
        self._later(self._people[index].write(self._chance.choice(self._friends[index])))

    async def _away(self, person: Person, seconds: float) -> None:
        await person.leave()
        await asyncio.sleep(seconds)
        await person.come_back()

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def quiet(self) -> None:
        """Nobody writes any more; everybody is there."""
        self._talking = False
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hurry()
        tell("quiet")

    async def hurry(self) -> None:
        for person in self._people.values():
            await person.hurry()

    async def farewell(self) -> None:
        """All restart once more and write to all their friends: nothing can be behind that."""
        for person in self._people.values():
            await person.leave()
            await person.come_back()
        await self.greet()

    async def leave(self) -> None:
        await asyncio.gather(*(person.leave() for person in self._people.values()))
        tell("left")

    def order(self, what: str, arguments: list[Any]) -> None:
        """Do what the parent says; orders run beside each other."""
        self._later(getattr(self, what)(*arguments)) if what != "quiet" else self._stop_talking()

    def _stop_talking(self) -> None:
        self._talking = False
        self._quieting = asyncio.create_task(self.quiet())


async def main() -> None:
    logs.configure("json", "info")  # on standard error; the other is the ledger's
    say_when_asked()
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    process = Process(Plan(**json.loads(await reader.readline())))
    while line := await reader.readline():
        what, *arguments = json.loads(line)
        process.order(what, arguments)


if __name__ == "__main__":
    uvloop.run(main())
