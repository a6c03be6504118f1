"""The server is killed where it hurts most: nothing that was answered SENT is lost (P1, P2, P3)."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from signet.cli.server_process import ServerProcess
from signet.v1.messaging_pb2 import Answer
from tests.support.raw_device import RawDevice, raw_pair

Broken = Callable[[str], AbstractAsyncContextManager[ServerProcess]]


def command(fault: str) -> tuple[str, ...]:
    return sys.executable, "-m", "tests.support.faulty_server", fault


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """A server with a fault; started again it has none."""

    @asynccontextmanager
    async def started(fault: str) -> AsyncIterator[ServerProcess]:
        server = ServerProcess(tmp_path / "server", command=command(fault))
        async with server:
            yield server

    return started


async def again(server: ServerProcess, *devices: RawDevice) -> None:
    """Wait for the death of the server, start it whole, and come back."""
    await server.gone()
    server.command = command("none")
    addresses = await server.start()
    for device in devices:
        await device.close()
        await device.connect(addresses)


def sent(answer: Answer) -> bool:
    return answer.WhichOneof("outcome") == "sent"


@pytest.mark.parametrize("fault", ["dies_before_append", "dies_between_append_and_answer"])
async def test_a_send_without_an_answer_goes_again_and_is_stored_once(
    broken: Broken, fault: str
) -> None:
    async with broken(f"{fault}:3") as server, raw_pair(server.addresses) as (alice, bob):
        await alice.connect(server.addresses)
        await bob.connect(server.addresses)
        messages = [alice.message(bob.account) for _ in range(3)]
        for message in messages[:2]:
            alice.send(message)
            assert sent(await alice.answered(message))
        await bob.until(lambda: len(bob.got) == 2)
        alice.send(messages[2])
        await again(server, alice, bob)
        assert [a.message_id for a in alice.answers] == [m.message_id for m in messages[:2]]
        alice.send(messages[2])
        assert sent(await alice.answered(messages[2]))
        later = alice.message(bob.account)
        alice.send(later)
        await bob.until(lambda: later.message_id in bob.got)
        assert list(dict.fromkeys(bob.got)) == [m.message_id for m in [*messages, later]]
        assert bob.got.count(messages[2].message_id) == 1


async def test_what_was_answered_sent_is_delivered_after_a_kill_before_delivery(
    broken: Broken,
) -> None:
    async with broken("delivers_nothing") as server, raw_pair(server.addresses) as (alice, bob):
        await alice.connect(server.addresses)
        await bob.connect(server.addresses)
        messages = [alice.message(bob.account) for _ in range(5)]
        for message in messages:
            alice.send(message)
            assert sent(await alice.answered(message))
        assert bob.got == []
        await server.kill()
        await again(server, alice, bob)
        await bob.until(lambda: len(bob.got) == 5)
        assert bob.got == [message.message_id for message in messages]


async def test_what_was_acknowledged_does_not_come_again_after_a_kill(broken: Broken) -> None:
    async with broken("none") as server, raw_pair(server.addresses) as (alice, bob):
        await alice.connect(server.addresses)
        await bob.connect(server.addresses)
        first = alice.message(bob.account)
        alice.send(first)
        await bob.until(lambda: len(bob.got) == 1)
        bob.ack()
        await alice.until(lambda: any(item.HasField("delivered") for item in alice.items))
        await server.kill()
        await again(server, alice, bob)
        second = alice.message(bob.account)
        alice.send(second)
        await bob.until(lambda: len(bob.got) == 2)
        assert bob.got == [first.message_id, second.message_id]


async def test_a_storm_of_kills_loses_doubles_and_reorders_nothing(broken: Broken) -> None:
    async with broken("none") as server, raw_pair(server.addresses) as (alice, bob):
        await alice.connect(server.addresses)
        await bob.connect(server.addresses)
        bob.send(bob.message(alice.account))  # nobody is a stranger
        await bob.until(lambda: len(bob.answers) == 1)
        messages = [alice.message(bob.account) for _ in range(30)]
        for number, message in enumerate(messages):
            alice.send(message)
            if number % 10 == 9:
                await server.kill()
                await again(server, alice, bob)
                unanswered = messages[len(alice.answers) : number + 1]
                alice.send(*unanswered)
            if number % 5 == 4:
                assert sent(await alice.answered(message))
        await bob.until(lambda: set(bob.got) == {m.message_id for m in messages})
        assert list(dict.fromkeys(bob.got)) == [m.message_id for m in messages]
