"""People with several devices, on a whole server, over both transports: linked, synced, removed."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from signet.adapters.directory_sql import open_directory
from signet.client import (
    Client,
    ConnectionState,
    DeviceAdded,
    DeviceDropped,
    LinkOver,
    Message,
    MessageReceived,
    MessageSynced,
    NotALink,
    Profile,
    ProfileChanged,
    Status,
)
from signet.client.client import Transport
from signet.client.errors import DeviceLimit, DeviceRemoved
from signet.core.limits import MAX_DEVICES
from signet.standalone import Standalone
from tests.support.directories import a_device
from tests.support.people import Person, running
from tests.support.server import server


@dataclass
class Place:
    """A server, a folder of stores, and everybody who is online."""

    running: Standalone
    folder: Path
    transport: Transport
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def register(self, name: str) -> Person:
        client = await Client.register(
            server=self.running.addresses.rest,
            store=self.folder / name,
            user_name=name,
            device_name="phone",
            transport=self.transport,
        )
        return await self.stack.enter_async_context(running(client))

    async def link(self, old: Person, name: str) -> Client:
        """A new device of somebody, let in by one that they have; not online yet."""
        async with await Client.link(
            server=self.running.addresses.rest,
            store=self.folder / f"{old.client.user_name}-{name}",
            device_name=name,
            transport=self.transport,
        ) as linking:
            code = asyncio.create_task(linking.code())
            request = await old.client.read_link(linking.link)
            assert (request.device_name, request.code) == (name, await code)
            made = asyncio.create_task(linking.client())
            device = await request.approve()
            client = await made
        assert client.device_id == device
        return client

    async def linked(self, old: Person, name: str) -> Person:
        client = await self.link(old, name)
        return await self.stack.enter_async_context(running(client))


@pytest.fixture(params=["websocket", "grpc"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with server(tmp_path / "data") as started:
        place = Place(started, tmp_path, request.param)
        async with place.stack:
            yield place


def texts(person: Person) -> list[str]:
    """All that a device was told of, in order: others' messages, and its own from elsewhere."""
    told = [e for e in person.told if isinstance(e, MessageReceived | MessageSynced)]
    return [event.message.text for event in told]


async def history(client: Client, peer: Client) -> list[str]:
    return [message.text for message in await client.history(peer.user_id)]


async def says(person: Person, to: Person, text: str) -> Message:
    message = await person.client.send(to.client.user_id, text)
    await person.client.wait_sent(message.id)
    return message


async def test_a_linked_device_is_of_the_account_and_the_others_are_told(place: Place) -> None:
    phone = await place.register("alice")
    tablet = await place.linked(phone, "tablet")
    laptop = await place.linked(tablet, "laptop")
    assert (laptop.client.user_id, laptop.client.device_id) == (phone.client.user_id, 3)
    assert laptop.client.user_name == "alice"
    assert laptop.client.recovery_key is None
    assert [e.device_ids for e in await phone.hears(DeviceAdded, 2)] == [(2,), (3,)]
    await tablet.hears(DeviceAdded)
    assert [e for e in laptop.told if isinstance(e, DeviceAdded)] == []
    listed = [(one.id, one.name) for one in await laptop.client.devices()]
    assert listed == [(1, "phone"), (2, "tablet"), (3, "laptop")]
    await laptop.client.rename_device(1, "old phone")
    assert (await phone.client.devices())[0].name == "old phone"


async def test_two_people_with_three_devices_each_see_one_talk_everywhere(place: Place) -> None:
    alice, bob = await place.register("alice"), await place.register("bob")
    alices = [alice, await place.linked(alice, "tablet"), await place.linked(alice, "laptop")]
    bobs = [bob, await place.linked(bob, "tablet"), await place.linked(bob, "laptop")]
    said = []
    for number, (a, b) in enumerate(zip(alices, bobs, strict=True)):
        said += [f"alice {number}", f"bob {number}"]
        await says(a, bob, f"alice {number}")
        for device in (*alices, *bobs):
            await shows(device, bob if device in alices else alice, said[:-1])
        await says(b, alice, f"bob {number}")
        for device in (*alices, *bobs):
            await shows(device, bob if device in alices else alice, said)
    for device in (*alices, *bobs):  # each once
        assert sorted(texts(device)) == sorted(set(texts(device)))
        assert len(texts(device)) == len(said) - 1


async def shows(device: Person, peer: Person, wanted: list[str]) -> None:
    """The history of a device becomes that."""
    async with asyncio.timeout(device.patience):
        while await history(device.client, peer.client) != wanted:
            await asyncio.sleep(0.02)


async def test_a_device_that_was_off_for_the_whole_talk_catches_up(place: Place) -> None:
    alice, bob = await place.register("alice"), await place.register("bob")
    off = await place.link(bob, "tablet")
    await off.stop()
    said = []
    for number in range(5):
        said += [f"alice {number}", f"bob {number}"]
        await says(alice, bob, f"alice {number}")
        await shows(bob, alice, said[:-1])
        await says(bob, alice, f"bob {number}")
        await shows(alice, bob, said)
    async with running(await Client.open(store=place.folder / "bob-tablet")) as tablet:
        await tablet.until(lambda: len(texts(tablet)) == len(said))
        for name in ("alice", "bob"):  # copies of one's own come a little later than answers
            assert [t for t in texts(tablet) if t.startswith(name)] == [
                t for t in said if t.startswith(name)
            ]


async def test_a_removed_device_gets_nothing_more_and_the_talk_goes_on(place: Place) -> None:
    alice, bob = await place.register("alice"), await place.register("bob")
    stolen, laptop = await place.linked(bob, "stolen"), await place.linked(bob, "laptop")
    await says(alice, bob, "before")
    for device in (bob, stolen, laptop):
        assert await device.reads(1) == ["before"]
    await bob.client.remove_device(stolen.client.device_id)
    await stolen.until(lambda: stolen.client.state is ConnectionState.REMOVED)
    await laptop.hears(DeviceDropped)
    assert [e.device_ids for e in await bob.hears(DeviceDropped)] == [(2,)]
    await says(alice, bob, "after")
    await says(bob, alice, "answer")
    for device in (bob, laptop):
        await shows(device, alice, ["before", "after", "answer"])
    assert texts(stolen) == ["before"]
    with pytest.raises(DeviceRemoved):
        await stolen.client.devices()
    assert [one.id for one in await bob.client.devices()] == [1, 3]


async def test_what_is_read_on_one_device_is_read_on_the_others(place: Place) -> None:
    alice, bob = await place.register("alice"), await place.register("bob")
    tablet = await place.linked(bob, "tablet")
    await bob.client.set_privacy(read_receipts=False)  # which is between people
    message = await says(alice, bob, "hello")
    for device in (bob, tablet):
        await device.reads(1)
    await bob.client.mark_read(alice.client.user_id)
    async with asyncio.timeout(30):
        while await tablet.client.unread():
            await asyncio.sleep(0.02)
    assert (await alice.client.message(message.id)).status < Status.READ


async def test_a_new_device_knows_whom_the_old_one_trusts(place: Place) -> None:
    alice, bob = await place.register("alice"), await place.register("bob")
    found = await alice.client.find("bob")
    await says(alice, bob, "hello")
    await alice.client.verify(found)
    tablet = await place.linked(alice, "tablet")
    async with asyncio.timeout(30):
        while not await tablet.client.is_verified(found):
            await asyncio.sleep(0.02)
    assert await tablet.client.name_of(found) == "bob"
    number = await alice.client.safety_number(found)
    assert await tablet.client.safety_number(found) == number
    assert await bob.client.safety_number(alice.client.user_id) == number


async def test_a_link_that_is_refused_or_used_lets_nobody_in(place: Place) -> None:
    alice, mallory = await place.register("alice"), await place.register("mallory")
    linking = await Client.link(server=place.running.addresses.rest, store=place.folder / "new")
    async with linking:
        code = asyncio.create_task(linking.code())
        request = await alice.client.read_link(linking.link)
        await code
        with pytest.raises(LinkOver):
            await mallory.client.read_link(linking.link)
        await request.refuse()
        with pytest.raises(LinkOver):
            await linking.client()
        with pytest.raises(LinkOver):
            await alice.client.read_link(linking.link)
    assert len(await alice.client.devices()) == 1
    for text in ("", "signet:link/localhost/AAAA", linking.link.replace("localhost", "elsewhere")):
        with pytest.raises(NotALink):
            await alice.client.read_link(text)


async def test_the_seventh_device_is_refused_by_name(place: Place) -> None:
    alice = await place.register("alice")
    directory = await open_directory(
        f"sqlite:///{place.folder / 'data' / 'server' / 'directory.sqlite'}"
    )
    for _ in range(MAX_DEVICES - 1):
        await directory.add_device(alice.client.user_id, a_device())
    await directory.close()
    linking = await Client.link(server=place.running.addresses.rest, store=place.folder / "new")
    async with linking:
        with pytest.raises(DeviceLimit):
            await alice.client.read_link(linking.link)


async def test_a_backup_that_is_put_back_registers_anew_and_loses_nothing(place: Place) -> None:
    alice, bob = await place.register("alice"), await place.register("bob")
    a, b = alice.client.user_id, bob.client.user_id
    await says(alice, bob, "one")
    await says(bob, alice, "two")
    await alice.reads(1)
    before = await registration(bob)
    await bob.client.stop()
    copy_store(place.folder / "bob", place.folder / "backup")
    async with running(await Client.open(store=place.folder / "bob")) as used:
        await says(alice, used, "three")
        await used.reads(1)
        await says(used, alice, "four")
        await alice.reads(2)
    waiting = await alice.client.send(b, "five")
    await alice.client.wait_sent(waiting.id)
    async with running(await Client.open(store=place.folder / "backup")) as restored:
        async with asyncio.timeout(30):
            while "five" not in await history(restored.client, alice.client):
                await asyncio.sleep(0.02)
        assert await registration(restored) != before
        await says(restored, alice, "six")
        assert await alice.reads(3) == ["two", "four", "six"]
        await says(alice, restored, "seven")
        await shows_last(restored, alice, "seven")
        assert restored.client.state is ConnectionState.ONLINE
        assert [one.text for one in await alice.client.history(b)][-1] == "seven"
    assert a == alice.client.user_id


async def registration(person: Person) -> int:
    return (await person.client.devices())[0].registration


def copy_store(store: Path, to: Path) -> None:
    """A device store as a backup takes it: the database and its key file."""
    for suffix in ("", "-wal", ".key"):
        file = store.with_name(store.name + suffix)
        if file.exists():
            shutil.copy(file, to.with_name(to.name + suffix))


async def shows_last(device: Person, peer: Person, wanted: str) -> None:
    async with asyncio.timeout(device.patience):
        while (await history(device.client, peer.client))[-1:] != [wanted]:
            await asyncio.sleep(0.02)


async def test_what_somebody_shows_is_seen_by_those_they_write_to_on_every_device(
    place: Place,
) -> None:
    alice, bob = await place.register("alice"), await place.register("bob")
    tablet = await place.linked(bob, "tablet")
    a, b = alice.client.user_id, bob.client.user_id
    await alice.client.set_profile("Alice A.", b"a picture", "image/png")
    assert await bob.client.profile_of(a) is None
    await says(alice, bob, "hello")
    for device in (bob, tablet):
        (changed,) = await device.hears(ProfileChanged)
        assert (changed.peer, changed.name) == (a, "Alice A.")
        assert await device.client.name_of(a) == "Alice A."
        assert await device.client.profile_of(a) == Profile("Alice A.", b"a picture", "image/png")
    await alice.client.set_profile("Al")
    for device in (bob, tablet):
        assert [e.name for e in await device.hears(ProfileChanged, 2)] == ["Alice A.", "Al"]
    await tablet.client.set_profile("Bob")  # a change by one device is of the person
    assert [e.peer for e in await bob.hears(ProfileChanged, 3)][-1] == b
    laptop = await place.linked(bob, "laptop")
    await says(laptop, alice, "from the laptop")
    assert [e.name for e in await alice.hears(ProfileChanged)] == ["Bob"]
