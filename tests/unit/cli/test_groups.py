"""What `signet group` asks of the program that has the store open, without a server process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from signet.cli import groups
from signet.cli.failures import Problem
from signet.client import Client, Environment
from signet.client.errors import Forbidden, NotAGroupLink
from signet.core.ids import show
from tests.support.people import running
from tests.support.small_groups import SmallGroups

NAMES = ("alice", "bob", "carol")


class Programs:
    """One of each person's, all running."""

    def __init__(self, clients: dict[str, Client]) -> None:
        self.clients = clients

    async def group(self, who: str, what: str, **more: Any) -> dict[str, Any]:
        client = self.clients[who]
        return await groups.perform(client, client.find, {"group": what, **more})


@pytest.fixture
async def programs(tmp_path: Path) -> AsyncIterator[Programs]:
    server = SmallGroups()
    environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)
    async with AsyncExitStack() as stack:
        clients = {}
        for name in NAMES:
            clients[name] = await Client.register(
                server="http://small.test",
                store=tmp_path / name,
                user_name=name,
                environment=environment,
            )
            await stack.enter_async_context(running(clients[name], confirming=False))
        yield Programs(clients)


async def test_a_group_is_made_changed_and_listed(programs: Programs) -> None:
    made = await programs.group("alice", "create", name="Chess", people=["bob"])
    assert (made["name"], made["count"], made["administrator"]) == ("Chess", 2, True)
    listed = await programs.group("bob", "list")
    assert [(one["name"], one["member"]) for one in listed["groups"]] == [("Chess", True)]
    with pytest.raises(Forbidden):
        await programs.group("bob", "rename", name="Chess", to="Go")
    await programs.group("alice", "admin", name="Chess", people=["bob"], off=False)
    renamed = await programs.group("bob", "rename", name="Chess", to="Go")
    assert renamed["name"] == "Go"
    added = await programs.group("bob", "add", name="Go", people=["carol"])
    assert added["count"] == 3
    seen = await programs.group("carol", "members", name="Go")
    assert [member["administrator"] for member in seen["members"]].count(True) == 2
    gone = await programs.group("alice", "remove", name="Go", people=["carol"])
    assert gone["count"] == 2
    listed = await programs.group("carol", "list")
    assert [one["member"] for one in listed["groups"]] == [False]
    await programs.group("alice", "leave", name="Go")
    left = await programs.group("bob", "members", name="Go")
    assert left["count"] == 1


async def test_a_link_is_made_used_and_ended(programs: Programs) -> None:
    await programs.group("alice", "create", name="Hike", people=[])
    url = (await programs.group("alice", "link", name="Hike", off=False))["url"]
    joined = await programs.group("bob", "join", url=url)
    assert (joined["name"], joined["count"], joined["link"]) == ("Hike", 2, True)
    ended = await programs.group("alice", "link", name="Hike", off=True)
    assert not ended["link"]
    with pytest.raises(NotAGroupLink):
        await programs.group("carol", "join", url="http://small.test/group/1#x")


async def test_names_say_which_group_is_meant(programs: Programs) -> None:
    first = await programs.group("alice", "create", name="Twice", people=[])
    await programs.group("alice", "create", name="Twice", people=[])
    with pytest.raises(Problem, match="several groups"):
        await programs.group("alice", "members", name="Twice")
    by_id = await programs.group("alice", "members", name=first["group"])
    assert by_id["members"][0]["user_id"] == show(programs.clients["alice"].user_id)
    with pytest.raises(Problem, match="no group"):
        await programs.group("alice", "members", name="Never")
