"""What a content does to the history, and which event it makes."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from signet.client import content as contents
from signet.client import reading
from signet.client.device_store import DeviceStore
from signet.client.environment import Environment
from signet.client.events import MessageReceived, MessageSynced, Status
from signet.client.outcome import Outcome
from signet.client.reading import From
from signet.client.sealing import Self
from signet.client.store.settings import Account
from signet.core.ids import MessageId, UserId
from signet.e2e import IdentityKeyPair
from signet.v1.content_pb2 import Attachment, Content

ALICE, BOB = UserId(b"a" * 16), UserId(b"b" * 16)
PICTURE = MessageId(b"picture.........")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeviceStore]:
    opened = DeviceStore.open(tmp_path / "bob", None, os.urandom, create=True)
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def bob() -> Self:
    identity = IdentityKeyPair.generate(os.urandom)
    account = Account(BOB, 1, 77, "bob", "", "s", "grpc", identity.private, bytes(32))
    return Self(account, account.local(), Environment())


def picture() -> Content:
    return contents.stamped(
        Content(attachment=Attachment(pointer="p", key=b"k", size=2**64 - 1)), PICTURE, 5
    )


def told(store: DeviceStore, me: Self, origin: From, content: Content) -> Outcome:
    outcome = Outcome()
    store.run_now(lambda tx: reading.apply(tx, me, origin, content, outcome))
    return outcome


def test_an_attachment_is_a_line_of_the_history(store: DeviceStore, bob: Self) -> None:
    (event,) = told(store, bob, From(ALICE, 1, ALICE), picture()).events
    assert isinstance(event, MessageReceived)
    assert store.run_now(lambda tx: tx.messages.page(ALICE, 10, None)) == [event.message]


def test_an_attachment_from_one_device_is_shown_by_the_others(
    store: DeviceStore, bob: Self
) -> None:
    """O5: a sync copy."""
    copy = contents.sync_sent(ALICE, picture())
    (event,) = told(store, bob, From(BOB, 2, BOB), copy).events
    assert isinstance(event, MessageSynced)
    (line,) = store.run_now(lambda tx: tx.messages.page(ALICE, 10, None))
    assert event.message == line
    assert (line.id, line.author, line.outgoing, line.status) == (PICTURE, BOB, True, Status.SENT)


def test_nobody_else_syncs(store: DeviceStore, bob: Self) -> None:
    copy = contents.sync_sent(ALICE, picture())
    assert told(store, bob, From(ALICE, 2, ALICE), copy).events == []
    assert store.run_now(lambda tx: tx.messages.peers()) == []
