"""The command line against a real server: what a newcomer does, and what they may get wrong."""

import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from signet.cli.server_process import ServerProcess
from tests.support.signet_command import Shell

pytestmark = pytest.mark.asyncio(loop_scope="module")
FREE_PORTS = [
    word for port in ("websocket", "grpc", "rest", "admin") for word in (f"--{port}-port", "0")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(folder: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(folder / "server") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(folder: Path, server: ServerProcess) -> Shell:
    """Alice speaks WebSocket, Bob gRPC."""
    opened = Shell(folder / "home", server.addresses.rest)
    for name, more in (("alice", ()), ("bob", ("--grpc",))):
        done = await opened.register(name, *more)
        assert done.status == 0, done.err
        assert done.json["user_name"] == name
        assert done.json["recovery_key"]
    return opened


async def test_two_people_chat_in_lines_with_ticks(shell: Shell) -> None:
    async with (
        shell.running("chat", "bob", "--as", "alice", "--plain") as alice,
        shell.running("chat", "alice", "--as", "bob", "--plain") as bob,
    ):
        await alice.says("chat with bob")
        await bob.says("chat with alice")
        alice.type("hello bob")
        await bob.says("alice", "hello bob")
        await alice.says("✓✓", "read", "hello bob")
        bob.type("/reply hello alice")
        await alice.says("bob", "hello bob", "hello alice")
        alice.type("/quit")
        assert await alice.ended() == 0


async def test_send_goes_through_the_chat_that_has_the_store_open(shell: Shell) -> None:
    async with shell.running("chat", "alice", "--as", "bob", "--plain") as bob:
        await bob.says("chat with alice")
        done = await shell.run("send", "alice", "from the side", "--as", "bob", "--json")
        assert (done.status, done.json["status"]) == (0, "sent")
        await bob.says("from the side")


async def test_what_is_piped_into_a_chat_is_sent_before_it_ends(shell: Shell) -> None:
    async with shell.running("chat", "bob", "--as", "alice", "--plain") as alice:
        await alice.says("chat with bob")
        alice.type("piped")
        assert await alice.ended() == 0
    async with shell.running("listen", "--as", "bob", "--json") as bob:
        await bob.says('"event": "message"', "piped")


async def test_both_see_the_same_safety_number(shell: Shell) -> None:
    mine = await shell.run("keys", "bob", "--as", "alice", "--json")
    theirs = await shell.run("keys", "alice", "--as", "bob", "--json")
    assert mine.json["safety_number"] == theirs.json["safety_number"]
    assert len(mine.json["safety_number"]) == 60


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (("send", "nobody", "x", "--as", "alice", "--json"), 3, "NOT_FOUND"),
        (("send", "bob", "x", "--as", "carol", "--json"), 5, "NO_ACCOUNT"),
        (("send", "bob", "x", "--json"), 2, "AMBIGUOUS"),
        (("send", "bob", "x" * 40_000, "--as", "alice", "--json"), 3, "CONTENT_TOO_LARGE"),
        (("register", "alice", "--json"), 5, "STORE_EXISTS"),
        (("register", "no such name!", "--json"), 2, "INVALID_ARGUMENT"),
        (("register", "dora", "--server", "http://127.0.0.1:1", "--json"), 4, "UNREACHABLE"),
    ],
)
async def test_what_goes_wrong_has_a_name_and_an_exit_code(
    shell: Shell, arguments: tuple[str, ...], status: int, error: str
) -> None:
    done = await shell.run(*arguments)
    assert (done.status, done.problem["error"]) == (status, error)
    assert done.problem["advice"]
    assert "Traceback" not in done.err


async def test_a_taken_name_is_refused_and_leaves_no_store_behind(
    shell: Shell, folder: Path
) -> None:
    store = folder / "another-alice"
    done = await shell.register("alice", "--store", str(store))
    assert (done.status, done.problem["error"]) == (3, "USER_NAME_TAKEN")
    assert not store.exists()


async def test_a_lost_account_is_taken_over_with_its_recovery_key(
    shell: Shell, server: ServerProcess, folder: Path
) -> None:
    lost = await shell.register("laura")
    new = Shell(folder / "new-home", server.addresses.rest)
    where = ("--server", server.addresses.rest, "--json")
    wrong = await new.run("recover", "laura", *where, typed="AAAA-BBBB\n")
    assert (wrong.status, wrong.problem["error"]) == (3, "NOT_FOUND")
    key = f"{lost.json['recovery_key'].lower()}\n"
    done = await new.run("recover", "laura", *where, typed=key)
    assert (done.status, done.json["user_id"]) == (0, lost.json["user_id"])
    assert done.json["recovery_key"] != lost.json["recovery_key"]
    refused = await shell.run("send", "bob", "mine", "--as", "laura", "--json")
    assert (refused.status, refused.problem["error"]) == (3, "DEVICE_REMOVED")
    sent = await new.run("send", "bob", "mine again", "--as", "laura", "--json")
    assert sent.json["status"] == "sent"


async def test_a_second_server_on_the_same_data_is_told_who_has_it(
    shell: Shell, server: ServerProcess, folder: Path
) -> None:
    done = await shell.run("run", "--data", str(folder / "server"), "--json")
    assert (done.status, done.problem["error"]) == (5, "DATA_IN_USE")
    assert str(server.addresses.pid) in done.problem["detail"]


async def test_a_taken_port_is_named_with_how_to_change_it(
    shell: Shell, server: ServerProcess, folder: Path
) -> None:
    port = server.addresses.grpc.rpartition(":")[2]
    arguments = ("--websocket-port", "0", "--grpc-port", port, "--json")
    done = await shell.run("run", "--data", str(folder / "second"), *arguments)
    assert (done.status, done.problem["error"]) == (2, "PORT_TAKEN")
    assert port in done.problem["detail"]
    assert "--grpc-port" in done.problem["advice"]


async def test_inboxes_that_another_program_has_open_are_named_without_a_traceback(
    shell: Shell, folder: Path
) -> None:
    data = folder / "locked"
    data.mkdir()
    with closing(sqlite3.connect(data / "inbox.sqlite", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("BEGIN IMMEDIATE")
        done = await shell.run("run", "--data", str(data), *FREE_PORTS, "--json")
    assert (done.status, done.problem["error"]) == (5, "STORE_UNAVAILABLE")


async def test_settings_that_cannot_be_are_refused_by_name(shell: Shell) -> None:
    done = await shell.run("run", "--grpc-port", "70000", "--json")
    assert (done.status, done.problem["error"]) == (2, "SETTINGS")
    assert "SIGNET_GRPC_PORT" in done.problem["detail"]


async def test_sigterm_ends_a_server_in_order_and_another_goes_on(folder: Path) -> None:
    server = ServerProcess(folder / "short")
    async with server:
        async with httpx.AsyncClient(base_url=server.addresses.admin) as pages:
            assert (await pages.get("/readyz")).text == "ready\n"
            assert "signet_shards_owned 1024.0" in (await pages.get("/metrics")).text
        assert await server.stop() == 0
        await server.start()
        server.signal(signal.SIGINT)
        assert await server.stop() == 0


async def test_an_invitation_lets_one_person_in(folder: Path) -> None:
    data = folder / "invited"
    server = ServerProcess(data, environment={**os.environ, "SIGNET_REGISTRATION": "invitation"})
    async with server:
        shell = Shell(folder / "invited-home", server.addresses.rest)
        refused = await shell.register("erin")
        assert refused.problem["error"] == "REGISTRATION_REFUSED"
        made = await shell.run("invite", "--data", str(data), "--json")
        invitation = ("--invitation", made.json["invitation"])
        assert (await shell.register("erin", *invitation)).status == 0
        assert (await shell.register("frank", *invitation)).status == 3
