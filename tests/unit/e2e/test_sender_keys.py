"""Sender keys: what a member reads, what is refused, and that a refusal changes nothing."""

from dataclasses import replace

import pytest

from signet.e2e import (
    SENDER_KEY,
    WHISPER,
    Ciphertext,
    DuplicateMessage,
    InvalidMessage,
    InvalidRecord,
    NoSession,
    SenderKeyRecord,
    accept_distribution,
    distribute,
    group_decrypt,
    group_encrypt,
    new_sender_key,
)
from signet.e2e.limits import MAX_FORWARD_JUMPS, MAX_KEPT_MESSAGE_KEYS, MAX_SENDER_KEY_STATES
from signet.e2e.sender_key_wire import parse_group_message
from tests.support.e2e_people import randomness

GROUP = bytes(range(16))
draw = randomness("sender keys")


class Writer:
    """One device's own key in a group."""

    def __init__(self) -> None:
        self.record = new_sender_key(draw)

    def writes(self, text: bytes) -> Ciphertext:
        self.record, message = group_encrypt(self.record, GROUP, text, randomness=draw)
        return message

    def tells(self) -> bytes:
        return distribute(self.record, GROUP)


class Reader:
    """What a member's device has of one writer."""

    def __init__(self, told: bytes | None = None) -> None:
        self.record = accept_distribution(None, GROUP, told) if told else None

    def hears(self, told: bytes) -> None:
        self.record = accept_distribution(self.record, GROUP, told)

    def reads(self, message: Ciphertext) -> bytes:
        self.record, text = group_decrypt(self.record, GROUP, message)
        return text


@pytest.fixture
def writer() -> Writer:
    return Writer()


def test_a_member_reads_from_the_message_on_at_which_the_key_was_given(writer: Writer) -> None:
    before = writer.writes(b"before")
    reader = Reader(writer.tells())
    assert reader.reads(writer.writes(b"after")) == b"after"
    with pytest.raises(DuplicateMessage):
        reader.reads(before)


def test_a_message_has_the_form_of_libsignal(writer: Writer) -> None:
    message = writer.writes(b"text")
    assert message.type == SENDER_KEY
    assert message.body[0] == 0x33
    parsed = parse_group_message(message.body)
    assert (parsed.distribution_id, parsed.iteration) == (GROUP, 0)
    assert parsed.chain_id <= 0x7FFFFFFF
    assert len(parsed.signature) == 64


def test_messages_are_read_in_any_order_and_once(writer: Writer) -> None:
    reader = Reader(writer.tells())
    sent = [writer.writes(b"%d" % n) for n in range(5)]
    for n in (3, 0, 4, 2, 1):
        assert reader.reads(sent[n]) == b"%d" % n
    for message in sent:
        with pytest.raises(DuplicateMessage):
            reader.reads(message)


def test_without_the_key_there_is_nothing_to_read_with(writer: Writer) -> None:
    message = writer.writes(b"text")
    with pytest.raises(NoSession):
        Reader().reads(message)
    with pytest.raises(NoSession):
        Reader(Writer().tells()).reads(message)
    with pytest.raises(NoSession):
        group_encrypt(SenderKeyRecord(), GROUP, b"text", randomness=draw)


def test_who_can_read_cannot_write_in_the_owners_name(writer: Writer) -> None:
    reader = Reader(writer.tells())
    assert reader.record is not None
    with pytest.raises(NoSession):
        group_encrypt(reader.record, GROUP, b"forged", randomness=draw)
    forger = Writer()
    forger.record = SenderKeyRecord(
        (replace(writer.record.states[0], signing=forger.record.states[0].signing),)
    )
    before = reader.record
    with pytest.raises(InvalidMessage):
        reader.reads(forger.writes(b"forged"))
    assert reader.record == before
    assert reader.reads(writer.writes(b"genuine")) == b"genuine"


def test_every_flipped_bit_is_noticed_and_changes_nothing(writer: Writer) -> None:
    reader = Reader(writer.tells())
    before, message = reader.record, writer.writes(b"text")
    for at in range(len(message.body)):
        changed = bytearray(message.body)
        changed[at] ^= 0x80 if at % 2 else 1
        with pytest.raises((InvalidMessage, NoSession)):
            reader.reads(Ciphertext(SENDER_KEY, bytes(changed)))
        assert reader.record == before
    assert reader.reads(message) == b"text"


def test_a_message_of_another_group_or_kind_is_refused(writer: Writer) -> None:
    reader, message = Reader(writer.tells()), writer.writes(b"text")
    with pytest.raises(InvalidMessage):
        group_decrypt(reader.record, bytes(16), message)
    with pytest.raises(InvalidMessage):
        reader.reads(Ciphertext(WHISPER, message.body))
    with pytest.raises(InvalidMessage):
        reader.reads(Ciphertext(SENDER_KEY, b"\x44" + message.body[1:]))


def test_a_key_that_is_told_again_keeps_its_place(writer: Writer) -> None:
    told = writer.tells()
    reader, first = Reader(told), writer.writes(b"first")
    assert reader.reads(first) == b"first"
    reader.hears(told)
    with pytest.raises(DuplicateMessage):
        reader.reads(first)


def test_another_signing_key_under_the_same_chain_id_replaces_it(writer: Writer) -> None:
    reader = Reader(writer.tells())
    other = Writer()
    state = other.record.states[0]
    other.record = SenderKeyRecord((replace(state, chain_id=writer.record.states[0].chain_id),))
    reader.hears(other.tells())
    assert reader.reads(other.writes(b"of the newer key")) == b"of the newer key"
    with pytest.raises(InvalidMessage):
        reader.reads(writer.writes(b"of the older key"))


def test_older_keys_stay_readable_up_to_a_limit() -> None:
    writers, reader = [Writer() for _ in range(MAX_SENDER_KEY_STATES + 1)], Reader()
    for writer in writers:
        reader.hears(writer.tells())
    assert reader.record is not None
    assert len(reader.record.states) == MAX_SENDER_KEY_STATES
    for writer in writers[1:]:
        assert reader.reads(writer.writes(b"text")) == b"text"
    with pytest.raises(NoSession):
        reader.reads(writers[0].writes(b"text"))


def test_jumps_and_kept_keys_are_bounded(writer: Writer) -> None:
    told = writer.tells()
    state = writer.record.states[0]

    def at(iteration: int) -> Ciphertext:
        writer.record = SenderKeyRecord((replace(state, iteration=iteration),))
        return writer.writes(b"far")

    with pytest.raises(InvalidMessage, match="ahead"):
        Reader(told).reads(at(MAX_FORWARD_JUMPS + 1))
    reader = Reader(told)
    writer.record = SenderKeyRecord((state,))
    sent = [writer.writes(b"%d" % n) for n in range(MAX_KEPT_MESSAGE_KEYS + 3)]
    assert reader.reads(sent[-1]) == b"%d" % (MAX_KEPT_MESSAGE_KEYS + 2)
    with pytest.raises(DuplicateMessage):
        reader.reads(sent[1])
    assert reader.reads(sent[2]) == b"2"


def test_records_are_kept_as_they_are(writer: Writer) -> None:
    reader = Reader(writer.tells())
    first, second = writer.writes(b"first"), writer.writes(b"second")
    reader.reads(second)
    for side in (writer, reader):
        assert side.record is not None
        assert SenderKeyRecord.deserialise(side.record.serialise()) == side.record
    assert reader.record is not None
    reader.record = SenderKeyRecord.deserialise(reader.record.serialise())
    assert reader.reads(first) == b"first"
    for damaged in (b"", b"\x02", b"\x01\xff"):
        with pytest.raises(InvalidRecord):
            SenderKeyRecord.deserialise(damaged)


@pytest.mark.parametrize("cut", [1, 20, 40, 70])
def test_a_distribution_that_is_none_is_refused(writer: Writer, cut: int) -> None:
    with pytest.raises(InvalidMessage):
        accept_distribution(None, GROUP, writer.tells()[:cut])
    with pytest.raises(InvalidMessage):
        accept_distribution(None, GROUP, distribute(writer.record, b"short"))
    with pytest.raises(InvalidMessage):
        accept_distribution(None, bytes(16), writer.tells())
