"""Sessions: what is refused, what is remembered, and that a refusal changes nothing."""

from dataclasses import replace
from typing import Any

import pytest

from signet.e2e import (
    PRE_KEY,
    WHISPER,
    Address,
    BadSignature,
    Ciphertext,
    Downgrade,
    DuplicateMessage,
    InvalidKey,
    InvalidMessage,
    NoSession,
    SessionRecord,
    SignedPublicPreKey,
    StaleSession,
    UnknownPreKey,
    Version,
    archive,
    encrypt,
)
from signet.e2e.v1.wire_pb2 import PreKeySignalMessage
from tests.support.e2e_people import Person

DAY = 86_400.0


@pytest.fixture
def alice() -> Person:
    return Person("alice")


@pytest.fixture
def bob() -> Person:
    return Person("bob")


def acquainted(alice: Person, bob: Person) -> None:
    alice.open(bob)
    bob.read(alice, alice.write(bob, b"hello"))
    alice.read(bob, bob.write(alice, b"hello"))


def changed(message: Ciphertext) -> Ciphertext:
    return Ciphertext(message.type, message.body[:-1] + bytes([message.body[-1] ^ 1]))


# Opening


def test_pre_key_messages_are_sent_until_the_other_side_has_answered(
    alice: Person, bob: Person
) -> None:
    alice.open(bob)
    assert [alice.write(bob, b"1").type, alice.write(bob, b"2").type] == [PRE_KEY, PRE_KEY]
    bob.read(alice, alice.write(bob, b"3"))
    answer = bob.write(alice, b"4")
    assert answer.type == WHISPER
    alice.read(bob, answer)
    assert alice.write(bob, b"5").type == WHISPER


def test_all_first_messages_of_one_session_are_read_in_any_order(
    alice: Person, bob: Person
) -> None:
    alice.open(bob)
    texts = [b"%d" % n for n in range(5)]
    messages = [alice.write(bob, text) for text in texts]
    assert [bob.read(alice, message) for message in reversed(messages)] == texts[::-1]
    assert bob.sessions[alice.address].archived == ()


def test_the_one_time_keys_of_a_first_message_are_named_once(alice: Person, bob: Person) -> None:
    bundle = bob.bundle()
    assert bundle.pre_key is not None
    assert bundle.kyber_pre_key is not None
    alice.open(bob, bundle)
    first, second = alice.write(bob, b"1"), alice.write(bob, b"2")
    got = bob.take(alice, first)
    assert got.used_pre_key_id == bundle.pre_key.id
    assert got.used_kyber_pre_key_id == bundle.kyber_pre_key.id
    assert not got.kyber_is_last_resort
    assert got.replay is None
    assert got.identity_key == alice.local.identity.public
    again = bob.take(alice, second)
    assert (again.used_pre_key_id, again.used_kyber_pre_key_id, again.replay) == (None, None, None)


def test_the_record_knows_who_it_is_about(alice: Person, bob: Person) -> None:
    acquainted(alice, bob)
    for one, other in ((alice, bob), (bob, alice)):
        record = one.sessions[other.address]
        assert record.remote_identity == other.local.identity.public
        assert record.remote_registration_id == other.local.registration_id
        assert record.has_current(now=0)
    assert SessionRecord().remote_identity is None
    assert SessionRecord().remote_registration_id is None
    assert not SessionRecord().has_current(now=0)


@pytest.mark.parametrize("which", ["signed_pre_key", "kyber_pre_key"])
def test_a_bundle_whose_keys_the_identity_did_not_sign_is_refused(
    alice: Person, bob: Person, which: str
) -> None:
    bundle, mallory = bob.bundle(), Person("mallory")
    key: SignedPublicPreKey = getattr(bundle, which)
    forged = replace(key, signature=mallory.local.identity.sign(key.public, mallory.draw))
    changes: dict[str, Any] = {which: forged}
    with pytest.raises(BadSignature):
        alice.open(bob, replace(bundle, **changes))
    assert alice.sessions == {}


def test_the_bundle_of_another_device_is_refused(alice: Person, bob: Person) -> None:
    with pytest.raises(InvalidKey):
        alice.open(bob, replace(bob.bundle(), device_id=2))


# Downgrades


def test_x3dh_alone_is_a_switch(alice: Person, bob: Person) -> None:
    old = bob.bundle(kyber=False)
    with pytest.raises(Downgrade):
        alice.open(bob, old)
    alice.open(bob, old, allow_x3dh=True)
    message = alice.write(bob, b"hello")
    with pytest.raises(Downgrade):
        bob.read(alice, message)
    assert bob.read(alice, message, allow_x3dh=True) == b"hello"


def test_an_account_that_showed_pqxdh_is_never_met_below_it(alice: Person, bob: Person) -> None:
    with pytest.raises(Downgrade):
        alice.open(bob, bob.bundle(kyber=False), allow_x3dh=True, floor=Version.PQXDH)
    acquainted(alice, bob)
    with pytest.raises(Downgrade):
        alice.open(bob, bob.bundle(kyber=False), allow_x3dh=True)
    alice.restart()
    with pytest.raises(Downgrade):
        alice.open(bob, bob.bundle(kyber=False), allow_x3dh=True)
    carol = Person("carol")
    alice.open(carol, carol.bundle(kyber=False), allow_x3dh=True)
    carol.sessions[alice.address] = SessionRecord(shown=Version.PQXDH)
    with pytest.raises(Downgrade):
        carol.read(alice, alice.write(carol, b"old"), allow_x3dh=True)


def test_an_archived_x3dh_session_does_not_come_back_over_pqxdh(alice: Person, bob: Person) -> None:
    alice.open(bob, bob.bundle(kyber=False), allow_x3dh=True)
    bob.read(alice, alice.write(bob, b"hello"), allow_x3dh=True)
    late = bob.write(alice, b"late, in the old session")
    alice.open(bob)
    before = alice.sessions[bob.address]
    with pytest.raises(InvalidMessage):
        alice.read(bob, late, allow_x3dh=True)
    assert alice.sessions[bob.address] == before


# Refusals change nothing


def test_a_bad_tag_changes_nothing(alice: Person, bob: Person) -> None:
    alice.open(bob)
    message = alice.write(bob, b"hello")
    keyring = replace(bob.keyring, one_time_keys=dict(bob.keyring.one_time_keys))
    with pytest.raises(InvalidMessage):
        bob.read(alice, changed(message))
    assert bob.sessions == {}
    assert bob.keyring == keyring
    assert bob.read(alice, message) == b"hello"
    answer = bob.write(alice, b"answer")
    before = alice.sessions[bob.address]
    with pytest.raises(InvalidMessage):
        alice.read(bob, changed(answer))
    assert alice.sessions[bob.address] == before
    assert alice.read(bob, answer) == b"answer"


def test_a_message_is_read_once(alice: Person, bob: Person) -> None:
    alice.open(bob)
    message = alice.write(bob, b"hello")
    bob.read(alice, message)
    with pytest.raises(DuplicateMessage):
        bob.read(alice, message)
    bob.restart()
    with pytest.raises(DuplicateMessage):
        bob.read(alice, message)


def test_without_a_session_nothing_is_encrypted_or_decrypted(alice: Person, bob: Person) -> None:
    with pytest.raises(NoSession):
        encrypt(SessionRecord(), b"", local=alice.local, remote=bob.address, now=0)
    acquainted(alice, bob)
    message = alice.write(bob, b"hello")
    bob.sessions.clear()
    with pytest.raises(NoSession):
        bob.read(alice, message)


@pytest.mark.parametrize("ring", ["signed_keys", "one_time_keys", "kyber_keys"])
def test_a_first_message_for_a_key_that_is_gone_is_refused(
    alice: Person, bob: Person, ring: str
) -> None:
    alice.open(bob)
    message = alice.write(bob, b"hello")
    getattr(bob.keyring, ring).clear()
    with pytest.raises(UnknownPreKey):
        bob.read(alice, message)


def test_types_that_are_not_known_are_refused(alice: Person, bob: Person) -> None:
    alice.open(bob)
    with pytest.raises(InvalidMessage, match="type 7"):
        bob.read(alice, Ciphertext(7, alice.write(bob, b"hello").body))


def test_a_first_message_redirected_to_or_from_another_device_is_refused(
    alice: Person, bob: Person
) -> None:
    alice.open(bob)
    message = alice.write(bob, b"for bob's first device")
    sibling = Person("bob")  # the same keys, as a thief or a confused server would have it
    sibling.local = replace(bob.local, address=Address(bob.address.user_id, 2))
    sibling.keyring = bob.keyring
    with pytest.raises(InvalidMessage, match="addresses"):
        sibling.read(alice, message)
    impostor = Person("impostor")
    with pytest.raises(InvalidMessage, match="addresses"):
        bob.read(impostor, message)


def test_the_identity_of_a_first_message_cannot_be_exchanged(alice: Person, bob: Person) -> None:
    alice.open(bob)
    message = alice.write(bob, b"hello")
    fields = PreKeySignalMessage.FromString(message.body[1:])
    fields.identity_key = Person("mallory").local.identity.public
    with pytest.raises(InvalidMessage):
        bob.read(alice, Ciphertext(PRE_KEY, message.body[:1] + fields.SerializeToString()))


# Replay without one-time keys


def test_a_first_message_on_last_resort_keys_is_remembered(alice: Person, bob: Person) -> None:
    alice.open(bob, bob.bundle(one_time=False))
    message = alice.write(bob, b"hello")
    got = bob.take(alice, message)
    assert got.kyber_is_last_resort
    assert got.used_pre_key_id is None
    assert got.replay is not None
    assert got.replay.base_key == got.base_key
    bob.sessions.clear()  # the session is gone, the keys and the mark are not
    with pytest.raises(DuplicateMessage):
        bob.read(alice, message)
    bob.keyring.marks.clear()
    assert bob.read(alice, message) == b"hello"


def test_a_first_message_on_the_signed_key_alone_is_remembered(alice: Person, bob: Person) -> None:
    alice.open(bob, bob.bundle(one_time=False, kyber=False), allow_x3dh=True)
    message = alice.write(bob, b"hello")
    got = bob.take(alice, message, allow_x3dh=True)
    assert got.replay is not None
    assert got.replay.kyber_pre_key_id is None
    bob.sessions.clear()
    with pytest.raises(DuplicateMessage):
        bob.read(alice, message, allow_x3dh=True)


def test_a_first_message_on_one_time_keys_cannot_come_twice(alice: Person, bob: Person) -> None:
    alice.open(bob)
    message = alice.write(bob, b"hello")
    bob.read(alice, message)
    bob.sessions.clear()
    with pytest.raises(UnknownPreKey):
        bob.read(alice, message)


# Which session is current


def test_the_session_last_decrypted_in_becomes_current(alice: Person, bob: Person) -> None:
    acquainted(alice, bob)
    late = bob.write(alice, b"under way in the old session")
    alice.open(bob)
    new = alice.sessions[bob.address].current
    assert new is not None
    assert alice.read(bob, late) == b"under way in the old session"
    current = alice.sessions[bob.address].current
    assert current is not None
    assert current.base_key != new.base_key
    assert bob.read(alice, alice.write(bob, b"goes on")) == b"goes on"


def test_two_who_open_at_once_converge(alice: Person, bob: Person) -> None:
    alice.open(bob)
    bob.open(alice)
    from_alice, from_bob = alice.write(bob, b"a"), bob.write(alice, b"b")
    assert alice.read(bob, from_bob) == b"b"
    assert bob.read(alice, from_alice) == b"a"
    assert bob.read(alice, alice.write(bob, b"c")) == b"c"
    assert alice.read(bob, bob.write(alice, b"d")) == b"d"
    currents = [alice.sessions[bob.address].current, bob.sessions[alice.address].current]
    assert currents[0] is not None
    assert currents[1] is not None
    assert currents[0].base_key == currents[1].base_key


def test_an_archived_session_is_not_written_in_but_still_read(alice: Person, bob: Person) -> None:
    acquainted(alice, bob)
    late = bob.write(alice, b"late")
    alice.sessions[bob.address] = archive(alice.sessions[bob.address])
    assert not alice.sessions[bob.address].has_current(now=0)
    with pytest.raises(NoSession):
        alice.write(bob, b"x")
    assert alice.read(bob, late) == b"late"
    assert alice.sessions[bob.address].has_current(now=0)


def test_a_repeated_first_message_of_an_archived_session_finds_it(
    alice: Person, bob: Person
) -> None:
    alice.open(bob)
    first, second = alice.write(bob, b"1"), alice.write(bob, b"2")
    bob.read(alice, first)
    alice.open(bob)
    bob.read(alice, alice.write(bob, b"3"))
    assert bob.read(alice, second) == b"2"
    with pytest.raises(DuplicateMessage):
        bob.read(alice, first)


def test_a_retry_request_can_tell_whether_it_is_about_the_current_session(
    alice: Person, bob: Person
) -> None:
    alice.open(bob)
    old = alice.sessions[bob.address].current_ratchet_key
    alice.open(bob)
    record = alice.sessions[bob.address]
    assert record.current_ratchet_key != old
    assert record.ratchet_keys() == {old, record.current_ratchet_key}
    assert archive(record).current_ratchet_key is None
    assert archive(record).ratchet_keys() == record.ratchet_keys()


def test_a_session_that_nobody_answers_is_unusable_after_thirty_days(
    alice: Person, bob: Person
) -> None:
    alice.now = DAY
    alice.open(bob)
    alice.now = 31 * DAY
    alice.write(bob, b"still")
    alice.now += 1
    assert not alice.sessions[bob.address].has_current(alice.now)
    with pytest.raises(StaleSession):
        alice.write(bob, b"no more")
    alice.open(bob)
    alice.write(bob, b"again")


def test_an_answered_session_does_not_age(alice: Person, bob: Person) -> None:
    acquainted(alice, bob)
    alice.now = 1_000 * DAY
    assert bob.read(alice, alice.write(bob, b"long ago")) == b"long ago"


def test_a_message_25_000_ahead_is_read_and_one_further_is_refused(
    alice: Person, bob: Person
) -> None:
    acquainted(alice, bob)
    for _ in range(25_000):
        alice.write(bob, b"lost")
    at_the_limit, beyond = alice.write(bob, b"at the limit"), alice.write(bob, b"beyond")
    with pytest.raises(InvalidMessage, match="ahead"):
        bob.read(alice, beyond)
    assert bob.read(alice, at_the_limit) == b"at the limit"
    assert bob.read(alice, beyond) == b"beyond"


def test_a_forged_counter_costs_an_archived_session_little(alice: Person, bob: Person) -> None:
    """The message fits, but lies further ahead than an archived session is followed."""
    acquainted(alice, bob)
    alice.read(bob, bob.write(alice, b"turn"))
    for _ in range(2_002):
        far = alice.write(bob, b"x")
    bob.open(alice)
    before = bob.sessions[alice.address]
    with pytest.raises(InvalidMessage):
        bob.read(alice, far)
    assert bob.sessions[alice.address] == before


@pytest.mark.parametrize(("user_id", "device"), [(b"short", 1), (bytes(16), 0), (bytes(16), 128)])
def test_what_is_no_address_is_refused(user_id: bytes, device: int) -> None:
    with pytest.raises(ValueError, match="address"):
        Address(user_id, device)
