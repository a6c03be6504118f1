"""People in tests: a client, with everything that it told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from signet.client import Client, Event, MessageReceived, StoreFailed

E = TypeVar("E", bound=Event)


@dataclass
class Person:
    """A client with everything that it told."""

    client: Client
    told: list[Event] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    confirming: bool = True
    patience: float = 30.0  # seconds in which what must happen has to happen

    async def listen(self) -> None:
        async for event in self.client.events():
            if self.confirming:
                try:
                    await event.done()
                except StoreFailed:  # the client was stopped meanwhile: the event comes again
                    return
            self.told.append(event)
            self._changed.set()

    async def until(self, is_there: Callable[[], bool]) -> None:
        async with asyncio.timeout(self.patience):
            while not is_there():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, kind: type[E], count: int = 1) -> list[E]:
        def found() -> list[E]:
            return [event for event in self.told if isinstance(event, kind)]

        await self.until(lambda: len(found()) >= count)
        return found()

    async def reads(self, count: int) -> list[str]:
        return [event.message.text for event in await self.hears(MessageReceived, count)]


@asynccontextmanager
async def running(client: Client, *, confirming: bool = True) -> AsyncIterator[Person]:
    person = Person(client, confirming=confirming)
    listening = asyncio.create_task(person.listen())
    try:
        async with client:
            await client.wait_online()
            yield person
    finally:
        await listening
