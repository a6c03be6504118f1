"""Messages as bytes: sizes and version bytes of libsignal, and what is refused."""

import pytest

from signet.e2e import PRE_KEY, WHISPER, Ciphertext, InvalidMessage, message_ratchet_key
from signet.e2e.v1.wire_pb2 import PreKeySignalMessage, SignalMessage
from signet.e2e.wire import parse_pre_key, parse_whisper
from tests.support.e2e_people import Person


def talking(*, kyber: bool = True) -> tuple[Person, Person]:
    alice, bob = Person("alice"), Person("bob")
    alice.open(bob, bob.bundle(kyber=kyber), allow_x3dh=True)
    return alice, bob


@pytest.mark.parametrize(
    ("kyber", "version_byte", "size"),
    [(False, 0x34, range(140, 200)), (True, 0x44, range(1700, 1800))],
)
def test_a_first_message_has_the_size_and_version_of_libsignal(
    kyber: bool, version_byte: int, size: range
) -> None:
    alice, bob = talking(kyber=kyber)
    message = alice.write(bob, b"hi")
    assert message.type == PRE_KEY
    assert message.body[0] == parse_pre_key(message.body).message[0] == version_byte
    assert len(message.body) in size


def test_a_short_text_later_has_66_bytes() -> None:
    alice, bob = talking()
    bob.read(alice, alice.write(bob, b"hi"))
    message = bob.write(alice, b"hi")
    assert message.type == WHISPER
    assert len(message.body) == 66


def test_addresses_stand_only_in_first_messages() -> None:
    alice, bob = talking()
    first = alice.write(bob, b"hi")
    inner = parse_whisper(parse_pre_key(first.body).message)
    sender, recipient = (b"\x00" + who.address.user_id + b"\x01" for who in (alice, bob))
    assert inner.addresses == sender + recipient
    bob.read(alice, first)
    assert parse_whisper(bob.write(alice, b"hi").body).addresses is None


def test_the_ratchet_key_can_be_read_of_either_type() -> None:
    alice, bob = talking()
    first = alice.write(bob, b"hi")
    assert message_ratchet_key(first) == alice.sessions[bob.address].current_ratchet_key
    bob.read(alice, first)
    answer = bob.write(alice, b"hi")
    assert message_ratchet_key(answer) == bob.sessions[alice.address].current_ratchet_key
    with pytest.raises(InvalidMessage):
        message_ratchet_key(Ciphertext(WHISPER, b"noise"))


@pytest.mark.parametrize("version", [0x14, 0x24, 0x54, 0xF4])
def test_other_versions_are_refused(version: int) -> None:
    alice, bob = talking()
    body = bytes([version]) + alice.write(bob, b"hi").body[1:]
    with pytest.raises(InvalidMessage, match="version"):
        parse_pre_key(body)


@pytest.mark.parametrize("body", [b"", b"\x44", b"\x44" + bytes(7), b"\x44" + b"\xff" * 40])
def test_noise_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidMessage):
        parse_whisper(body)
    with pytest.raises(InvalidMessage):
        parse_pre_key(body)


@pytest.mark.parametrize("name", ["ratchet_key", "counter", "ciphertext"])
def test_a_whisper_message_without_a_field_is_refused(name: str) -> None:
    alice, bob = talking()
    inner = parse_pre_key(alice.write(bob, b"hi").body).message
    fields = SignalMessage.FromString(inner[1:-8])
    fields.ClearField(name)  # type: ignore[arg-type]
    with pytest.raises(InvalidMessage, match=name):
        parse_whisper(inner[:1] + fields.SerializeToString() + inner[-8:])


@pytest.mark.parametrize(
    "name",
    [
        "base_key",
        "identity_key",
        "message",
        "signed_pre_key_id",
        "kyber_pre_key_id",
        "kyber_ciphertext",
    ],
)
def test_a_pre_key_message_without_a_field_is_refused(name: str) -> None:
    alice, bob = talking()
    body = alice.write(bob, b"hi").body
    fields = PreKeySignalMessage.FromString(body[1:])
    fields.ClearField(name)  # type: ignore[arg-type]
    with pytest.raises(InvalidMessage):
        parse_pre_key(body[:1] + fields.SerializeToString())


def test_a_key_that_is_no_key_is_refused() -> None:
    alice, bob = talking()
    body = alice.write(bob, b"hi").body
    fields = PreKeySignalMessage.FromString(body[1:])
    fields.base_key = b"\x05short"
    with pytest.raises(InvalidMessage, match="key"):
        parse_pre_key(body[:1] + fields.SerializeToString())


def test_a_field_from_the_future_is_ignored() -> None:
    alice, bob = talking()
    message = alice.write(bob, b"hi")
    unknown = b"\xfa\x01\x03new"  # field 31
    assert bob.read(alice, Ciphertext(PRE_KEY, message.body + unknown)) == b"hi"
