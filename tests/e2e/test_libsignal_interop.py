"""Somebody else's code reads what we write, and we read what it writes.

The other side is `@signalapp/libsignal-client` 0.72.1, which speaks X3DH (v3) and PQXDH (v4).
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from signet.e2e import (
    PRE_KEY,
    WHISPER,
    Address,
    Ciphertext,
    DuplicateMessage,
    InvalidMessage,
    message_ratchet_key,
    safety_number,
)
from signet.e2e.wire import parse_whisper
from tests.support.e2e_people import Person
from tests.support.libsignal_peer import LibsignalPeer, LibsignalRefusal, libsignal_peer

pytestmark = pytest.mark.lane("libsignal")

both_versions = pytest.mark.parametrize("kyber", [False, True], ids=["v3", "v4"])


class Phone(Person):
    """Our side: a Person whose other end is not a Person."""

    def __init__(self, peer: LibsignalPeer) -> None:
        super().__init__("our phone")
        self.peer = peer
        self.other = Far(peer.address)

    def opens(self, *, kyber: bool) -> None:
        self.open(self.other, self.peer.bundle(kyber=kyber), allow_x3dh=not kyber)

    def is_opened(self, *, kyber: bool, one_time: bool = True) -> None:
        bundle = self.bundle(kyber=kyber, one_time=one_time)
        self.peer.process_bundle(self.address, bundle)


class Far(Person):
    """Only an address: its keys live in the other process."""

    def __init__(self, address: Address) -> None:
        self._address = address

    @property
    def address(self) -> Address:
        return self._address


@pytest.fixture
def peer() -> Iterator[LibsignalPeer]:
    with libsignal_peer(Address(bytes(range(16)), 2)) as running:
        yield running


@pytest.fixture
def phone(peer: LibsignalPeer) -> Phone:
    return Phone(peer)


def exchange(phone: Phone, rounds: int) -> None:
    """Several messages each way, the last of each round first."""
    for n in range(rounds):
        ours = [f"ours {n}.{i}".encode() for i in range(4)]
        sent = [(text, phone.write(phone.other, text)) for text in ours]
        for text, message in reversed(sent):
            assert phone.peer.read(phone.address, message) == text
        theirs = [f"theirs {n}.{i}".encode() for i in range(4)]
        sent = [(text, phone.peer.write(phone.address, text)) for text in theirs]
        for text, message in reversed(sent):
            assert phone.read(phone.other, message, allow_x3dh=True) == text
        phone.restart()


def changed(message: Ciphertext) -> Ciphertext:
    return Ciphertext(message.type, message.body[:-1] + bytes([message.body[-1] ^ 1]))


@both_versions
def test_libsignal_reads_our_first_message_and_answers(phone: Phone, kyber: bool) -> None:
    phone.opens(kyber=kyber)
    first = phone.write(phone.other, b"hello")
    assert first.type == PRE_KEY
    assert first.body[0] == (0x44 if kyber else 0x34)
    assert phone.peer.read(phone.address, first) == b"hello"
    answer = phone.peer.write(phone.address, b"hello yourself")
    assert answer.type == WHISPER
    assert phone.read(phone.other, answer) == b"hello yourself"
    assert phone.write(phone.other, b"later").type == WHISPER


@both_versions
def test_we_read_the_first_message_of_libsignal_and_answer(phone: Phone, kyber: bool) -> None:
    phone.is_opened(kyber=kyber)
    first = phone.peer.write(phone.address, b"hello")
    assert first.type == PRE_KEY
    got = phone.take(phone.other, first, allow_x3dh=True)
    assert got.plaintext == b"hello"
    assert got.used_pre_key_id is not None
    assert (got.used_kyber_pre_key_id is not None) is kyber
    assert phone.peer.read(phone.address, phone.write(phone.other, b"answer")) == b"answer"


@both_versions
@pytest.mark.parametrize("we_open", [True, False], ids=["we open", "libsignal opens"])
def test_both_talk_on_out_of_order_and_over_restarts(
    phone: Phone, kyber: bool, we_open: bool
) -> None:
    if we_open:
        phone.opens(kyber=kyber)
    else:
        phone.is_opened(kyber=kyber)
        phone.read(phone.other, phone.peer.write(phone.address, b"first"), allow_x3dh=True)
    exchange(phone, rounds=6)


@both_versions
def test_without_one_time_keys_the_last_resort_serves(phone: Phone, kyber: bool) -> None:
    phone.is_opened(kyber=kyber, one_time=False)
    first = phone.peer.write(phone.address, b"hello")
    got = phone.take(phone.other, first, allow_x3dh=True)
    assert got.plaintext == b"hello"
    assert got.used_pre_key_id is None
    assert got.replay is not None
    bundle = replace(phone.peer.bundle(kyber=kyber), pre_key=None)
    phone.sessions.clear()
    phone.open(phone.other, bundle, allow_x3dh=True)
    assert phone.peer.read(phone.address, phone.write(phone.other, b"anew")) == b"anew"
    assert phone.read(phone.other, phone.peer.write(phone.address, b"yes")) == b"yes"


def test_first_messages_may_cross_and_the_two_converge(phone: Phone) -> None:
    phone.opens(kyber=True)
    phone.is_opened(kyber=True)
    ours, theirs = phone.write(phone.other, b"ours"), phone.peer.write(phone.address, b"theirs")
    assert phone.read(phone.other, theirs) == b"theirs"
    assert phone.peer.read(phone.address, ours) == b"ours"
    exchange(phone, rounds=3)


def test_a_long_absence_is_skipped_over_by_both(phone: Phone) -> None:
    phone.opens(kyber=True)
    exchange(phone, rounds=1)
    ours = [phone.write(phone.other, b"%d" % n) for n in range(300)]
    theirs = [phone.peer.write(phone.address, b"%d" % n) for n in range(300)]
    assert phone.peer.read(phone.address, ours[-1]) == b"299"
    assert phone.peer.read(phone.address, ours[0]) == b"0"
    assert phone.read(phone.other, theirs[-1]) == b"299"
    assert phone.read(phone.other, theirs[0]) == b"0"


def test_both_refuse_a_changed_message_and_a_repeated_one(phone: Phone) -> None:
    phone.opens(kyber=True)
    exchange(phone, rounds=1)
    ours, theirs = phone.write(phone.other, b"ours"), phone.peer.write(phone.address, b"theirs")
    with pytest.raises(LibsignalRefusal):
        phone.peer.read(phone.address, changed(ours))
    with pytest.raises(InvalidMessage):
        phone.read(phone.other, changed(theirs))
    assert phone.peer.read(phone.address, ours) == b"ours"
    assert phone.read(phone.other, theirs) == b"theirs"
    with pytest.raises(LibsignalRefusal, match=r"(?i)duplicate|old counter"):
        phone.peer.read(phone.address, ours)
    with pytest.raises(DuplicateMessage):
        phone.read(phone.other, theirs)


def test_a_ratchet_key_names_the_same_session_on_both_sides(phone: Phone) -> None:
    phone.opens(kyber=True)
    exchange(phone, rounds=2)
    theirs = phone.peer.write(phone.address, b"cannot be read")
    assert phone.peer.ratchet_key_matches(phone.address, message_ratchet_key(theirs))
    ours = phone.write(phone.other, b"cannot be read either")
    record = phone.sessions[phone.peer.address]
    assert record.current_ratchet_key == parse_whisper(ours.body).ratchet_key


def test_signatures_verify_on_both_sides(phone: Phone) -> None:
    identity = phone.local.identity
    for n in range(16):
        message = b"%d" % n
        signature = identity.sign(message, phone.draw)
        assert phone.peer.verifies(identity.public, message, signature)
        assert not phone.peer.verifies(identity.public, message + b"!", signature)
        phone.peer.bundle(kyber=True).verify()


def test_safety_numbers_are_those_of_libsignal(phone: Phone) -> None:
    phone.peer.bundle(kyber=False)
    sides = (
        phone.address.user_id,
        phone.local.identity.public,
        phone.peer.address.user_id,
        phone.peer.identity_key,
    )
    assert safety_number(*sides) == phone.peer.safety_number(*sides)
    assert safety_number(*sides) == safety_number(*sides[2:], *sides[:2])
