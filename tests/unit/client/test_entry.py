"""Where streams are opened: one gateway of several, where no balancer is before them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.client import Client, ConnectionChanged, ConnectionState, Environment
from signet.core.errors import Code
from tests.support.people import Person, running
from tests.support.small_server import SmallServer

FIRST, SECOND = "ws://gateway-1.small.test/v1/connect", "ws://gateway-0.small.test/v1/connect"


@pytest.fixture
def server() -> SmallServer:
    made = SmallServer()
    made.entry = FIRST
    return made


@pytest.fixture
async def alice(server: SmallServer, tmp_path: Path) -> AsyncIterator[Person]:
    environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)
    client = await Client.register(
        server="http://small.test", store=tmp_path / "alice", environment=environment
    )
    async with running(client) as person:
        assert server.dialled == [FIRST]
        yield person


def came_online(person: Person) -> int:
    changes = [event for event in person.told if isinstance(event, ConnectionChanged)]
    return sum(change.state is ConnectionState.ONLINE for change in changes)


async def is_online_again(person: Person) -> None:
    await person.until(lambda: came_online(person) == 2)


async def test_when_the_entry_has_gone_for_good_the_client_asks_for_another(
    server: SmallServer, alice: Person
) -> None:
    server.entry, server.gone = SECOND, {FIRST}
    server.cut(alice.client.user_id)
    await is_online_again(alice)
    assert server.dialled == [FIRST, FIRST, SECOND]


async def test_an_entry_that_drains_is_not_asked_again(server: SmallServer, alice: Person) -> None:
    server.entry = SECOND
    server.close(alice.client.user_id, Code.DRAINING)
    await is_online_again(alice)
    assert server.dialled == [FIRST, SECOND]


async def test_an_entry_that_answers_costs_no_question(server: SmallServer, alice: Person) -> None:
    server.entry = SECOND
    server.cut(alice.client.user_id)
    await is_online_again(alice)
    assert server.dialled == [FIRST, FIRST]


async def test_while_the_keys_service_is_away_the_former_entry_is_tried(
    server: SmallServer, alice: Person
) -> None:
    server.entry, server.gone, server.keys_down = SECOND, {FIRST}, True
    server.cut(alice.client.user_id)
    await server.missed.wait()
    server.gone.clear()
    await is_online_again(alice)
    assert set(server.dialled) == {FIRST}
