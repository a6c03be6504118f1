"""One device writes to a group over a wire that drops, repeats, reorders and changes.

Each message is read at most once by each member, as it was written, and by nobody who was not
given the key; what is refused changes nothing.
"""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from signet.e2e import (
    Ciphertext,
    DuplicateMessage,
    E2eError,
    NoSession,
    SenderKeyRecord,
    accept_distribution,
    distribute,
    group_decrypt,
    group_encrypt,
    new_sender_key,
)
from signet.e2e.limits import MAX_SENDER_KEY_STATES
from tests.support.e2e_people import randomness

GROUP = bytes(range(16))
members = st.sampled_from(["bob", "carol", "dave"])


@dataclass(frozen=True)
class Sent:
    text: bytes
    message: Ciphertext
    key: int  # which of the writer's keys, from 1
    readers: frozenset[str]  # who had been told that key before


class Group(RuleBasedStateMachine):
    wire = Bundle("wire")

    def __init__(self) -> None:
        super().__init__()
        self.draw = randomness("group")
        self.keys = 0
        self.rotate()
        self.records: dict[str, SenderKeyRecord] = {}
        self.told: dict[str, list[int]] = {}
        self.written = 0
        self.read: set[tuple[str, bytes]] = set()

    @rule()
    def rotate(self) -> None:
        """A new key: whoever is to read on must be told of it."""
        self.own = new_sender_key(self.draw)
        self.keys += 1
        self.readers: set[str] = set()

    @rule(member=members)
    def tell(self, member: str) -> None:
        told = distribute(self.own, GROUP)
        self.records[member] = accept_distribution(self.records.get(member), GROUP, told)
        known = self.told.setdefault(member, [])
        if self.keys in known:
            known.remove(self.keys)
        self.told[member] = [*known, self.keys][-MAX_SENDER_KEY_STATES:]
        self.readers.add(member)

    @rule(target=wire)
    def write(self) -> Sent:
        self.written += 1
        text = b"%d" % self.written
        self.own, message = group_encrypt(self.own, GROUP, text, randomness=self.draw)
        return Sent(text, message, self.keys, frozenset(self.readers))

    @rule(sent=consumes(wire))
    def drop(self, sent: Sent) -> None:
        """It never comes."""

    @rule(sent=wire, member=members)
    def deliver(self, sent: Sent, member: str) -> None:
        before = self.records.get(member)
        try:
            self.records[member], text = group_decrypt(before, GROUP, sent.message)
        except DuplicateMessage:
            assert (member, sent.text) in self.read or member not in sent.readers
        except NoSession:
            assert sent.key not in self.told.get(member, [])
        else:
            assert text == sent.text
            assert member in sent.readers
            assert (member, text) not in self.read
            self.read.add((member, text))

    @rule(sent=wire, member=members, at=st.integers(min_value=0), bit=st.integers(0, 7))
    def deliver_changed(self, sent: Sent, member: str, at: int, bit: int) -> None:
        body = bytearray(sent.message.body)
        body[at % len(body)] ^= 1 << bit
        changed = Ciphertext(sent.message.type, bytes(body))
        try:
            _, text = group_decrypt(self.records.get(member), GROUP, changed)
        except E2eError:
            return
        raise AssertionError(f"{text!r} was read in a message that was changed")

    @rule(member=members)
    def restart(self, member: str) -> None:
        self.own = SenderKeyRecord.deserialise(self.own.serialise())
        if member in self.records:
            stored = self.records[member].serialise()
            self.records[member] = SenderKeyRecord.deserialise(stored)


Group.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

TestGroup = Group.TestCase
