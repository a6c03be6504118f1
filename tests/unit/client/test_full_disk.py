"""A disk that is full for a while: the client says so, tries again, and loses nothing (P2, P8)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from signet.client import (
    Client,
    ConnectionChanged,
    ConnectionState,
    Environment,
)
from signet.core.ids import UserId
from signet.v1 import messaging_pb2 as pb
from tests.support.people import Person, running
from tests.support.small_server import SmallServer, SmallStream


def fill(client: Client, *, full: bool = True) -> None:
    """Let every write of a client's store fail, as on a full disk; or let them succeed again."""
    store: Any = client
    store._store._db.execute(f"PRAGMA query_only = {int(full)}")


class FillingServer(SmallServer):
    """Fills a client's disk just when its send arrives, or its question for keys."""

    def __init__(self) -> None:
        super().__init__()
        self.at_a_send: Client | None = None
        self.at_a_fetch: Client | None = None
        self.filled_at_a_fetch = False
        self.backing_off = asyncio.Event()

    def handle(self, stream: SmallStream, frame: pb.ClientFrame) -> None:
        if self.at_a_send is not None and frame.HasField("send"):
            fill(self.at_a_send)
        super().handle(stream, frame)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.at_a_fetch is not None and request.url.path.startswith("/v1/keys/0"):
            fill(self.at_a_fetch)
            self.filled_at_a_fetch = True
        return self._rest(request)

    def chance(self) -> float:
        """Drawn for each back-off."""
        if self.filled_at_a_fetch:
            self.backing_off.set()
        return 0.05


@pytest.fixture
def server() -> FillingServer:
    return FillingServer()


People = tuple[Person, Person, UserId]


@pytest.fixture
async def people(server: FillingServer, tmp_path: Path) -> AsyncIterator[People]:
    http = httpx.MockTransport(server.answer)
    environment = Environment(dial=server.dial, http=http, chance=server.chance)
    alice, bob = [
        await Client.register(
            server="http://small.test",
            store=tmp_path / name,
            user_name=name,
            environment=environment,
        )
        for name in ("alice", "bob")
    ]
    async with running(alice) as a, running(bob) as b:
        b.confirming = False
        yield a, b, bob.user_id


async def heals(person: Person) -> None:
    """Once it was told that the client waits, there is room again."""
    await person.until(
        lambda: any(
            isinstance(event, ConnectionChanged) and event.state is ConnectionState.WAITING
            for event in person.told
        )
    )
    fill(person.client, full=False)


async def test_what_arrived_at_a_full_disk_is_shown_without_another_message(people: People) -> None:
    alice, bob, bob_id = people
    await alice.client.send(bob_id, "first")
    await bob.reads(1)
    fill(bob.client)
    await alice.client.send(bob_id, "second")
    await heals(bob)
    assert await bob.reads(2) == ["first", "second"]
    await bob.client.wait_online()


async def test_what_became_of_a_send_is_kept_when_there_is_room_again(
    people: People, server: FillingServer
) -> None:
    alice, bob, bob_id = people
    server.at_a_send = alice.client
    message = await alice.client.send(bob_id, "hello")
    assert await bob.reads(1) == ["hello"]
    await heals(alice)
    await alice.client.wait_sent(message.id)
    assert len(server.sends) == 1


async def test_what_could_not_be_encrypted_goes_out_when_there_is_room_again(
    people: People, server: FillingServer
) -> None:
    alice, bob, bob_id = people
    server.at_a_fetch = alice.client
    message = await alice.client.send(bob_id, "hello")
    await server.backing_off.wait()
    server.at_a_fetch = None
    fill(alice.client, full=False)
    await alice.client.wait_sent(message.id)
    assert await bob.reads(1) == ["hello"]
