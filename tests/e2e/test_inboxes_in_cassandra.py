"""A whole server whose inboxes are in Cassandra: talking, leaving, coming back, a dead server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.client import Client, Status
from signet.settings import Settings
from signet.standalone import Standalone
from tests.support.cassandra import cassandra_url, clear
from tests.support.lanes import Server, free_port
from tests.support.people import running

__all__ = ["cassandra_url"]
pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(180)]
SHARDS = 8
PATIENCE = 60.0
Serve = Callable[[], AbstractAsyncContextManager[Standalone]]


@pytest.fixture
def serve(tmp_path: Path, cassandra_url: str) -> Serve:
    """Starts the server; the next one takes its ports, and finds what it left."""
    clear(cassandra_url)
    names = ("websocket_port", "grpc_port", "rest_port", "admin_port")
    ports = {name: free_port() for name in names}
    settings = Settings(
        data=tmp_path / "data",
        drain_s=0.0,
        shards=SHARDS,
        **ports,  # type: ignore[arg-type]
    )

    @asynccontextmanager
    async def started() -> AsyncIterator[Standalone]:
        server = Standalone(settings, open_store=lambda _: CassandraInbox(cassandra_url, SHARDS))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    return started


async def register(server: Standalone, folder: Path, name: str) -> Client:
    return await Client.register(server=server.addresses.rest, store=folder / name, user_name=name)


async def test_people_talk_and_what_waits_outlives_the_server(serve: Serve, tmp_path: Path) -> None:
    async with serve() as server:
        alice_client = await register(server, tmp_path, "alice")
        bob_client = await register(server, tmp_path, "bob")
        async with running(bob_client) as bob, running(alice_client) as alice:
            to_bob = await alice.client.find("bob")
            message = await alice.client.send(to_bob, "one")
            assert await bob.reads(1) == ["one"]
            await alice.client.wait_status(message.id, Status.DELIVERED)
        async with running(await Client.open(store=tmp_path / "alice")) as alice:
            for text in ("two", "three"):
                sent = await alice.client.send(to_bob, text)
                await alice.client.wait_sent(sent.id)
    async with serve(), running(await Client.open(store=tmp_path / "bob")) as bob:
        bob.patience = PATIENCE
        assert await bob.reads(2) == ["two", "three"]


async def test_messages_wait_while_cassandra_is_stopped_and_arrive_once(
    serve: Serve, tmp_path: Path, cassandra_server: Server
) -> None:
    async with serve() as server:
        alice_client = await register(server, tmp_path, "alice")
        bob_client = await register(server, tmp_path, "bob")
        async with running(alice_client) as alice, running(bob_client) as bob:
            bob.patience = PATIENCE
            to_bob = await alice.client.find("bob")
            await alice.client.send(to_bob, "before")
            assert await bob.reads(1) == ["before"]
            with cassandra_server.paused():
                message = await alice.client.send(to_bob, "during")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(alice.client.wait_sent(message.id), 1.0)
                assert await bob.reads(1) == ["before"], "nothing is shown before it is durable"
            await asyncio.wait_for(alice.client.wait_sent(message.id), PATIENCE)
            assert await bob.reads(2) == ["before", "during"]
