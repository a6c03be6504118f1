"""Uploads in virtual time: what is tried again, when, and what is given up."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import pytest

from signet.client.device_store import DeviceStore, Tx
from signet.client.environment import Environment
from signet.client.errors import ServerUnreachable, refusal
from signet.client.events import Kept, Kind, SendFailed, Status
from signet.client.media.attachment import Attachment, to_wire
from signet.client.media.progress import Progress
from signet.client.media.tickets import Part, Tickets, Upload
from signet.client.media.transfer import Moved, Transfer, UrlRefused
from signet.client.media.uploads import Uploads
from signet.client.sealing import Self
from signet.client.store.messages import Line
from signet.client.store.outgoing import Row
from signet.client.store.uploads import Uploading
from signet.core.errors import Code
from signet.core.ids import MessageId, UserId
from signet.core.limits import RETRY_LIMIT
from signet.e2e.attachments import sealed_size
from signet.v1.content_pb2 import Content, Text
from tests.support.virtual_time import in_virtual_time

T = TypeVar("T")
ME, BOB, PICTURE = UserId(b"m" * 16), UserId(b"b" * 16), MessageId(b"p" * 16)
SIZE = sealed_size(1_000)


@dataclass
class Server:
    """Tickets and Transfer; `fails` is what the next calls of a name raise, in order."""

    fails: dict[str, list[Exception]] = field(default_factory=dict)
    there: set[int] = field(default_factory=set)
    tickets: int = 0
    calls: list[str] = field(default_factory=list)

    async def create(self, size: int) -> Upload:
        assert size == SIZE
        self._call("create")
        self.tickets += 1
        self.there.clear()
        return self._upload(f"ticket {self.tickets}")

    async def look(self, ticket: str) -> Upload:
        self._call("look")
        return self._upload(ticket)

    async def complete(self, ticket: str) -> None:
        self._call("complete")
        assert self.there == {0, 1}

    async def put(self, part: Part, file: Path, moved: Moved) -> None:
        if not file.exists():
            raise FileNotFoundError(file)
        self._call(f"put {part.index}")
        self.there.add(part.index)
        moved(part.size)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if waiting := self.fails.get(name):
            raise waiting.pop(0)

    def _upload(self, ticket: str) -> Upload:
        urls = ["" if index in self.there else "url" for index in range(2)]
        parts = (Part(0, 0, 800, urls[0]), Part(1, 800, SIZE - 800, urls[1]))
        return Upload(ticket, "name", parts)


@dataclass
class World:
    """One upload that waits, and what became of it."""

    store: DeviceStore
    server: Server
    environment: Environment
    sent: list[Row] = field(default_factory=list)
    told: list[Kept] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # by either

    def uploads(self) -> Uploads:
        me = cast("Self", _Me(ME, self.environment))

        def queue(tx: Tx, to: UserId, content: Content, message_id: MessageId) -> list[Row]:
            return [Row(to, 1, message_id, 0.0, content)]

        return Uploads(
            self.store,
            me,
            cast("Tickets", self.server),
            cast("Transfer", self.server),
            queue=queue,
            sent=self._sent,
            tell=lambda _, event: event,
            emit=self._told,
        )

    def _sent(self, rows: Sequence[Row]) -> None:
        self.sent += rows
        self.ended.set()

    def _told(self, event: Kept) -> None:
        self.told.append(event)
        self.ended.set()


@dataclass(frozen=True)
class _Me:
    user: UserId
    environment: Environment


@dataclass
class Inline:
    """A device store without its thread: virtual time waits for none."""

    store: DeviceStore
    media: Path

    async def run(self, job: Callable[[Tx], T]) -> T:
        return self.store.run_now(job)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    def clock() -> float:
        return asyncio.get_running_loop().time()

    environment = Environment(now=clock, monotonic=clock, chance=lambda: 0.5)
    store = DeviceStore.open(tmp_path / "store", None, environment.randomness, create=True)
    body = Text(attachments=[to_wire(Attachment("", bytes(64), bytes(32), 1_000))])
    line = Line(PICTURE, BOB, ME, Kind.TEXT, True, Status.PENDING, 0, 0, body)

    def write(tx: Tx) -> None:
        tx.messages.put(line)
        tx.uploads.add(Uploading(PICTURE, BOB, 0.0, Content(text=body)))

    store.run_now(write)
    made = World(cast("DeviceStore", Inline(store, store.media)), Server(), environment)
    file = made.uploads().file(PICTURE)
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(SIZE))
    yield made
    asyncio.run(store.close())


async def ended(world: World) -> Uploads:
    uploads = world.uploads()
    await uploads.start()
    await world.ended.wait()
    await uploads.close()
    return uploads


@in_virtual_time
async def test_what_waits_is_put_and_then_sent_with_its_pointer(world: World) -> None:
    told: list[Progress] = []
    uploads = world.uploads()
    uploads.added(PICTURE, told.append)
    await uploads.start()
    await world.ended.wait()
    await uploads.close()
    assert world.server.calls == ["create", "put 0", "put 1", "complete"]
    [row] = world.sent
    assert (row.id, row.content.text.attachments[0].pointer) == (PICTURE, "name")
    assert [at.done for at in told] == [0, 800, SIZE]
    assert not uploads.file(PICTURE).exists()
    assert await world.store.run(lambda tx: tx.uploads.all()) == []


@pytest.mark.parametrize(
    "failure",
    [
        ServerUnreachable("cut"),
        UrlRefused(),
        PermissionError("busy"),
        *map(
            refusal,
            (
                Code.STORE_UNAVAILABLE,
                Code.RATE_LIMITED,
                Code.INTERNAL,
                Code.MEDIA_INCOMPLETE,
                Code.MEDIA_WRONG_LENGTH,
            ),
        ),
    ],
    ids=str,
)
@in_virtual_time
async def test_what_may_succeed_later_is_tried_again_with_the_same_ticket(
    world: World, failure: Exception
) -> None:
    world.server.fails = {"complete": [failure]}
    await ended(world)
    assert asyncio.get_running_loop().time() == pytest.approx(0.25)  # half of the first back-off
    assert world.server.calls[3:] == ["complete", "look", "complete"]
    assert (world.server.tickets, len(world.sent)) == (1, 1)


@in_virtual_time
async def test_only_what_is_missing_is_put_again(world: World) -> None:
    world.server.fails = {"put 1": [ServerUnreachable("cut"), ServerUnreachable("cut")]}
    await ended(world)
    assert world.server.calls.count("put 0") == 1
    assert world.server.calls.count("put 1") == 3
    assert len(world.sent) == 1


@in_virtual_time
async def test_the_server_says_when_to_come_back(world: World) -> None:
    world.server.fails = {"create": [refusal(Code.RATE_LIMITED, "", 600.0)]}
    await ended(world)
    assert asyncio.get_running_loop().time() == pytest.approx(600.25)


@in_virtual_time
async def test_a_stream_that_is_open_again_ends_the_waiting(world: World) -> None:
    world.server.fails = {"create": [refusal(Code.RATE_LIMITED, "", 600.0)]}
    uploads = world.uploads()
    await uploads.start()
    await asyncio.sleep(10)
    uploads.hurry()
    await world.ended.wait()
    await uploads.close()
    assert asyncio.get_running_loop().time() == pytest.approx(10)


@in_virtual_time
async def test_a_ticket_that_is_over_is_replaced_and_all_is_put_anew(world: World) -> None:
    world.server.fails = {
        "complete": [ServerUnreachable("cut")],
        "look": [refusal(Code.MEDIA_TICKET_REFUSED)],
    }
    await ended(world)
    again = ["create", "put 0", "put 1", "complete"]
    assert world.server.calls == [*again, "look", *again]
    assert (world.server.tickets, len(world.sent)) == (2, 1)


@pytest.mark.parametrize("code", [Code.MEDIA_TOO_LARGE, Code.UNSUPPORTED_FRAME, Code.FORBIDDEN])
@in_virtual_time
async def test_what_is_refused_for_good_is_told(world: World, code: Code) -> None:
    world.server.fails = {"create": [refusal(code)]}
    uploads = await ended(world)
    assert world.told == [SendFailed(peer=BOB, message_id=PICTURE, code=code)]
    await gone(world, uploads)


@in_virtual_time
async def test_what_is_not_taken_for_long_is_given_up(world: World) -> None:
    world.server.fails = {"create": [refusal(Code.OVERLOADED, "", 3_600.0)] * 1_000}
    uploads = await ended(world)
    assert RETRY_LIMIT < asyncio.get_running_loop().time() < RETRY_LIMIT + 2 * 3_600
    assert world.told == [SendFailed(peer=BOB, message_id=PICTURE, code=None)]
    await gone(world, uploads)


@in_virtual_time
async def test_a_ciphertext_that_somebody_took_away_is_given_up(world: World) -> None:
    world.uploads().file(PICTURE).unlink()
    uploads = await ended(world)
    assert world.told == [SendFailed(peer=BOB, message_id=PICTURE, code=None)]
    await gone(world, uploads)


async def gone(world: World, uploads: Uploads) -> None:
    message = await world.store.run(lambda tx: tx.messages.get(PICTURE, ME))
    assert message is not None
    assert message.status is Status.FAILED
    assert await world.store.run(lambda tx: tx.uploads.all()) == []
    assert not uploads.file(PICTURE).exists()
    assert world.sent == []


@in_virtual_time
async def test_what_a_crash_left_is_thrown_away_and_what_is_being_made_is_not(
    world: World,
) -> None:
    uploads = world.uploads()
    making, left = MessageId(b"n" * 16), MessageId(b"l" * 16)
    for path in (uploads.begin(making), uploads.file(left)):
        path.write_bytes(b"half")
        path.with_name(path.name + ".new").write_bytes(b"half")
    await uploads.start()
    await uploads.close()
    assert {path.name.partition(".")[0] for path in uploads.file(left).parent.iterdir()} == {
        making.hex(),
        PICTURE.hex(),
    }


@in_virtual_time
async def test_what_was_taken_back_meanwhile_is_not_sent(world: World) -> None:
    await world.store.run(lambda tx: tx.messages.take_back(PICTURE, ME, BOB))
    await ended(world)
    assert world.sent == []
    assert await world.store.run(lambda tx: tx.uploads.all()) == []


@in_virtual_time
async def test_a_ticket_is_kept_over_a_restart(world: World) -> None:
    world.server.fails = {"put 1": [ServerUnreachable("cut")]}
    uploads = world.uploads()
    await uploads.start()
    await asyncio.sleep(0.01)
    await uploads.close()
    [row] = await world.store.run(lambda tx: tx.uploads.all())
    assert row.ticket == "ticket 1"
    await ended(world)
    assert world.server.tickets == 1
