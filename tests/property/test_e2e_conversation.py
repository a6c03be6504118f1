"""Two devices talk over a wire that drops, repeats and reorders, and restart in between.

Every message is read at most once and as it was written; a message that comes for the first time
is read, unless it is older than what a session keeps; what is refused changes nothing.
"""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from signet.e2e import (
    PRE_KEY,
    WHISPER,
    Ciphertext,
    DuplicateMessage,
    E2eError,
    InvalidMessage,
    NoSession,
    archive,
    message_ratchet_key,
    pad,
    unpad,
)
from signet.e2e.limits import MAX_RECEIVING_CHAINS
from tests.support.e2e_people import Person

sides = st.sampled_from(["alice", "bob"])


@dataclass(frozen=True)
class Sent:
    writer: str
    text: bytes
    message: Ciphertext
    chains_read: int
    """How many of the writer's ratchet keys the reader had seen when it was written."""


class Conversation(RuleBasedStateMachine):
    wire = Bundle("wire")

    def __init__(self) -> None:
        super().__init__()
        self.people = {"alice": Person("alice"), "bob": Person("bob")}
        self.written = 0
        self.read: set[bytes] = set()
        self.chains: dict[str, set[bytes]] = {"alice": set(), "bob": set()}

    def other(self, side: str) -> str:
        return "bob" if side == "alice" else "alice"

    def pair(self, side: str) -> tuple[Person, Person]:
        return self.people[side], self.people[self.other(side)]

    @rule(side=sides, one_time=st.booleans())
    def open(self, side: str, one_time: bool) -> None:
        me, you = self.pair(side)
        me.open(you, you.bundle(one_time=one_time))

    @rule(target=wire, side=sides)
    def write(self, side: str) -> Sent:
        return self.writes(side)

    def writes(self, side: str) -> Sent:
        me, you = self.pair(side)
        record = me.sessions.get(you.address)
        if record is None or not record.has_current(me.now):
            me.open(you)
        self.written += 1
        text = b"%d" % self.written
        seen = len(self.chains[self.other(side)])
        return Sent(side, text, me.write(you, text), seen)

    @rule(sent=consumes(wire))
    def drop(self, sent: Sent) -> None:
        """It never comes."""

    @rule(sent=consumes(wire))
    def deliver(self, sent: Sent) -> None:
        self.arrives(sent)

    @rule(sent=wire)
    def deliver_and_keep_for_a_repetition(self, sent: Sent) -> None:
        self.arrives(sent)

    @rule(side=sides, order=st.lists(st.integers(0, 4), min_size=2, max_size=8))
    def a_burst_arrives_in_some_order(self, side: str, order: list[int]) -> None:
        burst = [self.writes(side) for _ in range(5)]
        for at in order:
            self.arrives(burst[at])

    def arrives(self, sent: Sent) -> None:
        writer, reader = self.pair(sent.writer)
        name = self.other(sent.writer)
        before = reader.sessions.get(writer.address)
        try:
            text = reader.read(writer, sent.message)
        except (DuplicateMessage, InvalidMessage):
            too_old = len(self.chains[name]) - sent.chains_read >= MAX_RECEIVING_CHAINS
            assert sent.text in self.read or too_old
            assert reader.sessions.get(writer.address) == before
            return
        assert text == sent.text
        assert text not in self.read
        self.read.add(text)
        self.chains[name].add(message_ratchet_key(sent.message))

    @rule(sent=wire, at=st.integers(min_value=0), bit=st.integers(0, 7))
    def a_changed_message_arrives(self, sent: Sent, at: int, bit: int) -> None:
        writer, reader = self.pair(sent.writer)
        before = reader.sessions.get(writer.address)
        keys = dict(reader.keyring.one_time_keys)
        try:
            text = reader.read(writer, flipped(sent.message, at, bit))
        except E2eError:
            assert reader.sessions.get(writer.address) == before
            assert reader.keyring.one_time_keys == keys
            return
        # Fields around the authenticated message may change without harm (a registration id).
        assert text == sent.text
        assert sent.message.type == PRE_KEY
        assert text not in self.read
        self.read.add(text)
        self.chains[self.other(sent.writer)].add(message_ratchet_key(sent.message))

    @rule(side=sides)
    def restart(self, side: str) -> None:
        self.people[side].restart()

    @rule(side=sides)
    def give_up_the_current_session(self, side: str) -> None:
        me, you = self.pair(side)
        if you.address in me.sessions:
            me.sessions[you.address] = archive(me.sessions[you.address])

    def teardown(self) -> None:
        """Left in peace, both are in one session after one message each."""
        alice, bob = self.pair("alice")
        for side in ("alice", "bob"):
            self.arrives(self.writes(side))
        states = [alice.sessions[bob.address].current, bob.sessions[alice.address].current]
        assert states[0] is not None
        assert states[1] is not None
        assert states[0].base_key == states[1].base_key


def flipped(message: Ciphertext, at: int, bit: int) -> Ciphertext:
    body = bytearray(message.body)
    body[at % len(body)] ^= 1 << bit
    return Ciphertext(message.type, bytes(body))


Conversation.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


TestConversation = Conversation.TestCase


@given(body=st.binary(max_size=200), kind=st.integers(0, 8))
def test_noise_is_only_ever_refused_by_name(body: bytes, kind: int) -> None:
    alice, bob = Person("alice"), Person("bob")
    with pytest.raises((InvalidMessage, NoSession)):
        bob.read(alice, Ciphertext(kind, body))
    with pytest.raises(InvalidMessage):
        bob.read(alice, Ciphertext(WHISPER, b"\x44" + body[:8]))


@given(content=st.binary(max_size=1_000))
def test_padding_comes_off_as_it_went_on(content: bytes) -> None:
    assert unpad(pad(content)) == content
