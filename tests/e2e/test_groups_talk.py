"""Groups on a whole server, over both transports: keys, gateway, routers, SQLite, sockets."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from signet.client import Client, GroupAction, GroupChanged, GroupReceipts, MessageReceived, Status
from signet.client.client import Transport
from signet.client.errors import NotAMember
from signet.core.ids import UserId
from signet.standalone import Standalone
from tests.support.people import Person, running
from tests.support.server import server


@dataclass
class Place:
    """A server and a folder of stores."""

    running: Standalone
    folder: Path
    transport: Transport

    async def register(self, name: str) -> Client:
        return await Client.register(
            server=self.running.addresses.rest,
            store=self.folder / name,
            user_name=name,
            transport=self.transport,
        )


@pytest.fixture(params=["websocket", "grpc"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with server(tmp_path / "data") as started:
        yield Place(started, tmp_path, request.param)


@asynccontextmanager
async def talking(place: Place, *names: str) -> AsyncIterator[list[Person]]:
    """People who are registered and online."""
    async with AsyncExitStack() as stack:
        people = []
        for name in names:
            client = await place.register(name)
            people.append(await stack.enter_async_context(running(client, confirming=False)))
        yield people


async def texts(person: Person, group: UserId) -> list[str]:
    return [message.text for message in await person.client.history(group)]


async def test_a_group_talks_changes_and_parts(place: Place) -> None:
    async with talking(place, "alice", "bob", "carol", "dave") as (alice, bob, carol, dave):
        others = [bob.client.user_id, carol.client.user_id]
        group = await alice.client.create_group("Chess", others)
        to = UserId(group.id)
        first = await alice.client.send(to, "one")
        assert await bob.reads(1) == await carol.reads(1) == ["one"]
        assert (await bob.client.group(group.id)).name == "Chess"
        await alice.client.wait_status(first.id, Status.DELIVERED)
        await bob.client.mark_read(to)
        receipts = await alice.hears(GroupReceipts, 3)
        assert (receipts[-1].delivered, receipts[-1].read, receipts[-1].recipients) == (2, 1, 2)

        url = await alice.client.create_group_link(group.id)
        joined = await dave.client.join_group(url)
        assert joined.name == "Chess"
        await dave.client.send(to, "two")
        assert await carol.reads(2) == ["one", "two"]
        await carol.client.send(to, "three", reply_to=(await carol.client.history(to))[1].id)
        assert await dave.reads(1) == ["three"]
        await alice.reads(2)

        await alice.client.remove_members(group.id, [dave.client.user_id])
        await dave.until(lambda: any(_removed(event) for event in dave.told))
        await bob.client.send(to, "four")
        await alice.reads(3)
        await carol.reads(3)
        for person in (alice, bob, carol):
            assert await texts(person, to) == ["one", "two", "three", "four"]
        assert await texts(dave, to) == ["two", "three"]
        with pytest.raises(NotAMember):
            await dave.client.send(to, "five")
        assert sum(isinstance(event, MessageReceived) for event in dave.told) == 1


def _removed(event: object) -> bool:
    return isinstance(event, GroupChanged) and event.action is GroupAction.REMOVED
