"""People in a group, on a small server that misbehaves on demand."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from signet.client import Client, Environment, MessageReceived, Status
from signet.client.events import GroupChanged
from signet.client.groups.summary import Group
from signet.core.groups import GroupId
from signet.core.ids import UserId
from tests.support.people import Person, running
from tests.support.small_groups import SmallGroups

NAMES = ("alice", "bob", "carol", "dave")


class Party:
    """Four people and a group of the first three."""

    def __init__(self, server: SmallGroups, people: dict[str, Person]) -> None:
        self.server, self.people = server, people
        self.group: Group

    def __getitem__(self, name: str) -> Client:
        return self.people[name].client

    def id(self, name: str) -> UserId:
        return self[name].user_id

    async def say(self, name: str, text: str, group: GroupId | None = None) -> bytes:
        to = UserId(group or self.group.id)
        message = await self[name].send(to, text)
        await self[name].wait_sent(message.id)
        return message.id

    async def texts(self, name: str) -> list[str]:
        history = await self[name].history(UserId(self.group.id))
        return [message.text for message in history]

    async def reads(self, name: str, count: int) -> list[str]:
        return await self.people[name].reads(count)


@pytest.fixture
def server() -> SmallGroups:
    return SmallGroups()


@pytest.fixture
async def party(server: SmallGroups, tmp_path: Path) -> AsyncIterator[Party]:
    environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)
    async with AsyncExitStack() as stack:
        people = {}
        for name in NAMES:
            client = await Client.register(
                server="http://small.test",
                store=tmp_path / name,
                user_name=name,
                environment=environment,
            )
            people[name] = await stack.enter_async_context(running(client))
            people[name].patience = 10.0
        made = Party(server, people)
        alice = made["alice"]
        made.group = await alice.create_group("Chess", [made.id("bob"), made.id("carol")])
        yield made


async def test_three_talk_in_one_order(party: Party) -> None:
    await party.say("alice", "one")
    assert await party.reads("bob", 1) == await party.reads("carol", 1) == ["one"]
    await party.say("bob", "two")
    await party.reads("carol", 2)
    await party.say("carol", "three")
    await party.reads("alice", 2)
    await party.reads("bob", 2)
    for name in ("alice", "bob", "carol"):
        assert await party.texts(name) == ["one", "two", "three"]
