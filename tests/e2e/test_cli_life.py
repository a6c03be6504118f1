"""Blocking, reports and the account's life on the command line, against a real server."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from signet.cli.server_process import ServerProcess
from tests.support.local_cluster import LIMITS_OFF
from tests.support.signet_command import Shell

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli-life")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(folder: Path) -> AsyncIterator[Shell]:
    async with ServerProcess(folder / "server", environment={**os.environ, **LIMITS_OFF}) as server:
        opened = Shell(folder / "home", server.addresses.rest)
        for name in ("alice", "bob"):
            assert (await opened.register(name)).status == 0
        yield opened


async def test_somebody_is_blocked_and_heard_again(shell: Shell) -> None:
    assert (await shell.run("block", "alice", "--as", "bob", "--json")).json["blocked"] is True
    (listed,) = (await shell.run("blocked", "--as", "bob", "--json")).json["blocked"]
    assert listed["user_name"] == "alice"
    unheard = await shell.run("send", "bob", "unheard", "--as", "alice", "--json")
    assert unheard.json["status"] == "sent"
    assert (await shell.run("unblock", "alice", "--as", "bob")).status == 0
    assert (await shell.run("blocked", "--as", "bob", "--json")).json == {"blocked": []}
    await shell.run("send", "bob", "heard", "--as", "alice", "--json")
    async with shell.running("listen", "--as", "bob", "--json") as bob:
        assert "unheard" not in await bob.says('"event": "message"')


async def test_somebody_is_reported_while_a_chat_has_the_store_open(shell: Shell) -> None:
    async with shell.running("chat", "alice", "--as", "bob", "--plain") as bob:
        await bob.says("chat with alice")
        done = await shell.run("report", "alice", "--reason", "spam", "--as", "bob", "--json")
        assert done.json == {"user_name": "alice", "reason": "spam", "blocked": False}
    wrong = await shell.run("report", "alice", "--reason", "dislike", "--as", "bob")
    assert wrong.status == 2


async def test_an_export_is_written_for_its_owner_alone(shell: Shell, folder: Path) -> None:
    file = folder / "mine.json"
    done = await shell.run("account", "export", str(file), "--as", "alice")
    assert done.status == 0, done.err
    assert json.loads(file.read_text())["directory"]["account"][0]["user_name"] == "alice"
    assert file.stat().st_mode & 0o777 == 0o600
    again = await shell.run("account", "export", str(file), "--as", "alice", "--json")
    assert (again.status, again.problem["error"]) == (2, "FILE_EXISTS")


async def test_a_new_identity_changes_the_safety_number(shell: Shell) -> None:
    before = (await shell.run("keys", "bob", "--as", "alice", "--json")).json["safety_number"]
    done = await shell.run("identity", "change", "--yes", "--as", "alice", "--json")
    assert done.status == 0, done.err
    assert done.json["user_name"] == "alice"
    after = (await shell.run("keys", "bob", "--as", "alice", "--json")).json["safety_number"]
    assert before != after


async def test_an_account_is_deleted_with_its_store(shell: Shell, folder: Path) -> None:
    assert (await shell.register("carol")).status == 0
    asked = await shell.run("account", "delete", "--as", "carol", typed="n\n")
    assert asked.status == 1
    done = await shell.run("account", "delete", "--yes", "--store-too", "--as", "carol", "--json")
    assert done.json["user_name"] == "carol"
    assert not (folder / "home" / "signet" / "carol").exists()
    lost = await shell.run("send", "carol", "hello?", "--as", "bob", "--json")
    assert (lost.status, lost.problem["error"]) == (3, "NOT_FOUND")


async def test_the_store_of_a_deleted_account_stays_unless_it_is_to_go(shell: Shell) -> None:
    assert (await shell.register("dora")).status == 0
    assert (await shell.run("account", "delete", "--yes", "--as", "dora")).status == 0
    refused = await shell.run("account", "export", "--as", "dora", "--json")
    assert refused.status == 3
    assert refused.problem["error"] in ("ACCOUNT_DELETED", "DEVICE_REMOVED")
