"""Entries of groups come out of logs, links and inboxes as they went in."""

from signet.core.groups import NO_MESSAGE, GroupCopy, GroupId, GroupKey
from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, Position, UserId
from signet.core.link import GroupSend
from signet.internal.v1.stored import read_place, read_stored, stored_item
from signet.internal.v1.stored_groups import (
    Copies,
    change_item,
    copy_message,
    message_item,
    read_copy,
    read_entry,
    stored_entry,
)
from signet.v1 import messaging_pb2 as pb

GROUP, ID = GroupId(b"g" * 16), MessageId(b"m" * 16)
ANN, BOB = UserId(b"a" * 16), UserId(b"b" * 16)
SENDER = DeviceAddress(DeviceId(ANN, 2), 77, 5)
AT, BEFORE = Position(3, 9), Position(2, 4)
KEY = GroupKey(BOB, 1, 11, 3, b"a key")
SEND = GroupSend(ID, GROUP, 4, 3, 6, b"d" * 32, b"text", (KEY,), b"digest", urgent=True)


def message(send: GroupSend = SEND) -> GroupCopy:
    item = message_item(SENDER, send, AT, BEFORE, 1_700)
    named = send.message_id if send.content else NO_MESSAGE
    return GroupCopy(GROUP, AT, 1_700, item, (ANN, BOB), SENDER, named, send.keys, send.urgent)


def change() -> GroupCopy:
    return GroupCopy(GROUP, AT, 1_700, change_item(GROUP, b"r", AT, START, 1_700), (ANN,))


def test_an_entry_of_a_log_holds_who_gets_it_and_what_a_retry_is_compared_with() -> None:
    copy, origin = read_entry(GROUP, AT, 1_700, stored_entry(message(), SEND))
    assert copy == message()
    assert origin is not None
    assert (origin.sender, origin.message_id) == (SENDER, ID)
    assert (origin.ordinal, origin.digest, origin.accepted_ms) == (4, b"digest", 1_700)


def test_a_change_has_no_sender() -> None:
    copy, origin = read_entry(GROUP, AT, 1_700, stored_entry(change(), None))
    assert (copy, origin) == (change(), None)


def test_keys_alone_have_nobody_told_of_them() -> None:
    send = GroupSend(ID, GROUP, 4, 3, 6, b"d" * 32, b"", (KEY,), b"digest")
    copy, origin = read_entry(GROUP, AT, 1_700, stored_entry(message(send), send))
    assert origin is not None
    assert copy.message_id == NO_MESSAGE


def test_a_copy_goes_between_owners_as_it_is() -> None:
    for copy in (message(), change()):
        assert read_copy(copy_message(copy)) == copy


def test_each_device_gets_its_own_key_and_the_sender_no_text() -> None:
    bodies = Copies(message())
    read = {
        device: pb.Item.FromString(stored_item(bodies.body(device, registration))).group_message
        for device, registration in [
            (DeviceId(BOB, 1), 11),
            (DeviceId(BOB, 2), 12),
            (DeviceId(ANN, 1), 11),
            (DeviceId(ANN, 2), 77),
        ]
    }
    with_key, plain, own, echo = read.values()
    assert (with_key.content, with_key.key.content) == (b"text", b"a key")
    assert (plain.content, plain.HasField("key")) == (b"text", False)
    assert (own.content, echo.content) == (b"text", b"")
    assert {(m.at.epoch, m.at.seq, m.message_id) for m in read.values()} == {(3, 9, ID)}
    assert (plain.follows.epoch, plain.follows.seq) == BEFORE


def test_a_key_is_for_one_registration_of_a_device() -> None:
    body = Copies(message()).body(DeviceId(BOB, 1), 12)
    assert not pb.Item.FromString(stored_item(body)).group_message.HasField("key")


def test_copies_in_inboxes_say_where_they_stand_and_who_is_told() -> None:
    bodies = Copies(message())
    other, own = bodies.body(DeviceId(BOB, 2), 12), bodies.body(DeviceId(ANN, 1), 11)
    assert read_place(other) == read_place(own) == (GROUP, AT)
    origin = read_stored(other, 1_700)[1]
    assert origin is not None
    assert (origin.sender, origin.message_id) == (SENDER, ID)
    assert read_stored(own, 1_700)[1] is None
    changed = Copies(change()).body(DeviceId(ANN, 1), 11)
    assert read_stored(changed, 1_700)[1] is None
    assert read_place(changed) == (GROUP, AT)
