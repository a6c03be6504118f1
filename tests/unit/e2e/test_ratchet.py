"""The Double Ratchet alone: seeds on both sides, skipped keys, and the limits."""

import pytest

from signet.e2e import DuplicateMessage, EcKeyPair, InvalidMessage
from signet.e2e.limits import MAX_KEPT_MESSAGE_KEYS, MAX_RECEIVING_CHAINS
from signet.e2e.ratchet import (
    Ratchet,
    as_initiator,
    as_responder,
    knows,
    next_to_receive,
    next_to_send,
)
from signet.e2e.x3dh import Agreed
from tests.support.e2e_people import randomness

draw = randomness("ratchet")
Sent = tuple[bytes, int, bytes]


def pair() -> tuple[Ratchet, Ratchet]:
    agreed, spk = Agreed(b"r" * 32, b"c" * 32), EcKeyPair.generate(draw)
    return as_initiator(agreed, spk.public, EcKeyPair.generate(draw)), as_responder(agreed, spk)


def send(ratchet: Ratchet) -> tuple[Ratchet, Sent]:
    header = ratchet.sending
    ratchet, seed = next_to_send(ratchet)
    return ratchet, (header.pair.public, header.index, seed)


def receive(ratchet: Ratchet, sent: Sent, *, jumps: int = 25_000) -> Ratchet:
    ratchet, seed = next_to_receive(ratchet, sent[0], sent[1], jumps=jumps, randomness=draw)
    assert seed == sent[2]
    return ratchet


def test_seeds_agree_in_both_directions_and_never_repeat() -> None:
    alice, bob = pair()
    seen = set()
    for _ in range(5):
        for _ in range(3):
            alice, sent = send(alice)
            bob = receive(bob, sent)
            seen.add(sent[2])
        bob, sent = send(bob)
        alice = receive(alice, sent)
        seen.add(sent[2])
    assert len(seen) == 20


def test_each_change_of_direction_has_a_fresh_ratchet_key() -> None:
    alice, bob = pair()
    keys = set()
    for _ in range(4):
        alice, sent = send(alice)
        bob = receive(bob, sent)
        keys.add(sent[0])
        bob, sent = send(bob)
        alice = receive(alice, sent)
        keys.add(sent[0])
    assert len(keys) == 8


def test_the_length_of_the_chain_before_is_remembered_for_the_header() -> None:
    alice, bob = pair()
    for _ in range(3):
        alice, sent = send(alice)
    bob = receive(bob, sent)
    bob, sent = send(bob)
    alice = receive(alice, sent)
    assert (alice.sending.index, alice.sending.previous) == (0, 3)


def test_a_skipped_message_is_read_once() -> None:
    alice, bob = pair()
    alice, first = send(alice)
    alice, second = send(alice)
    bob = receive(bob, second)
    bob = receive(bob, first)
    for sent in (first, second):
        with pytest.raises(DuplicateMessage):
            receive(bob, sent)


def test_a_jump_beyond_the_limit_is_refused_and_at_the_limit_is_not() -> None:
    alice, bob = pair()
    for _ in range(11):
        alice, sent = send(alice)
    with pytest.raises(InvalidMessage):
        receive(bob, sent, jumps=9)
    assert receive(bob, sent, jumps=10).receiving[0].index == 11


def test_only_the_newest_skipped_keys_are_kept() -> None:
    alice, bob = pair()
    sent = []
    for _ in range(MAX_KEPT_MESSAGE_KEYS + 3):
        alice, one = send(alice)
        sent.append(one)
    bob = receive(bob, sent[-2])
    assert len(bob.receiving[0].kept) == MAX_KEPT_MESSAGE_KEYS
    with pytest.raises(DuplicateMessage):
        receive(bob, sent[0])
    receive(bob, sent[1])


def test_keys_kept_before_go_first_when_more_are_skipped() -> None:
    alice, bob = pair()
    sent = []
    for _ in range(MAX_KEPT_MESSAGE_KEYS + 10):
        alice, one = send(alice)
        sent.append(one)
    bob = receive(bob, sent[5])
    bob = receive(bob, sent[-1])
    kept = bob.receiving[0].kept
    assert len(kept) == MAX_KEPT_MESSAGE_KEYS
    assert min(kept) == 9  # 5 was read; 0 to 4 and 6 to 8 made room
    receive(bob, sent[9])


def test_old_chains_stay_readable_up_to_the_limit() -> None:
    alice, bob = pair()
    late = []
    for _ in range(MAX_RECEIVING_CHAINS + 1):
        alice, missed = send(alice)
        alice, sent = send(alice)
        late.append(missed)
        bob = receive(bob, sent)
        bob, sent = send(bob)
        alice = receive(alice, sent)
    assert len(bob.receiving) == MAX_RECEIVING_CHAINS
    assert not knows(bob, late[0][0])
    for missed in late[1:]:
        bob = receive(bob, missed)
