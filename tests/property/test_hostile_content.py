"""Nobody jams another's inbox: whatever is in a message, what comes after it is shown (P2, R1).

Who writes is hostile, or broken: the contents are well-formed protobuf, encrypted as they should
be, and any number, id or length in them may be absurd. So may what a server says around them.
"""

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from signet.client import content as contents
from signet.client import event_codec, mailbox
from signet.client.device_store import DeviceStore
from signet.client.events import DecryptionFailed, Kind, MessageReceived, MessageSynced
from signet.client.mailbox import Taken
from signet.client.sealing import Bundles, Self
from signet.core.ids import MessageId, Position, UserId
from signet.core.limits import MAX_CLOCK_MS, MAX_EMOJI
from signet.e2e import (
    Address,
    Ciphertext,
    IdentityKeyPair,
    LocalDevice,
    SessionRecord,
    Version,
    encrypt,
    initiate,
)
from signet.v1 import messaging_pb2 as pb
from signet.v1.content_pb2 import Content
from tests.property.test_mailbox import ALICE, BOB, bundle, confirm, device
from tests.support.e2e_people import randomness

FIRST = MessageId(b"first text......")


@dataclass
class Writer:
    """A device with a session with Bob's."""

    local: LocalDevice
    session: SessionRecord

    def write(self, content: Content) -> pb.Envelope:
        """Encrypt; the ratchet goes on."""
        self.session, message = encrypt(
            self.session,
            contents.to_plaintext(content),
            local=self.local,
            remote=Address(BOB, 1),
            now=1e9,
        )
        return envelope(self.local.address, content, message)

    def frames(self, written: list[Content]) -> list[pb.ServerFrame]:
        """One after the other, stored behind the first text. For one copy of the store."""
        once = replace(self)
        for number, content in enumerate(written):
            content.message_id = content.message_id or number_id(number)
        return [item(number, once.write(content)) for number, content in enumerate(written, 2)]


@dataclass
class World:
    """Bob's store after one text of Alice; Alice, and another device of Bob."""

    store: Path
    bob: Self
    alice: Writer
    bobs_other: Writer

    @contextmanager
    def opened(self, randomness: Callable[[int], bytes] = os.urandom) -> Iterator[DeviceStore]:
        """A copy of the store."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bob"
            for name in ("", ".key"):
                shutil.copy(self.store.with_name(f"bob{name}"), path.with_name(f"bob{name}"))
            store = DeviceStore.open(path, None, randomness, create=False)
            try:
                yield store
            finally:
                asyncio.run(store.close())

    def take(self, store: DeviceStore, frames: list[pb.ServerFrame]) -> Taken:
        taking: Any = confirm
        return store.run_now(lambda tx: mailbox.take(tx, self.bob, frames, taking))


def number_id(number: int) -> bytes:
    return b"message %08d" % number


def envelope(sender: Address, content: Content, message: Ciphertext) -> pb.Envelope:
    return pb.Envelope(
        sender=sender.user_id,
        sender_device=sender.device_id,
        message_id=content.message_id,
        type=message.type,
        content=message.body,
    )


def item(seq: int, inside: pb.Envelope) -> pb.ServerFrame:
    at, follows = pb.Position(epoch=1, seq=seq), pb.Position(epoch=1 if seq > 1 else 0, seq=seq - 1)
    return pb.ServerFrame(item=pb.Item(position=at, follows=follows, envelope=inside))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bob"
        store, bob = device(BOB, "bob", path)
        draw = randomness("hostile")
        alices = LocalDevice(Address(ALICE, 1), IdentityKeyPair.generate(draw), 78)
        others = LocalDevice(Address(BOB, 2), bob.local.identity, 79)
        alice, other = (
            Writer(local, session(local, store.run_now(lambda tx: bundle(tx, bob))))
            for local in (alices, others)
        )
        made = World(path, bob, alice, other)
        first = text("first")
        first.message_id = FIRST
        made.take(store, [item(1, alice.write(first))])
        asyncio.run(store.close())
        yield made


def session(local: LocalDevice, bundles: Bundles) -> SessionRecord:
    (with_bob,) = bundles.devices
    return initiate(
        None,
        with_bob,
        local=local,
        remote=Address(BOB, 1),
        now=1e9,
        randomness=os.urandom,
        floor=Version.X3DH,
    )


def texts(store: DeviceStore) -> list[str]:
    """What an application would be told now, and would see in the history."""
    telling: Any = confirm
    events = store.run_now(lambda tx: event_codec.waiting(tx, telling))
    store.run_now(lambda tx: tx.messages.page(ALICE, 1000, None))
    told = [event for event in events if isinstance(event, MessageReceived | MessageSynced)]
    return [event.message.text for event in told]


def text(body: str) -> Content:
    return contents.stamped(contents.text(body, None, None, ""), MessageId(b""), 5)


# --- any protobuf that is one -------------------------------------------------------------------

NUMBERS = {
    FieldDescriptor.TYPE_UINT32: st.sampled_from([0, 1, 60, 2**31, 2**32 - 1]),
    FieldDescriptor.TYPE_UINT64: st.sampled_from([0, 5, 2**53, 2**63 - 1, 2**63, 2**64 - 1]),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
}
BYTES = st.sampled_from([b"", b"x", b"y" * 15, FIRST, ALICE, BOB, b"z" * 17, bytes(5000)])
STRINGS = st.one_of(st.text(max_size=20), st.just("\N{PILE OF POO}" * 2000))


def field(described: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    one: st.SearchStrategy[Any]
    match described.type:
        case FieldDescriptor.TYPE_MESSAGE:
            assert described.message_type is not None
            one = message(described.message_type, depth - 1)
        case FieldDescriptor.TYPE_BYTES:
            one = BYTES
        case FieldDescriptor.TYPE_STRING:
            one = STRINGS
        case _:
            one = NUMBERS[described.type]
    return st.lists(one, max_size=3) if described.is_repeated else one


@st.composite
def message(draw: st.DrawFn, described: Descriptor, depth: int) -> Message:
    """Any message of a type: of each oneof one field, of the others some."""
    fields = [
        each
        for each in described.fields
        if each.containing_oneof is None and (depth > 0 or each.message_type is None)
    ]
    chosen = draw(st.lists(st.sampled_from(fields), unique=True)) if fields else []
    if depth > 0:
        chosen += [draw(st.sampled_from(list(one.fields))) for one in described.oneofs]
    made: Message = GetMessageClass(described)()
    for each in chosen:
        value = draw(field(each, depth))
        if each.is_repeated:
            getattr(made, each.name).extend(value)
        elif each.message_type is not None:
            getattr(made, each.name).CopyFrom(value)
        else:
            setattr(made, each.name, value)
    return made


@st.composite
def hostile(draw: st.DrawFn) -> Content:
    """Known to this version and named as its envelope is: it gets past the first look."""
    content = draw(message(Content.DESCRIPTOR, 4))
    assert isinstance(content, Content)
    content.required_version = 1
    content.message_id = b""  # its number, when it is encrypted
    return content


@settings(max_examples=150, deadline=None)
@given(written=st.lists(hostile(), min_size=1, max_size=5))
def test_whatever_a_peer_writes_the_next_text_is_shown(
    world: World, written: list[Content]
) -> None:
    frames = world.alice.frames([*written, text("and on it goes")])
    with world.opened() as store:
        taken = world.take(store, frames)
        assert taken.ack == Position(1, len(frames) + 1)
        assert texts(store)[-1] == "and on it goes"


@settings(max_examples=100, deadline=None)
@given(written=st.lists(hostile(), min_size=1, max_size=3))
def test_whatever_one_of_our_devices_writes_the_history_can_be_read(
    world: World, written: list[Content]
) -> None:
    """A sync copy says what another device of ours wrote, and to whom (O5)."""
    copies = []
    for number, content in enumerate(written):
        content.message_id = number_id(number)
        copies.append(contents.stamped(contents.sync_sent(ALICE, content), MessageId(b""), 5))
    mine = contents.sync_sent(ALICE, contents.stamped(text("mine"), MessageId(b"m" * 16), 5))
    frames = world.bobs_other.frames([*copies, contents.stamped(mine, MessageId(b""), 5)])
    with world.opened() as store:
        assert world.take(store, frames).ack == Position(1, len(frames) + 1)
        assert texts(store)[-1] == "mine"


NOISE = st.builds(
    pb.Envelope,
    sender=BYTES,
    sender_device=st.sampled_from([0, 1, 127, 128, 2**32 - 1]),
    message_id=BYTES,
    type=st.sampled_from([0, 1, 2, 3, 7, 8, 2**32 - 1]),
    content=st.one_of(st.just(b""), st.binary(max_size=80)),
)


@settings(max_examples=100, deadline=None)
@given(noise=st.lists(NOISE, min_size=1, max_size=5))
def test_whatever_an_envelope_says_the_next_text_is_shown(
    world: World, noise: list[pb.Envelope]
) -> None:
    written = world.alice.frames([text("and on it goes")])[0].item.envelope
    frames = [item(seq, inside) for seq, inside in enumerate([*noise, written], 2)]
    frames += [pb.ServerFrame(fleeting=pb.Fleeting(envelope=inside)) for inside in noise]
    with world.opened() as store:
        assert world.take(store, frames).ack == Position(1, len(noise) + 2)
        assert texts(store)[-1] == "and on it goes"


# --- what is refused, and what is taken with a limit --------------------------------------------


def test_a_clock_that_nothing_can_hold_is_taken_as_the_latest(world: World) -> None:
    late = text("from the future")
    late.clock_ms = 2**64 - 1
    with world.opened() as store:
        world.take(store, world.alice.frames([late]))
        line = store.run_now(lambda tx: tx.messages.page(ALICE, 1, None))[0]
        assert (line.text, line.clock_ms) == ("from the future", MAX_CLOCK_MS)


@pytest.mark.parametrize(
    "content",
    [
        contents.delete(MessageId(b"short")),
        contents.edit(MessageId(b"short"), "text"),
        contents.reaction(FIRST, "x" * (MAX_EMOJI + 1)),
        contents.read_receipt([FIRST, MessageId(b"short")]),
        contents.retry_request(MessageId(b""), b""),
        contents.text("text", MessageId(b"short"), None, ""),
        contents.sync_read([MessageId(b"")]),
        contents.sync_sent(UserId(b"nobody"), text("text")),
    ],
    ids=lambda content: content.WhichOneof("body"),
)
def test_what_is_malformed_becomes_a_placeholder(world: World, content: Content) -> None:
    with world.opened() as store:
        taken = world.take(store, world.alice.frames([content]))
        (told,) = taken.events
        assert isinstance(told, DecryptionFailed)
        assert told.message.kind is Kind.UNDECRYPTABLE
        assert taken.ack == Position(1, 2)


# --- whatever else goes wrong with one item -----------------------------------------------------


class FailsOnce:
    """Random bytes, but for one draw: as a bug would fail that only some items reach."""

    def __init__(self) -> None:
        self.at = -1

    def __call__(self, size: int) -> bytes:
        self.at -= 1
        if self.at == 0:
            raise RuntimeError("a bug")
        return os.urandom(size)


@pytest.mark.parametrize("draw", range(1, 6))
def test_an_item_that_cannot_be_taken_is_a_placeholder_and_acknowledged(
    world: World, draw: int
) -> None:
    fault = FailsOnce()
    with world.opened(fault) as store:
        fault.at = draw
        frames = world.alice.frames([text("one"), text("two"), text("three")])
        taken = world.take(store, frames)
        assert taken.ack == Position(1, 4)
        failed = [event for event in taken.events if isinstance(event, DecryptionFailed)]
        assert len(failed) == 1
        assert len(texts(store)) == 1 + 2
        assert world.take(store, frames).events == []  # it is not shown when it comes again


def test_a_store_that_fails_takes_and_acknowledges_nothing(world: World) -> None:
    frames = world.alice.frames([text("one")])
    with world.opened() as store:
        read_only: Any = store  # as a disk is that was mounted again after an error
        read_only._db.execute("PRAGMA query_only = ON")
        with pytest.raises(sqlite3.OperationalError):
            world.take(store, frames)
        read_only._db.execute("PRAGMA query_only = OFF")
        assert texts(store) == ["first"]
        assert world.take(store, frames).ack == Position(1, 2)
        assert texts(store) == ["first", "one"]
