"""The store does not answer: sends are held, then refused by name; nothing is lost (P7)."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from signet.cli.server_process import ServerProcess
from signet.core.limits import LEASE
from signet.v1.messaging_pb2 import CODE_STORE_UNAVAILABLE
from tests.support.raw_device import RawDevice, raw_pair

HELD = {**os.environ, "SIGNET_HOLD_S": "2"}


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process's transaction has the file: writes wait, and time out."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


async def held(server: ServerProcess, count: int) -> None:
    """Wait until the gateway says that it holds so many sends."""
    async with httpx.AsyncClient(base_url=server.addresses.admin) as pages:
        while f"signet_gateway_held_sends {count}.0" not in (await pages.get("/metrics")).text:
            await asyncio.sleep(0.05)  # a page of another process can only be asked


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    command = (sys.executable, "-m", "tests.support.faulty_server", "stalls_on_signal")
    async with ServerProcess(tmp_path / "server", environment=HELD, command=command) as running:
        yield running


async def refused_then_taken(
    server: ServerProcess,
    alice: RawDevice,
    bob: RawDevice,
    break_it: Iterator[None],
    outlasts_s: float = 0.0,
) -> None:
    """Both sends are refused while `break_it` lasts; sent again they arrive once, in order."""
    await alice.connect(server.addresses)
    await bob.connect(server.addresses)
    before, first, second = [alice.message(bob.account) for _ in range(3)]
    alice.send(before)
    await bob.until(lambda: len(bob.got) == 1)
    next(break_it)
    alice.send(first)
    alice.send(second)
    for message in (first, second):
        answer = await alice.answered(message)
        assert answer.refused.code == CODE_STORE_UNAVAILABLE
        assert answer.refused.retry_after_ms > 0
    assert len(bob.got) == 1
    await asyncio.sleep(outlasts_s)  # real: another process's lock, on a real clock
    next(break_it, None)
    alice.send(first, second)
    await alice.until(
        lambda: (
            [a.message_id for a in alice.answers if a.HasField("sent")][-2:]
            == [first.message_id, second.message_id]
        )
    )
    await bob.until(lambda: second.message_id in bob.got)
    assert bob.got == [m.message_id for m in (before, first, second)]


async def test_sends_are_refused_while_another_process_locks_the_file_beyond_a_lease(
    server: ServerProcess, tmp_path: Path
) -> None:
    def lock() -> Iterator[None]:
        with locked(tmp_path / "server" / "inbox.sqlite"):
            yield

    async with raw_pair(server.addresses) as (alice, bob):
        await refused_then_taken(server, alice, bob, lock(), outlasts_s=LEASE)


async def test_sends_are_refused_while_an_append_does_not_return(server: ServerProcess) -> None:
    def stall() -> Iterator[None]:
        server.signal(signal.SIGUSR1)
        yield
        server.signal(signal.SIGUSR2)

    async with raw_pair(server.addresses) as (alice, bob):
        await refused_then_taken(server, alice, bob, stall())


async def test_a_short_stall_is_held_and_nobody_notices(server: ServerProcess) -> None:
    async with raw_pair(server.addresses) as (alice, bob):
        await alice.connect(server.addresses)
        await bob.connect(server.addresses)
        server.signal(signal.SIGUSR1)
        message = alice.message(bob.account)
        alice.send(message)
        await held(server, 1)
        server.signal(signal.SIGUSR2)
        assert (await alice.answered(message)).HasField("sent")
        await bob.until(lambda: bob.got == [message.message_id])


async def test_a_server_that_was_stopped_for_longer_than_a_lease_goes_on(
    server: ServerProcess,
) -> None:
    """A laptop that sleeps: the lock of the folder keeps others out, whatever the clock says."""
    async with raw_pair(server.addresses) as (alice, bob):
        await alice.connect(server.addresses)
        await bob.connect(server.addresses)
        server.signal(signal.SIGSTOP)
        message = alice.message(bob.account)
        alice.send(message)
        await asyncio.sleep(LEASE + 1)  # the one wait that is real: of a stopped process
        server.signal(signal.SIGCONT)
        assert (await alice.answered(message)).HasField("sent")
        await bob.until(lambda: bob.got == [message.message_id])
        assert server.running
