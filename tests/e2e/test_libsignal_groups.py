"""Sender keys between libsignal 0.72.1 and us, in both directions."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from signet.e2e import (
    SENDER_KEY,
    Address,
    Ciphertext,
    DuplicateMessage,
    InvalidMessage,
    SenderKeyRecord,
    accept_distribution,
    distribute,
    group_decrypt,
    group_encrypt,
    new_sender_key,
)
from tests.support.e2e_people import randomness
from tests.support.libsignal_peer import LibsignalPeer, LibsignalRefusal, libsignal_peer

pytestmark = pytest.mark.lane("libsignal")

GROUP = UUID(bytes=bytes(range(16, 32)), version=4).bytes  # libsignal asks for a version
US = Address(bytes(range(32, 48)), 3)
draw = randomness("interoperation")


@pytest.fixture
def peer() -> Iterator[LibsignalPeer]:
    with libsignal_peer(Address(bytes(range(16)), 2)) as running:
        yield running


class Phone:
    """Our device in the group: its own key, and what it has of the other's."""

    def __init__(self) -> None:
        self.own = new_sender_key(draw)
        self.theirs: SenderKeyRecord | None = None

    def tells(self) -> bytes:
        return distribute(self.own, GROUP)

    def hears(self, told: bytes) -> None:
        self.theirs = accept_distribution(self.theirs, GROUP, told)

    def writes(self, text: bytes) -> Ciphertext:
        self.own, message = group_encrypt(self.own, GROUP, text, randomness=draw)
        return message

    def reads(self, message: Ciphertext) -> bytes:
        self.theirs, text = group_decrypt(self.theirs, GROUP, message)
        return text

    def restart(self) -> None:
        self.own = SenderKeyRecord.deserialise(self.own.serialise())
        if self.theirs is not None:
            self.theirs = SenderKeyRecord.deserialise(self.theirs.serialise())


@pytest.fixture
def phone(peer: LibsignalPeer) -> Phone:
    """Both have been told the other's key."""
    phone = Phone()
    peer.accept_distribution(US, phone.tells())
    phone.hears(peer.distribute(GROUP))
    return phone


def test_libsignal_reads_what_we_write_in_any_order(peer: LibsignalPeer, phone: Phone) -> None:
    sent = [phone.writes(b"%d" % n * 100) for n in range(6)]
    for n in (4, 0, 5, 3, 1, 2):
        assert peer.read_of_group(US, sent[n]) == b"%d" % n * 100


def test_we_read_what_libsignal_writes_in_any_order(peer: LibsignalPeer, phone: Phone) -> None:
    sent = [peer.write_to_group(GROUP, b"%d" % n * 100) for n in range(6)]
    assert {message.type for message in sent} == {SENDER_KEY}
    for n in (4, 0, 5, 3, 1, 2):
        assert phone.reads(sent[n]) == b"%d" % n * 100
        phone.restart()


def test_who_is_told_later_reads_from_there_on(peer: LibsignalPeer) -> None:
    phone = Phone()
    peer.distribute(GROUP)
    early = [phone.writes(b"early"), peer.write_to_group(GROUP, b"early")]
    peer.accept_distribution(US, phone.tells())
    phone.hears(peer.distribute(GROUP))
    assert peer.read_of_group(US, phone.writes(b"late")) == b"late"
    assert phone.reads(peer.write_to_group(GROUP, b"late")) == b"late"
    with pytest.raises(LibsignalRefusal):
        peer.read_of_group(US, early[0])
    with pytest.raises(DuplicateMessage):
        phone.reads(early[1])


def test_a_key_told_again_does_not_go_back_in_the_chain(peer: LibsignalPeer, phone: Phone) -> None:
    ours, theirs = phone.tells(), peer.distribute(GROUP)
    first = [phone.writes(b"first"), peer.write_to_group(GROUP, b"first")]
    assert peer.read_of_group(US, first[0]) == phone.reads(first[1]) == b"first"
    peer.accept_distribution(US, ours)
    phone.hears(theirs)
    with pytest.raises(LibsignalRefusal, match=r"(?i)duplicate|old counter"):
        peer.read_of_group(US, first[0])
    with pytest.raises(DuplicateMessage):
        phone.reads(first[1])


def test_a_new_key_is_read_beside_the_one_before(peer: LibsignalPeer, phone: Phone) -> None:
    under_way = phone.writes(b"with the old key")
    phone.own = new_sender_key(draw)
    peer.accept_distribution(US, phone.tells())
    assert peer.read_of_group(US, phone.writes(b"with the new key")) == b"with the new key"
    assert peer.read_of_group(US, under_way) == b"with the old key"


def test_both_refuse_a_changed_message(peer: LibsignalPeer, phone: Phone) -> None:
    ours, theirs = phone.writes(b"ours"), peer.write_to_group(GROUP, b"theirs")
    for at in (10, 40, 70, -1, -40):
        with pytest.raises(LibsignalRefusal):
            peer.read_of_group(US, changed(ours, at))
        with pytest.raises(InvalidMessage):
            phone.reads(changed(theirs, at))
    assert peer.read_of_group(US, ours) == b"ours"
    assert phone.reads(theirs) == b"theirs"


def test_both_skip_as_far_and_keep_as_many(peer: LibsignalPeer, phone: Phone) -> None:
    ours = [phone.writes(b"%d" % n) for n in range(2_003)]
    assert peer.read_of_group(US, ours[-1]) == b"2002"
    assert peer.read_of_group(US, ours[2]) == b"2"
    with pytest.raises(LibsignalRefusal):
        peer.read_of_group(US, ours[1])


def changed(message: Ciphertext, at: int) -> Ciphertext:
    body = bytearray(message.body)
    body[at] ^= 1
    return Ciphertext(message.type, bytes(body))
