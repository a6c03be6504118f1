"""`signet group` and chats in groups, against a real server."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from signet.cli.server_process import ServerProcess
from tests.support.local_cluster import LIMITS_OFF
from tests.support.signet_command import Shell

GENEROUS = {**os.environ, **LIMITS_OFF}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("groups")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(folder: Path) -> AsyncIterator[Shell]:
    async with ServerProcess(
        folder / "server", environment={**os.environ, **LIMITS_OFF}
    ) as running:
        opened = Shell(folder / "home", running.addresses.rest)
        for name in ("alice", "bob", "carol"):
            done = await opened.register(name)
            assert done.status == 0, done.err
        yield opened


async def test_a_group_is_made_talked_in_and_changed(shell: Shell) -> None:
    made = await shell.run("group", "create", "Chess", "bob", "--as", "alice", "--json")
    assert made.status == 0, made.err
    assert (made.json["name"], made.json["count"]) == ("Chess", 2)
    sent = await shell.run("send", "--group", "Chess", "hello all", "--as", "alice")
    assert sent.status == 0, sent.err
    heard = await shell.run("listen", "--count", "1", "--json", "--as", "bob")
    assert '"text": "hello all"' in heard.out
    assert '"group": "Chess"' in heard.out

    linked = await shell.run("group", "link", "Chess", "--as", "alice", "--json")
    assert linked.status == 0, linked.err
    url = linked.json["url"]
    joined = await shell.run("group", "join", url, "--as", "carol", "--json")
    assert joined.status == 0, joined.err
    assert (joined.json["name"], joined.json["count"]) == ("Chess", 3)
    async with (
        shell.running("chat", "Chess", "--as", "carol", "--plain") as carol,
        shell.running("chat", "Chess", "--group", "--as", "bob", "--plain") as bob,
    ):
        await carol.says("chat with Chess")
        await bob.says("hello all")
        carol.type("hello from the link")
        await bob.says("hello from the link")
        bob.type("/reply welcome")
        await carol.says("hello from the link", "welcome")
        carol.type("/quit")
        assert await carol.ended() == 0
        bob.type("/quit")
        assert await bob.ended() == 0

    refused = await shell.run("group", "rename", "Chess", "Go", "--as", "bob")
    assert refused.status == 3
    assert "FORBIDDEN" in refused.err
    named = await shell.run("group", "admin", "Chess", "bob", "--as", "alice")
    assert named.status == 0, named.err
    renamed = await shell.run("group", "rename", "Chess", "Go", "--as", "bob", "--json")
    assert renamed.status == 0, renamed.err
    assert renamed.json["name"] == "Go"


async def test_who_is_removed_is_told_and_writes_nothing_more(shell: Shell) -> None:
    made = await shell.run("group", "create", "Hike", "bob", "carol", "--as", "alice")
    assert re.search(r"Hike 3 members", made.out)
    listed = await shell.run("group", "members", "Hike", "--as", "carol")
    assert "administrator" in listed.out
    gone = await shell.run("group", "remove", "Hike", "carol", "--as", "alice", "--json")
    assert gone.json["count"] == 2
    shown = await shell.run("group", "list", "--as", "carol")
    assert "not in it any more" in shown.out
    refused = await shell.run("send", "Hike", "still there?", "--group", "--as", "carol")
    assert refused.status == 3
    assert "NOT_A_MEMBER" in refused.err
    left = await shell.run("group", "leave", "Hike", "--as", "alice")
    assert left.status == 0, left.err


async def test_what_is_no_group_is_said_so(shell: Shell) -> None:
    unknown = await shell.run("send", "Nobody's", "hello", "--group", "--as", "bob")
    assert unknown.status == 2
    assert "NO_GROUP" in unknown.err
    broken = await shell.run("group", "join", "http://example.test/group/1#x", "--as", "bob")
    assert broken.status == 2
    assert "NOT_A_GROUP_LINK" in broken.err
