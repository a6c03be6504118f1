"""What a client wrote in a GroupSend is checked once, field by field (T8)."""

from collections.abc import Callable

import pytest

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_CONTENT, MAX_DEVICE_ID, MAX_REGISTRATION_ID
from signet.v1 import messaging_pb2 as pb
from signet.v1.convert import any_send_of, group_send_of

Break = Callable[[pb.GroupSend], object]


def whole() -> pb.GroupSend:
    """One that is taken."""
    key = pb.GroupKey(user=b"b" * 16, device_id=1, registration_id=11, type=3, content=b"key")
    return pb.GroupSend(
        message_id=b"m" * 16,
        group=b"g" * 16,
        ordinal=2,
        base=1,
        membership=1,
        devices=b"d" * 32,
        content=b"text",
        keys=[key],
    )


def broken(**fields: object) -> Break:
    def change(send: pb.GroupSend) -> None:
        for name, value in fields.items():
            setattr(send, name, value)

    return change


def broken_key(**fields: object) -> Break:
    def change(send: pb.GroupSend) -> None:
        for name, value in fields.items():
            setattr(send.keys[0], name, value)

    return change


def nothing(send: pb.GroupSend) -> None:
    send.ClearField("keys")
    send.ClearField("content")


INVALID: dict[str, Break] = {
    "message_id": broken(message_id=b"short"),
    "group": broken(group=b"short"),
    "base": broken(base=3),
    "no base": broken(base=0),
    "ordinal": broken(ordinal=2**63, base=1),
    "membership": broken(membership=0),
    "devices": broken(devices=b"d" * 31),
    "urgent and quiet": broken(urgent=True, quiet=True),
    "nothing": nothing,
    "twice": lambda send: send.keys.append(send.keys[0]),
    "user": broken_key(user=b"short"),
    "device": broken_key(device_id=MAX_DEVICE_ID + 1),
    "registration": broken_key(registration_id=MAX_REGISTRATION_ID + 1),
    "type": broken_key(type=7),
    "empty key": broken_key(content=b""),
}
TOO_LARGE: dict[str, Break] = {
    "content": broken(content=bytes(MAX_CONTENT + 1)),
    "key": broken_key(content=bytes(MAX_CONTENT + 1)),
}


@pytest.mark.parametrize("change", INVALID.values(), ids=INVALID.keys())
def test_a_field_out_of_its_range_is_refused(change: Break) -> None:
    send = whole()
    change(send)
    with pytest.raises(SignetError) as refusal:
        any_send_of(send)
    assert refusal.value.code is Code.INVALID_ARGUMENT
    assert refusal.value.detail


@pytest.mark.parametrize("change", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_what_is_too_long_is_media(change: Break) -> None:
    send = whole()
    change(send)
    with pytest.raises(SignetError) as refusal:
        any_send_of(send)
    assert refusal.value.code is Code.CONTENT_TOO_LARGE


def test_what_is_in_range_is_taken_as_it_is() -> None:
    read = group_send_of(whole())
    assert (read.ordinal, read.base, read.membership) == (2, 1, 1)
    assert (read.content, read.keys[0].body, read.keys[0].registration) == (b"text", b"key", 11)
    assert read.to == b"g" * 16


@pytest.mark.parametrize(
    "change",
    [
        broken(content=b"other"),
        broken(membership=2),
        broken(devices=b"e" * 32),
        broken(urgent=True),
        broken_key(content=b"other"),
        broken_key(device_id=2),
    ],
)
def test_other_bytes_are_another_digest_and_another_ordinal_is_not(change: Break) -> None:
    """M3: a retry may have another ordinal and base."""
    send, other, later = whole(), whole(), whole()
    change(other)
    later.ordinal, later.base = 7, 7
    assert group_send_of(send).digest != group_send_of(other).digest
    assert group_send_of(send).digest == group_send_of(later).digest
