"""Two people on a whole server, over both transports: keys, gateway, router, SQLite, sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from signet.client import (
    Client,
    ConnectionState,
    DecryptionFailed,
    Kind,
    MessageReceived,
    Online,
    PresenceChanged,
    Status,
    TypingChanged,
)
from signet.client.client import Transport
from signet.client.errors import DeviceRemoved, NotFound, SendRefused, UserNameTaken
from signet.core.ids import UserId
from signet.e2e import SessionRecord
from signet.standalone import Standalone
from tests.support.people import Person, running
from tests.support.server import server


@dataclass
class Place:
    """A server and a folder of stores."""

    running: Standalone
    folder: Path
    transport: Transport

    async def register(self, name: str) -> Client:
        return await Client.register(
            server=self.running.addresses.rest,
            store=self.folder / name,
            user_name=name,
            transport=self.transport,
        )


@pytest.fixture(params=["websocket", "grpc"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with server(tmp_path / "data") as started:
        yield Place(started, tmp_path, request.param)


@asynccontextmanager
async def talking(place: Place, *names: str) -> AsyncIterator[list[Person]]:
    """People who are registered and online."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running(await place.register(name))) for name in names
        ]


async def test_two_people_talk_with_ticks(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        to_bob = await alice.client.find("bob")
        message = await alice.client.send(to_bob, "hello bob")
        assert await bob.reads(1) == ["hello bob"]
        await alice.client.wait_status(message.id, Status.DELIVERED)
        await bob.client.mark_read(alice.client.user_id)
        await alice.client.wait_status(message.id, Status.READ)
        await bob.client.send(alice.client.user_id, "hello alice")
        assert await alice.reads(1) == ["hello alice"]
        assert await alice.client.safety_number(to_bob) == await bob.client.safety_number(
            alice.client.user_id
        )


async def test_a_hundred_messages_each_way_arrive_in_order(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = alice.client.user_id, bob.client.user_id
        await alice.client.send(b, "hi")
        await bob.reads(1)
        await bob.client.send(a, "hi")
        await alice.reads(1)
        for number in range(50):  # within the burst of a device's bucket
            await alice.client.send(b, str(number))
            await bob.client.send(a, str(number))
        assert await bob.reads(51) == ["hi", *map(str, range(50))]
        assert await alice.reads(51) == ["hi", *map(str, range(50))]


async def test_more_than_the_bucket_holds_is_slowed_down_and_not_lost(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = alice.client.user_id, bob.client.user_id
        await alice.client.send(b, "hi")
        await bob.reads(1)
        await bob.client.send(a, "hi")
        await alice.reads(1)
        for number in range(62):
            await alice.client.send(b, str(number))
        async with asyncio.timeout(30):
            await bob.until(lambda: len(texts(bob)) == 63)
        assert texts(bob) == ["hi", *map(str, range(62))]


def texts(person: Person) -> list[str]:
    return [e.message.text for e in person.told if isinstance(e, MessageReceived)]


async def test_what_is_sent_while_somebody_is_away_waits_for_them(place: Place) -> None:
    bob_client = await place.register("bob")
    bob_id = bob_client.user_id
    await bob_client.stop()
    async with talking(place, "alice") as (alice,):
        for number in range(8):
            message = await alice.client.send(bob_id, str(number))
        await alice.client.wait_sent(message.id)
        again = await Client.open(store=place.folder / "bob")
        async with running(again) as bob:
            assert await bob.reads(8) == [str(number) for number in range(8)]
            await alice.client.wait_status(message.id, Status.DELIVERED)


async def test_the_server_restarts_and_nobody_misses_anything(tmp_path: Path) -> None:
    async with server(tmp_path / "data") as first:
        place = Place(first, tmp_path, "websocket")
        alice, bob = await place.register("alice"), await place.register("bob")
        async with running(alice):
            sent = await alice.send(bob.user_id, "before")
            await alice.wait_sent(sent.id)
        ports = {
            f"{name}_port": int(address.rsplit(":", 1)[1].split("/")[0])
            for name, address in (
                ("rest", first.addresses.rest),
                ("websocket", first.addresses.websocket),
                ("grpc", first.addresses.grpc),
            )
        }
        await bob.stop()
    async with server(tmp_path / "data", **ports):
        alice = await Client.open(store=tmp_path / "alice")
        bob = await Client.open(store=tmp_path / "bob")
        async with running(alice), running(bob) as b:
            await alice.send(bob.user_id, "after")
            assert await b.reads(2) == ["before", "after"]


async def test_typing_and_presence_reach_those_who_look(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = alice.client.user_id, bob.client.user_id
        await alice.client.send(b, "hi")
        await bob.reads(1)
        await alice.client.watch([b])
        (seen, *_) = await alice.hears(PresenceChanged)
        assert (seen.peer, seen.status) == (b, Online.ONLINE)
        await alice.client.typing(b)
        (typing,) = await bob.hears(TypingChanged)
        assert (typing.peer, typing.started) == (a, True)
        await bob.client.stop()
        seen = (await alice.hears(PresenceChanged, 2))[-1]
        assert seen.status is Online.OFFLINE
        assert seen.last_seen_ms > 0


async def test_a_blocked_sender_sees_what_an_offline_recipient_gives(place: Place) -> None:
    async with talking(place, "alice", "bob", "carol") as (alice, bob, carol):
        b = bob.client.user_id
        await bob.client.block(alice.client.user_id)
        unseen = await alice.client.send(b, "are you there?")
        await alice.client.wait_sent(unseen.id)
        await carol.client.send(b, "hello")
        assert await bob.reads(1) == ["hello"]
        assert (await alice.client.message(unseen.id)).status is Status.SENT
        await bob.client.unblock(alice.client.user_id)
        seen = await alice.client.send(b, "and now?")
        await alice.client.wait_status(seen.id, Status.DELIVERED)
        assert await bob.reads(2) == ["hello", "and now?"]


async def test_a_lost_session_is_repaired(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = alice.client.user_id, bob.client.user_id
        await alice.client.send(b, "first")
        await bob.reads(1)
        await bob.client.send(a, "back")
        await alice.reads(1)
        await bob.client._store.run(lambda tx: tx.peers.put_session(a, 1, SessionRecord()))
        await alice.client.send(b, "lost")
        await bob.hears(DecryptionFailed)
        assert await bob.reads(2) == ["first", "lost"]
        kinds = [message.kind for message in await bob.client.history(a)]
        assert kinds == [Kind.TEXT, Kind.TEXT, Kind.TEXT]


async def test_a_newer_stream_displaces_an_older_one(place: Place) -> None:
    await (await place.register("alice")).stop()
    for suffix in ("", ".key"):
        copy = place.folder / f"copy{suffix}"
        copy.write_bytes((place.folder / f"alice{suffix}").read_bytes())
    original = await Client.open(store=place.folder / "alice")
    newer = await Client.open(store=place.folder / "copy")
    await newer._store.run(lambda tx: tx.settings.raise_counter(10))
    async with running(original) as first, running(newer):
        await first.until(lambda: original.state is ConnectionState.DISPLACED)


async def test_a_removed_device_is_closed_for_good(place: Place) -> None:
    async with talking(place, "alice") as (alice,):
        await alice.client.remove_device(alice.client.device_id)
        await alice.until(lambda: alice.client.state is ConnectionState.REMOVED)
        with pytest.raises(DeviceRemoved):
            await alice.client.wait_online()


async def test_names_are_taken_once_and_hidden_unless_findable(place: Place) -> None:
    async with talking(place, "alice") as (alice,):
        with pytest.raises(UserNameTaken):
            await Client.register(
                server=place.running.addresses.rest, store=place.folder / "x", user_name="Alice"
            )
        hidden = await Client.register(
            server=place.running.addresses.rest,
            store=place.folder / "y",
            user_name="hidden",
            findable=False,
        )
        for name in ("hidden", "nobody"):
            with pytest.raises(NotFound):
                await alice.client.find(name)
        await hidden.stop()


async def test_keys_are_handed_out_once_and_refilled(place: Place) -> None:
    bob = await place.register("bob")
    await bob.stop()
    async with talking(place, "alice") as (alice,):
        message = await alice.client.send(bob.user_id, "hi")
        await alice.client.wait_sent(message.id)
    again = await Client.open(store=place.folder / "bob")
    async with running(again) as b:
        assert await b.reads(1) == ["hi"]
        stock = await again.refresh_keys()
        assert stock.pre_keys >= 99


async def test_a_send_to_nobody_fails_for_good(place: Place) -> None:
    async with talking(place, "alice") as (alice,):
        message = await alice.client.send(UserId(bytes(16)), "anybody?")
        with pytest.raises(SendRefused):
            await alice.client.wait_sent(message.id)


async def test_the_pages_say_that_it_is_well(place: Place) -> None:
    async with httpx.AsyncClient(base_url=place.running.addresses.admin) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        assert "signet_delivery_seconds" in (await http.get("/metrics")).text
