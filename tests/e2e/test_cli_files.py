"""Files by the command line, against a real server: sent, shown, kept."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from signet.cli.server_process import ServerProcess
from tests.support.signet_command import Shell

pytestmark = pytest.mark.asyncio(loop_scope="module")
DATA = os.urandom(300_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    (made / "a picture.jpg").write_bytes(DATA)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(folder: Path) -> AsyncIterator[Shell]:
    async with ServerProcess(folder / "server") as server:
        opened = Shell(folder / "home", server.addresses.rest)
        for name in ("alice", "bob"):
            assert (await opened.register(name)).status == 0
        yield opened


async def test_a_file_is_sent_and_kept_by_who_listens(shell: Shell, folder: Path) -> None:
    file, kept = str(folder / "a picture.jpg"), folder / "kept"
    done = await shell.run("send", "bob", "look", "--file", file, "--as", "alice", "--json")
    assert (done.status, done.json["status"]) == (0, "sent")
    heard = shell.running("listen", "--as", "bob", "--save", str(kept), "--count", "1", "--json")
    async with heard as bob:
        told = json.loads(await bob.says('"event": "message"'))
    assert told["text"] == "look"
    assert told["files"] == [
        {"name": "a picture.jpg", "media_type": "image/jpeg", "size": len(DATA)}
    ]
    assert (told["saved"], told["not_saved"]) == ([str(kept / "a picture.jpg")], [])
    assert (kept / "a picture.jpg").read_bytes() == DATA


async def test_a_file_is_sent_and_saved_in_a_chat(shell: Shell, folder: Path) -> None:
    async with (
        shell.running("chat", "bob", "--as", "alice", "--plain") as alice,
        shell.running("chat", "alice", "--as", "bob", "--plain") as bob,
    ):
        await alice.says("chat with bob")
        await bob.says("chat with alice")
        alice.type(f'/file "{folder / "a picture.jpg"}" here it is')
        await bob.says("alice", "a picture.jpg, 293.0 KiB", "here it is")
        await alice.says("✓✓", "here it is")
        to = folder / "saved.jpg"
        bob.type(f"/save {to}")
        await bob.says("saved:", "saved.jpg")
        assert to.read_bytes() == DATA
        alice.type("/file nowhere.jpg")
        await alice.says("NO_FILE")
        alice.type("/save")
        await alice.says("they have sent no file")
        bob.type(f"/save {folder / 'no such folder' / 'x'}")
        await bob.says("NOT_WRITTEN")


async def test_a_file_goes_through_the_chat_that_has_the_store_open(
    shell: Shell, folder: Path
) -> None:
    async with shell.running("chat", "bob", "--as", "alice", "--plain") as alice:
        await alice.says("chat with bob")
        file = str(folder / "a picture.jpg")
        done = await shell.run("send", "bob", "--file", file, "--as", "alice", "--json")
        assert (done.status, done.json["status"]) == (0, "sent")


async def test_a_send_needs_something_to_send(shell: Shell) -> None:
    done = await shell.run("send", "bob", "--as", "alice", "--json")
    assert (done.status, done.problem["error"]) == (2, "NOTHING_TO_SAY")
    done = await shell.run("send", "bob", "--file", "/nowhere", "--as", "alice")
    assert done.status == 2
