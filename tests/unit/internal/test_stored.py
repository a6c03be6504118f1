"""What is stored of an item, and the bytes that are pushed of it: made once, parsed never."""

import pytest

from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, Position, UserId
from signet.core.link import Content, Send
from signet.internal.v1.stored import (
    item_frame,
    read_stored,
    stored_delivered,
    stored_item,
    stored_message,
    stored_peer_changed,
)
from signet.v1 import messaging_pb2 as pb

ALICE, BOB = UserId(b"a" * 16), UserId(b"b" * 16)
SENDER = DeviceAddress(DeviceId(ALICE, 3), 4711, 9)
ID = MessageId(b"i" * 16)


def message(size: int) -> bytes:
    content = Content(1, 11, 2, b"x" * size)
    return stored_message(SENDER, Send(ID, BOB, 7, 5, (content,), b"d" * 16), content, 1234)


STORED = [
    *(message(size) for size in (0, 1, 100, 127, 128, 300, 20_000, 3_000_000)),
    stored_delivered(DeviceId(BOB, 1), [ID] * 100, 1234),
    stored_peer_changed(BOB, True, 1234),
]


@pytest.mark.parametrize("body", STORED, ids=len)
def test_the_bytes_to_push_are_found_as_a_parser_finds_them(body: bytes) -> None:
    item, _ = read_stored(body, 1234)
    assert item
    assert stored_item(body) == item


def test_where_a_message_came_from_is_stored_with_it() -> None:
    _, origin = read_stored(message(10), 1234)
    assert origin == (SENDER, ID, 7, b"d" * 16, 1234)


def test_what_is_no_message_came_from_nobody() -> None:
    assert read_stored(STORED[-1], 1234)[1] is None


@pytest.mark.parametrize("seq", [1, 127, 128, 0x3FFF, 0x4000, 2**40])
@pytest.mark.parametrize("follows", [None, START, Position(300, 20_000)])
def test_a_pushed_item_is_parsed_with_its_position(seq: int, follows: Position | None) -> None:
    frame = pb.ServerFrame.FromString(
        item_frame(Position(3, seq), follows, stored_item(message(300)))
    )
    assert (frame.item.position.epoch, frame.item.position.seq) == (3, seq)
    assert frame.item.HasField("follows") == (follows is not None)
    if follows is not None:
        assert (frame.item.follows.epoch, frame.item.follows.seq) == follows
    assert frame.item.envelope.content == b"x" * 300
    assert frame.item.accepted_ms == 1234
