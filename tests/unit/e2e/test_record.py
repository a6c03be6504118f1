"""What is at rest comes back as it was, and the archive has a limit."""

import pytest

from signet.e2e import InvalidRecord, SessionRecord
from signet.e2e.limits import MAX_ARCHIVED_SESSIONS
from tests.support.e2e_people import Person


def test_a_record_comes_back_as_it_was_in_every_stage() -> None:
    alice, bob = Person("alice"), Person("bob")
    alice.open(bob)
    stages = [SessionRecord(), alice.sessions[bob.address]]
    first, second = alice.write(bob, b"1"), alice.write(bob, b"2")
    bob.read(alice, second)  # one key kept
    stages.append(bob.sessions[alice.address])
    alice.read(bob, bob.write(alice, b"3"))
    alice.open(bob)  # one archived
    stages.append(alice.sessions[bob.address])
    for record in stages:
        assert SessionRecord.deserialise(record.serialise()) == record
    bob.restart()
    assert bob.read(alice, first) == b"1"


@pytest.mark.parametrize("stored", [b"", b"\x00", b"\x02", b"\x01\xff", b"\x01\x0a\x01\xff"])
def test_what_is_no_record_is_refused(stored: bytes) -> None:
    with pytest.raises(InvalidRecord):
        SessionRecord.deserialise(stored)


def test_a_session_of_an_unknown_version_is_refused() -> None:
    with pytest.raises(InvalidRecord):
        SessionRecord.deserialise(b"\x01\x0a\x02\x08\x09")


def test_at_most_forty_sessions_are_archived_and_the_oldest_go() -> None:
    alice, bob = Person("alice"), Person("bob")
    bundle = bob.bundle(one_time=False)
    for _ in range(MAX_ARCHIVED_SESSIONS + 2):
        alice.open(bob, bundle)
    record = alice.sessions[bob.address]
    assert len(record.archived) == MAX_ARCHIVED_SESSIONS
    alice.open(bob, bundle)
    assert alice.sessions[bob.address].archived[1:] == record.archived[:-1]


def test_no_key_is_printed() -> None:
    alice, bob = Person("alice"), Person("bob")
    alice.open(bob)
    record = alice.sessions[bob.address]
    assert record.current is not None
    assert repr(record.current.ratchet.root_key) not in repr(record)
    assert repr(record.current.ratchet.sending.key) not in repr(record)
    assert repr(record.current.ratchet.sending.pair.private) not in repr(record)
