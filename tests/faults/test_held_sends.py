"""The store does not answer (P7, M8): sends are held, then refused, never lost, never doubled."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.adapters.inbox_sqlite import open_inbox
from signet.core.errors import Code
from signet.core.limits import HELD_RETRY_AFTER, STORE_RETRY_AFTER
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, SHARDS, World, world
from tests.support.opening import Open
from tests.support.stalled_store import StalledStore
from tests.support.streams import greet, hello, send


@pytest.fixture
async def store(tmp_path: Path) -> StalledStore:
    return StalledStore(open_inbox(tmp_path / "inbox.sqlite", SHARDS))


@pytest.fixture
async def held(tmp_path: Path, store: StalledStore) -> AsyncIterator[World]:
    async with world(tmp_path, store, hold_time=0.2, hold_bytes=64 * 1024) as made:
        yield made
        store.let_go()


async def test_held_sends_are_refused_in_time_and_go_through_when_sent_again(
    held: World, store: StalledStore, open_stream: Open
) -> None:
    async with open_stream(held) as alice, open_stream(held) as bob:
        await greet(held, alice)
        await greet(held, bob, BOB)
        store.stall()
        texts = [b"one", b"two", b"three"]
        for ordinal, text in enumerate(texts, start=1):
            await alice.send(send(BOB, ordinal, text, base=1))
        for ordinal in (1, 2, 3):
            answer = (await alice.until("answer")).answer
            assert answer.ordinal == ordinal
            assert Code(answer.refused.code) is Code.STORE_UNAVAILABLE
            assert answer.refused.retry_after_ms == HELD_RETRY_AFTER * 1000
        store.let_go()
        for ordinal, text in enumerate(texts, start=1):
            await alice.send(send(BOB, ordinal, text, base=1))
        for ordinal in (1, 2, 3):
            answer = (await alice.until("answer")).answer
            assert answer.ordinal == ordinal
            assert answer.HasField("sent")
        items = [(await bob.until("item")).item for _ in texts]
        assert [item.envelope.content for item in items] == texts
        last = items[-1].position
        await bob.send(pb.ClientFrame(read=pb.Read(after=last)))
        assert (await bob.until("caught_up")).caught_up.up_to == last  # nothing twice behind them


async def test_what_is_answered_in_time_was_never_refused(
    held: World, store: StalledStore, open_stream: Open
) -> None:
    async with open_stream(held) as alice:
        await greet(held, alice)
        store.stall()
        await alice.send(send(BOB, 1))
        await alice.send(pb.ClientFrame(heartbeat=pb.Heartbeat()))
        await alice.until("heartbeat")  # the gateway has the send
        assert len(held.gateway.hub.owners.held) == 1
        store.let_go()
        assert (await alice.until("answer")).answer.HasField("sent")


async def test_a_shard_has_only_its_share_of_the_room(
    held: World, store: StalledStore, open_stream: Open
) -> None:
    """64 KiB in all, 8 KiB a shard: the second of two sends of 5 KiB has no room."""
    async with open_stream(held) as alice:
        await greet(held, alice)
        store.stall()
        await alice.send(send(BOB, 1, bytes(5000)))
        await alice.send(send(BOB, 2, bytes(5000), base=1))
        answer = (await alice.until("answer")).answer
        assert answer.ordinal == 2
        assert Code(answer.refused.code) is Code.STORE_UNAVAILABLE
        assert answer.refused.retry_after_ms == STORE_RETRY_AFTER * 1000
        store.let_go()
        assert (await alice.until("answer")).answer.ordinal == 1


async def test_a_hello_whose_owner_does_not_answer_is_told_to_come_back(
    held: World, store: StalledStore, open_stream: Open
) -> None:
    store.stall()
    async with open_stream(held) as alice:
        await alice.send(hello(held.keys.token(ALICE)))
        close, _ = await alice.end()
        assert Code(close.code) is Code.STORE_UNAVAILABLE
        assert close.retry_after_ms == HELD_RETRY_AFTER * 1000
