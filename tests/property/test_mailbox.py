"""A mailbox on a wire that loses, repeats and reorders, in a process that dies (P2, P3, O2).

The messages are encrypted once; each example feeds them to a copy of the same device store. It
may die before its transaction is durable, and between that and the acknowledgement.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signet.client import content as contents
from signet.client import event_codec, mailbox, prekeys, sealing
from signet.client.device_store import DeviceStore, Tx
from signet.client.environment import Environment
from signet.client.events import MessageReceived
from signet.client.mailbox import Taken
from signet.client.sealing import Bundles, Self
from signet.client.store.settings import Account
from signet.core.ids import MessageId, Position, UserId
from signet.e2e import IdentityKeyPair, PreKeyBundle
from signet.v1 import messaging_pb2 as pb
from tests.support.e2e_people import randomness

MESSAGES = 12
ALICE, BOB = UserId(b"a" * 16), UserId(b"b" * 16)
# The epoch changes in the middle: numbers begin again, and the push does not say after what.
PLACES = [(1, n) for n in range(1, 6)] + [(3, n) for n in range(1, MESSAGES - 4)]


class Died(Exception):
    """The process is gone before the transaction was durable."""


async def _nothing() -> None: ...


def confirm(_: int) -> "type[_Done]":
    return _Done


class _Done:
    def __await__(self) -> Iterator[None]:
        return _nothing().__await__()


@dataclass
class World:
    """Bob's store before anything came, and what is stored for him at the server."""

    template: Path
    bob: Self
    stored: list[pb.Item]
    texts: list[str]


def device(user: UserId, name: str, path: Path) -> tuple[DeviceStore, Self]:
    draw = randomness(name)
    environment = Environment(now=lambda: 1e9, randomness=os.urandom)
    identity = IdentityKeyPair.generate(draw)
    account = Account(user, 1, 77, name, "", "s", "grpc", identity.private, bytes(32))
    store = DeviceStore.open(path, None, os.urandom, create=True)
    return store, Self(account, account.local(), environment)


def bundle(tx: Tx, me: Self) -> Bundles:
    made = prekeys.make(tx, me.local.identity, me.environment, prekeys.EVERYTHING)
    assert made.signed is not None
    keys = PreKeyBundle(
        77, 1, me.local.identity.public, made.signed, made.one_time[0], made.one_time_kem[0]
    )
    return Bundles(me.user, me.local.identity.public, (keys,))


def write(tx: Tx, me: Self, bundles: Bundles, texts: list[str]) -> list[pb.Send]:
    sealing.learn_bundles(tx, me, bundles)
    rows = [
        sealing.queue(tx, me, BOB, contents.text(text, None, None, ""), message_id=_id(text))
        for text in texts
    ]
    return [pb.Send.FromString(row.sealed or b"") for row in rows]


def _id(text: str) -> MessageId:
    return MessageId(text.encode().rjust(16, b"."))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        bob_store, bob = device(BOB, "bob", path / "bob")
        bundles = bob_store.run_now(lambda tx: bundle(tx, bob))
        asyncio.run(bob_store.close())
        alice_store, alice = device(ALICE, "alice", path / "alice")
        texts = [str(n) for n in range(MESSAGES)]
        sends = alice_store.run_now(lambda tx: write(tx, alice, bundles, texts))
        asyncio.run(alice_store.close())
        yield World(path / "bob", bob, [*items(sends)], texts)


def items(sends: list[pb.Send]) -> Iterator[pb.Item]:
    before = (0, 0)
    for place, send in zip(PLACES, sends, strict=True):
        envelope = pb.Envelope(
            sender=ALICE,
            sender_device=1,
            message_id=send.message_id,
            type=send.contents[0].type,
            content=send.contents[0].content,
        )
        at, follows = (pb.Position(epoch=e, seq=s) for e, s in (place, before))
        yield pb.Item(position=at, follows=follows, envelope=envelope)
        before = place


def pushed(item: pb.Item) -> pb.ServerFrame:
    """As it is pushed: the first of an epoch does not say what it follows."""
    frame = pb.ServerFrame(item=item)
    if item.position.seq == 1:
        frame.item.ClearField("follows")
    return frame


def take(store: DeviceStore, me: Self, frames: list[pb.ServerFrame], *, dies: bool) -> Taken:
    def job(tx: Tx) -> Taken:
        taken = mailbox.take(tx, me, frames, confirm)  # type: ignore[arg-type]
        if dies:
            raise Died
        return taken

    return store.run_now(job)


def shown(store: DeviceStore) -> list[str]:
    events = store.run_now(lambda tx: event_codec.waiting(tx, confirm))  # type: ignore[arg-type]
    assert all(isinstance(event, MessageReceived) for event in events)
    return [event.message.text for event in events if isinstance(event, MessageReceived)]


BATCH = st.tuples(
    st.lists(st.integers(0, MESSAGES - 1), max_size=8),
    st.sampled_from(["goes well", "dies before", "dies after"]),
)


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(BATCH, max_size=8))
def test_lost_repeated_and_reordered_items_are_shown_once_whenever_it_dies(
    world: World, batches: list[tuple[list[int], str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bob"
        for name in ("", ".key"):
            shutil.copy(world.template.with_name(f"bob{name}"), path.with_name(f"bob{name}"))
        store = DeviceStore.open(path, None, os.urandom, create=False)
        for chosen, fate in batches:
            frames = [pushed(world.stored[number]) for number in chosen]
            try:
                taken = take(store, world.bob, frames, dies=fate == "dies before")
            except Died:
                taken = Taken()
            if fate != "goes well":
                asyncio.run(store.close())
                store = DeviceStore.open(path, None, os.urandom, create=False)
                taken = Taken()
            if taken.read_from is not None:
                after = taken.read_from
                answer = [
                    pb.ServerFrame(item=i)
                    for i in world.stored
                    if Position(i.position.epoch, i.position.seq) > after
                ]
                take(store, world.bob, answer[: len(chosen)], dies=False)
        told = shown(store)
        assert told == world.texts[: len(told)]
        everything = [pb.ServerFrame(item=item) for item in world.stored]
        last = take(store, world.bob, everything, dies=False)
        assert shown(store) == world.texts
        assert last.ack == Position(*PLACES[-1])
        asyncio.run(store.close())
