"""Two people with the SDK, and a server that is killed again and again under their hands.

What counts is kept in a ledger outside the SDK: what was answered SENT, what was shown (P1-P3).
"""

import asyncio
from pathlib import Path

import pytest

from signet.cli.ledger import Ledger
from signet.cli.server_process import ServerProcess
from signet.client import Client, Environment, MessageReceived, Transport

MESSAGES = 20  # each way: with their receipts, below what a device may send at once
KILLS = 3
PATIENCE = 40.0  # seconds in which all of it has to be there


class Person:
    """Writes as fast as the outbox takes it; notes what is answered and what is shown."""

    def __init__(self, name: str, peer: str, client: Client, ledger: Ledger) -> None:
        self.name, self.peer, self.client, self.ledger = name, peer, client, ledger
        self.shown: set[str] = set()
        self.news = asyncio.Event()

    async def read(self) -> None:
        async for event in self.client.events():
            if isinstance(event, MessageReceived):
                self.ledger.showed(self.peer, self.name, event.message.text)
                self.shown.add(event.message.text)
                self.news.set()
            await event.done()

    async def write(self) -> None:
        to = await self.client.find(self.peer)
        for number in range(MESSAGES):
            text = f"{self.name} {number}"
            self.ledger.wrote(self.name, self.peer, text)
            message = await self.client.send(to, text)
            await self.client.wait_sent(message.id)
            self.ledger.sent(self.name, self.peer, text)

    async def reads_all(self) -> None:
        while len(self.shown) < MESSAGES:
            self.news.clear()
            await self.news.wait()


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_what_two_people_write_under_kills_is_shown_once_in_order(
    tmp_path: Path, transport: Transport
) -> None:
    ledger = Ledger()
    async with ServerProcess(tmp_path / "server") as server:
        people = []
        environment = Environment(chance=lambda: 0.2)  # short back-off
        for name, peer in (("alice", "bob"), ("bob", "alice")):
            client = await Client.register(
                server=server.addresses.rest,
                store=tmp_path / name,
                user_name=name,
                transport=transport,
                environment=environment,
            )
            people.append(Person(name, peer, client, ledger))
        async with people[0].client, people[1].client, asyncio.timeout(PATIENCE):
            reading = [asyncio.create_task(person.read()) for person in people]
            writing = [asyncio.create_task(person.write()) for person in people]
            for number in range(KILLS):
                while ledger.count().shown < (number + 1) * MESSAGES // KILLS:
                    people[number % 2].news.clear()
                    await people[number % 2].news.wait()
                await server.kill()
                await server.start()
                for person in people:
                    await person.client.reconnect()
            await asyncio.gather(*writing, *(person.reads_all() for person in people))
        await asyncio.gather(*reading)
    count = ledger.count()
    assert count.good, str(count)
    assert (count.sent, count.shown) == (2 * MESSAGES, 2 * MESSAGES)
