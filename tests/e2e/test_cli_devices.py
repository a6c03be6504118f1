"""`signet link` and `signet devices` against a real server, as people type them."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from signet.cli.server_process import ServerProcess
from tests.support.local_cluster import LIMITS_OFF
from tests.support.signet_command import Running, Shell

GENEROUS = {**os.environ, **LIMITS_OFF}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("devices")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(folder: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(
        folder / "server", environment={**os.environ, **LIMITS_OFF}
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone(folder: Path, server: ServerProcess) -> Shell:
    """Alice's and Bob's first devices."""
    shell = Shell(folder / "phone", server.addresses.rest)
    for name in ("alice", "bob"):
        assert (await shell.register(name)).status == 0
    return shell


@pytest.fixture
def tablet(folder: Path, server: ServerProcess) -> Shell:
    """Another machine."""
    return Shell(folder / "tablet", server.addresses.rest)


async def the(running: Running, what: str) -> str:
    return str(json.loads(await running.says(f'"{what}"'))[what])


async def test_a_new_device_is_linked_used_renamed_and_removed(phone: Shell, tablet: Shell) -> None:
    where = ("--server", tablet.server, "--device", "tablet", "--json")
    async with tablet.running("link", "alice", *where) as new:
        link = await the(new, "link")
        async with phone.running("devices", "link", link, "--as", "alice", "--json") as old:
            assert await the(old, "device_name") == "tablet"
            old.type(await the(new, "code"))
            assert await the(old, "device_id") == "2"
            assert await old.ended() == 0
        assert await the(new, "user_name") == "alice"
        assert await new.ended() == 0
    sent = await tablet.run("send", "bob", "from the tablet", "--as", "alice", "--json")
    assert sent.out.startswith("{"), sent.out
    async with phone.running("listen", "--as", "alice", "--json") as old:
        assert "from the tablet" in await old.says('"event": "message"')
    renamed = await phone.run("devices", "rename", "2", "big", "--as", "alice", "--json")
    assert [one["name"] for one in renamed.json["devices"]][1] == "big"
    listed = await phone.run("devices", "--as", "alice", "--json")
    assert [(one["device_id"], one["this"]) for one in listed.json["devices"]] == [
        (1, True),
        (2, False),
    ]
    removed = await phone.run("devices", "remove", "2", "--as", "alice")
    assert removed.status == 0
    assert "still knows your identity key" in removed.out
    refused = await tablet.run("send", "bob", "again", "--as", "alice", "--json")
    assert (refused.status, refused.problem["error"]) == (3, "DEVICE_REMOVED")


async def test_a_wrong_code_lets_nobody_in(phone: Shell, tablet: Shell) -> None:
    async with tablet.running("link", "bob", "--server", tablet.server, "--json") as new:
        link = await the(new, "link")
        done = await phone.run("devices", "link", link, "--as", "bob", "--json", typed="12\n")
        assert (done.status, done.problem["error"]) == (3, "WRONG_CODE")
        assert await new.ended() == 3
    assert not (tablet.home / "signet" / "bob").exists()
    again = await phone.run("devices", "link", link, "--as", "bob", "--json", typed="12\n")
    assert (again.status, again.problem["error"]) == (3, "LINK_OVER")
    nothing = await phone.run("devices", "link", "signet:x", "--as", "bob", "--json", typed="1\n")
    assert (nothing.status, nothing.problem["error"]) == (2, "NOT_A_LINK")


async def test_a_chat_that_has_the_store_open_lets_a_device_in(phone: Shell, tablet: Shell) -> None:
    async with (
        phone.running("chat", "alice", "--as", "bob", "--plain") as chat,
        tablet.running("link", "bob", "--server", tablet.server, "--json") as new,
    ):
        await chat.says("chat with alice")
        link = await the(new, "link")
        async with phone.running("devices", "link", link, "--as", "bob", "--json") as old:
            await the(old, "device_name")
            old.type(await the(new, "code"))
            assert await old.ended() == 0
        await chat.says("your account has a new device")
        assert await new.ended() == 0


async def test_a_profile_is_set_and_shown(phone: Shell, folder: Path) -> None:
    picture = folder / "me.png"
    picture.write_bytes(b"a small picture")
    done = await phone.run(
        *("profile", "--name", "Alice A.", "--picture", str(picture), "--as", "alice", "--json")
    )
    assert done.json == {"name": "Alice A.", "picture_bytes": 15}
    await phone.run("send", "bob", "hello", "--as", "alice")
    async with phone.running("listen", "--as", "bob", "--json") as bob:
        await bob.says('"event": "profile_changed"', "Alice A.")
    again = await phone.run("profile", "--as", "alice", "--json")
    assert again.json == {"name": "Alice A.", "picture_bytes": 15}
    missing = await phone.run("profile", "--picture", "nothing.png", "--as", "alice", "--json")
    assert (missing.status, missing.problem["error"]) == (2, "NO_SUCH_FILE")
