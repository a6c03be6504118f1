"""A picture goes from one person to another, whatever breaks on its way."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from signet import testing
from signet.client import (
    Attachment,
    AttachmentDamaged,
    AttachmentGone,
    Client,
    Environment,
    Kind,
    Message,
    MessageReceived,
    Progress,
    SendFailed,
    SendRefused,
    Status,
)
from signet.client.client import Transport
from signet.client.errors import ContentTooLarge, MediaTooLarge
from signet.cluster.parts import COUNTS
from signet.core.errors import Code
from signet.core.limits import BLOB_PART
from signet.e2e.attachments import sealed_size
from signet.ports.members import Kind as PodKind
from tests.support.cut_http import CutHttp
from tests.support.lanes import Server, s3
from tests.support.local_cluster import cluster, register
from tests.support.people import Person, running

MIB = 1024 * 1024
SIZE = 30 * MIB  # four parts
PARTS = -(-sealed_size(SIZE) // BLOB_PART)


@dataclass
class World:
    """A server, and people whose HTTP a test has in its hand."""

    folder: Path
    settings: dict[str, object] = field(default_factory=dict)
    http: CutHttp = field(default_factory=CutHttp)
    server: testing.Server | None = None
    chance: float = 0.0  # of back-offs

    @property
    def running(self) -> testing.Server:
        assert self.server is not None
        return self.server

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Again on the same ports, as after a restart."""
        async with testing.server(self.folder, **self.settings) as self.server:
            urls = self.server.addresses
            for name, url in (
                ("websocket", urls.websocket),
                ("grpc", urls.grpc),
                ("rest", urls.rest),
            ):
                self.settings[f"{name}_port"] = int(url.rpartition(":")[2].partition("/")[0])
            yield

    async def register(self, name: str, transport: Transport = "websocket") -> Client:
        return await Client.register(
            server=self.running.addresses.rest,
            store=self.folder / name,
            user_name=name,
            transport=transport,
            environment=Environment(http=self.http, chance=lambda: self.chance),
        )

    async def open(self, name: str) -> Client:
        self.http = CutHttp()
        environment = Environment(http=self.http, chance=lambda: 0.0)
        return await Client.open(store=self.folder / name, environment=environment)

    def picture(self, size: int = SIZE) -> Path:
        path = self.folder / "picture.jpg"
        path.write_bytes(os.urandom(size))
        return path

    def blobs(self, ending: str = "") -> list[Path]:
        """Blobs in the folder of the server, but for marks that they are complete."""
        return sorted(self.folder.glob(f"server/blobs/blobs/*-*-????{ending}"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    async with made.up():
        yield made


async def sent(alice: Client, to: Client, picture: Path) -> Message:
    message = await alice.send_attachment(to.user_id, picture, media_type="image/jpeg")
    await alice.wait_sent(message.id)
    return message


async def received(bob: Person) -> Attachment:
    [event] = await bob.hears(MessageReceived)
    [attachment] = event.message.attachments
    return attachment


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob("*.media/*/*"))


@pytest.mark.parametrize(
    ("store", "transport"),
    [
        ("folder", "websocket"),
        ("folder", "grpc"),
        pytest.param("s3", "websocket", marks=pytest.mark.lane("s3")),
    ],
)
async def test_a_picture_arrives_as_it_was_sent(
    request: pytest.FixtureRequest, tmp_path: Path, store: str, transport: Transport
) -> None:
    world = World(tmp_path)
    if store == "s3":
        url = request.getfixturevalue("s3_server").url
        login = f"{s3.ACCESS}:{s3.SECRET}@{s3.BUCKET}"
        world.settings["blobs"] = f"s3://{login}?region={s3.REGION}&endpoint=http://{url}"
    async with world.up():
        alice, bob = (
            await world.register("alice", transport),
            await world.register("bob", transport),
        )
        async with running(alice), running(bob) as b:
            picture, told = world.picture(), list[Progress]()
            message = await alice.send_attachment(
                bob.user_id, picture, thumbnail=b"small", text="look", progress=told.append
            )
            assert (message.text, message.status) == ("look", Status.PENDING)
            await alice.wait_sent(message.id)
            total = sealed_size(SIZE)
            assert (told[0], told[-1]) == (Progress(0, total), Progress(total, total))
            found, to = await received(b), world.folder / "got.jpg"
            assert (found.file_name, found.size, found.thumbnail) == ("picture.jpg", SIZE, b"small")
            back = list[Progress]()
            await bob.download(found, to, back.append)
            assert (back[0], back[-1]) == (Progress(0, total), Progress(total, total))
            assert to.read_bytes() == picture.read_bytes()
            assert leftovers(world.folder) == []
            [own] = (await alice.message(message.id)).attachments
            assert own == found


async def test_the_store_sees_no_byte_of_it_and_no_length(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice), running(bob) as b:
        picture = world.folder / "text.txt"
        picture.write_bytes(b"nobody else shall read this" * 100)
        await sent(alice, bob, picture)
        stored = [path.read_bytes() for path in world.blobs()]
        assert len(stored) == 1
        assert b"nobody" not in stored[0]
        assert len(stored[0]) == sealed_size(2_700) > 2_700
        await bob.download(await received(b), world.folder / "got")
        assert (world.folder / "got").read_bytes() == picture.read_bytes()


async def test_an_upload_that_was_cut_goes_on_with_what_is_missing(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice), running(bob) as b:
        picture = world.picture()
        world.http.puts.extend([MIB, 3 * MIB])  # two of the first three parts are cut
        await sent(alice, bob, picture)
        puts = [path for method, path, _ in world.http.asked if method == "PUT"]
        assert len(set(puts)) == PARTS
        assert len(puts) > PARTS
        await bob.download(await received(b), world.folder / "got")
        assert (world.folder / "got").read_bytes() == picture.read_bytes()


async def test_a_download_that_was_cut_goes_on_by_range(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice), running(bob) as b:
        picture = world.picture()
        await sent(alice, bob, picture)
        world.http.gets.extend([MIB, 2 * MIB, MIB])
        await bob.download(await received(b), world.folder / "got")
        assert (world.folder / "got").read_bytes() == picture.read_bytes()
        assert any(asked for method, _, asked in world.http.asked if method == "GET")


async def test_an_upload_goes_on_when_the_server_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world.up():
        alice, bob = await world.register("alice"), await world.register("bob")
        await alice.start()
        picture = world.picture()
        world.http.gate.clear()
        message = await alice.send_attachment(bob.user_id, picture)
        await world.http.stands.wait()
    assert (await alice.message(message.id)).status is Status.PENDING
    world.http.gate.set()
    async with world.up(), running(bob) as b:
        await alice.wait_sent(message.id)
        await bob.download(await received(b), world.folder / "got")
        assert (world.folder / "got").read_bytes() == picture.read_bytes()
    await alice.stop()


async def test_an_upload_goes_on_after_the_client_died_and_its_source_is_gone(
    world: World,
) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    await alice.start()
    picture = world.picture()
    data = picture.read_bytes()
    world.http.gate.clear()
    message = await alice.send_attachment(bob.user_id, picture)
    await world.http.stands.wait()
    await alice.stop()
    picture.unlink()
    alice = await world.open("alice")
    bob_again = await Client.open(store=await _closed(bob, world.folder / "bob"))
    async with running(alice), running(bob_again) as b:
        await alice.wait_sent(message.id)
        await bob_again.download(await received(b), world.folder / "got")
    assert (world.folder / "got").read_bytes() == data
    assert len(world.blobs()) == PARTS  # no second ticket
    assert leftovers(world.folder) == []


async def _closed(client: Client, store: Path) -> Path:
    await client.stop()
    return store


async def test_a_download_goes_on_after_the_client_died(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice):
        picture = world.picture()
        async with running(bob) as b:
            await sent(alice, bob, picture)
            found = await received(b)
            half = asyncio.Event()
            loading = asyncio.create_task(
                bob.download(found, world.folder / "got", lambda at: _set_beyond(half, at))
            )
            await half.wait()
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
        assert not (world.folder / "got").exists()
        bob = await world.open("bob")
        async with running(bob):
            told = list[Progress]()
            await bob.download(found, world.folder / "got", told.append)
            assert told[0].done > 0  # what had come is not asked for again
    assert (world.folder / "got").read_bytes() == picture.read_bytes()


def _set_beyond(event: asyncio.Event, at: Progress) -> None:
    if at.done > 4 * MIB:
        event.set()


async def test_what_was_changed_in_the_store_is_never_written(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice), running(bob) as b:
        await sent(alice, bob, world.picture(100_000))
        [stored] = world.blobs()
        right = stored.read_bytes()
        stored.write_bytes(right[:50_000] + bytes([right[50_000] ^ 1]) + right[50_001:])
        to = world.folder / "got"
        to.write_bytes(b"what was there")
        with pytest.raises(AttachmentDamaged):
            await bob.download(await received(b), to)
        assert to.read_bytes() == b"what was there"
        assert leftovers(world.folder) == []
        assert not list(world.folder.glob(".got*"))
        stored.write_bytes(right)  # nothing damaged is kept for the next time
        await bob.download(await received(b), to)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"x"], ids=["shorter", "longer"]
)
async def test_a_blob_of_another_length_is_never_written(
    world: World, damage: Callable[[bytes], bytes]
) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice), running(bob) as b:
        await sent(alice, bob, world.picture(100_000))
        [stored] = world.blobs()
        stored.write_bytes(damage(stored.read_bytes()))
        found = await received(b)
        with pytest.raises(Exception, match="store") as error:
            await bob.download(found, world.folder / "got")
        assert type(error.value).__name__ in {"AttachmentDamaged", "ServerUnreachable"}
        assert not (world.folder / "got").exists()


async def test_a_blob_that_is_over_is_gone(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice), running(bob) as b:
        await sent(alice, bob, world.picture(1_000))
        for path in world.folder.glob("server/blobs/blobs/*"):
            path.unlink()
        with pytest.raises(AttachmentGone):
            await bob.download(await received(b), world.folder / "got")


async def test_a_ticket_that_is_refused_is_replaced_by_another(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    picture = world.picture(1_000)
    message = await alice.send_attachment(bob.user_id, picture)  # not started: it waits
    await alice._store.run(lambda tx: tx.uploads.put_ticket(message.id, "of last week"))
    async with running(alice), running(bob) as b:
        await alice.wait_sent(message.id)
        await bob.download(await received(b), world.folder / "got")
    assert (world.folder / "got").read_bytes() == picture.read_bytes()


async def test_a_part_of_a_wrong_length_at_completion_is_put_again(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")

    async def shorten() -> None:
        [part] = world.blobs()
        part.write_bytes(part.read_bytes()[:-1])

    world.http.hooks["/v1/media/complete"] = shorten
    async with running(alice), running(bob) as b:
        picture = world.picture(100_000)
        await sent(alice, bob, picture)
        assert len([method for method, *_ in world.http.asked if method == "PUT"]) == 2
        await bob.download(await received(b), world.folder / "got")
    assert (world.folder / "got").read_bytes() == picture.read_bytes()


async def test_a_file_that_is_too_large_is_refused_by_name(tmp_path: Path) -> None:
    world = World(tmp_path, {"media_bytes": 50_000})
    async with world.up():
        alice, bob = await world.register("alice"), await world.register("bob")
        async with running(alice) as a:
            message = await alice.send_attachment(bob.user_id, world.picture(100_000))
            with pytest.raises(SendRefused) as refused:
                await alice.wait_sent(message.id)
            assert refused.value.code is Code.MEDIA_TOO_LARGE
            [failed] = await a.hears(SendFailed)
            assert (failed.message_id, failed.code) == (message.id, Code.MEDIA_TOO_LARGE)
            assert (await alice.message(message.id)).status is Status.FAILED
            assert leftovers(world.folder) == []
            await sent(alice, bob, world.picture(50_000))  # just so much is taken
        await bob.stop()


async def test_a_file_that_no_server_takes_is_refused_before_it_is_encrypted(
    world: World,
) -> None:
    alice = await world.register("alice")
    huge = world.folder / "huge"
    with huge.open("wb") as file:
        file.truncate(101 * MIB)
    async with running(alice):
        with pytest.raises(MediaTooLarge):
            await alice.send_attachment(alice.user_id, huge)
    assert leftovers(world.folder) == []


async def test_a_picture_that_is_taken_back_before_it_is_there_is_not_sent(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice), running(bob) as b:
        world.http.gate.clear()
        message = await alice.send_attachment(bob.user_id, world.picture(SIZE))
        await world.http.stands.wait()
        await alice.delete(message.id)
        world.http.gate.set()
        await sent(alice, bob, world.picture(10))
        assert (await received(b)).size == 10
        assert (await alice.message(message.id)).kind is Kind.DELETED


async def test_pieces_of_a_file_are_sent_as_they_come(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(1_000):
            yield f"line {number}\n".encode()

    async with running(alice), running(bob) as b:
        message = await alice.send_attachment(bob.user_id, pieces(), file_name="lines.txt")
        await alice.wait_sent(message.id)
        found = await received(b)
        await bob.download(found, world.folder / "got")
    assert (found.file_name, found.media_type) == ("lines.txt", "")
    assert (world.folder / "got").read_text().splitlines()[-1] == "line 999"


async def test_a_download_goes_on_when_the_server_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path, chance=0.99)
    async with world.up():
        alice, bob = await world.register("alice"), await world.register("bob")
        await bob.start()
        async with running(alice):
            picture = world.picture()
            await sent(alice, bob, picture)
        async for event in bob.events():
            if isinstance(event, MessageReceived):
                [found] = event.message.attachments
                break
        half = asyncio.Event()
        world.http.gets.extend([2 * MIB] * PARTS)  # every part is cut once
        loading = asyncio.create_task(
            bob.download(found, world.folder / "got", lambda at: _set_beyond(half, at))
        )
        await half.wait()
    async with world.up():
        await loading
    assert (world.folder / "got").read_bytes() == picture.read_bytes()
    await bob.stop()


async def test_a_text_and_a_thumbnail_must_go_into_a_message(world: World) -> None:
    alice = await world.register("alice")
    for text, thumbnail in (("x" * 20_000, bytes(10_000)), ("", bytes(16 * 1024 + 1))):
        with pytest.raises(ContentTooLarge):
            await alice.send_attachment(
                alice.user_id, world.picture(10), text=text, thumbnail=thumbnail
            )
    with pytest.raises(ValueError, match="media type"):
        await alice.send_attachment(alice.user_id, world.picture(10), media_type="a picture")
    assert leftovers(world.folder) == []
    await alice.stop()


@pytest.mark.lane("s3")
async def test_an_upload_goes_on_when_s3_comes_back(tmp_path: Path, s3_server: Server) -> None:
    world = World(tmp_path)
    login = f"{s3.ACCESS}:{s3.SECRET}@{s3.BUCKET}"
    where = f"region={s3.REGION}&endpoint=http://{s3_server.url}"
    world.settings["blobs"] = f"s3://{login}?{where}"
    async with world.up():
        alice, bob = await world.register("alice"), await world.register("bob")
        async with running(alice), running(bob) as b:
            picture = world.picture()
            world.http.gate.clear()
            message = await alice.send_attachment(bob.user_id, picture)
            await world.http.stands.wait()
            s3_server.kill()
            world.http.gate.set()
            await asyncio.to_thread(s3_server.restart)
            await alice.wait_sent(message.id)
            await bob.download(await received(b), world.folder / "got")
    assert (world.folder / "got").read_bytes() == picture.read_bytes()


@pytest.mark.timeout(240)
async def test_keys_processes_of_one_machine_share_their_blobs(tmp_path: Path) -> None:
    async with cluster(tmp_path, {**COUNTS, PodKind.KEYS: 2}) as at:
        alice = await register(at, tmp_path, "alice")
        bob = await Client.register(
            server=at.entries.rest[1], store=tmp_path / "bob", user_name="bob"
        )
        async with running(alice), running(bob) as b:
            picture = tmp_path / "picture.jpg"
            picture.write_bytes(os.urandom(9 * MIB))
            await sent(alice, bob, picture)
            await bob.download(await received(b), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == picture.read_bytes()
