"""A chain is taken whole, in its order, from those who may; a server can neither add nor change.

Random histories of a group are made by people who act within their rights. Then a server plays
them to a member wrongly: with a bit flipped, in another order, with a record left out or taken
from another branch, or with one that somebody without the right made.
"""

import random
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from signet.client.groups import chain
from signet.core.errors import SignetError
from signet.core.membership import (
    Add,
    Change,
    Join,
    Leave,
    Membership,
    Remove,
    SetAdministrator,
    SetLink,
    SetProfile,
    What,
)
from signet.v1 import group_pb2 as pb
from signet.v1.groups import write_record
from tests.support.group_people import GROUP, Chain, Human

PEOPLE = [Human(f"person {n}") for n in range(6)]
BY_ID = {human.user: human for human in PEOPLE}
STRANGER = Human("stranger")
LINK = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
quietly = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Step:
    """Who does what; refused where they may not, as in life."""

    actor: Human
    what: What


def steps() -> st.SearchStrategy[Step]:
    human = st.sampled_from(PEOPLE)
    what = st.one_of(
        human.map(lambda h: Add((h.key,))),
        human.map(lambda h: Remove((h.user,))),
        st.just(Leave()),
        human.map(lambda h: Leave(successor=h.user)),
        st.just(Join()),
        st.builds(lambda h, yes: SetAdministrator(h.user, administrator=yes), human, st.booleans()),
        st.sampled_from([SetLink(LINK.public_key().public_bytes_raw()), SetLink(b"")]),
        st.binary(max_size=20).map(SetProfile),
    )
    return st.builds(Step, human, what)


def histories(least: int = 1) -> st.SearchStrategy[Chain]:
    def play(those: list[Step]) -> Chain:
        made = Chain.of(PEOPLE[0], PEOPLE[1])
        while len(made.records) < least:
            made.by(PEOPLE[0], SetProfile(b"%d" % len(made.records)), None)
        for step in those:
            link = LINK if isinstance(step.what, Join) else None
            try:
                made.by(step.actor, step.what, link)
            except SignetError:
                continue
        return made

    return st.lists(steps(), max_size=12).map(play)


def taken(records: list[bytes]) -> tuple[Membership, bool]:
    """How far a member follows, and whether all of it was taken."""
    group = chain.founded(GROUP)
    for record in records:
        try:
            group, _ = chain.follow(group, record)
        except SignetError:
            return group, False
    return group, True


@quietly
@given(made=histories())
def test_everybody_who_follows_the_chain_has_the_same_group(made: Chain) -> None:
    group, whole = taken(made.records)
    assert whole
    assert group == made.group
    assert group.version == len(made.records)
    assert not group.members or any(m.administrator for m in group.members.values())


@quietly
@given(made=histories(), at=st.integers(0), place=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_followed_elsewhere(
    made: Chain, at: int, place: int, bit: int
) -> None:
    at %= len(made.records)
    record = bytearray(made.records[at])
    record[place % len(record)] ^= 1 << bit
    forged = [*made.records[:at], bytes(record), *made.records[at + 1 :]]
    group, whole = taken(forged)
    # Fields that protobuf does not know are nobody's words: then the change itself is untouched.
    assert not whole or group == made.group


@quietly
@given(made=histories(least=3), seed=st.integers(0))
def test_another_order_is_not_followed(made: Chain, seed: int) -> None:
    order = list(made.records)
    random.Random(seed).shuffle(order)
    assume(order != made.records)
    assert not taken(order)[1]


@quietly
@given(made=histories(least=3), at=st.integers(0))
def test_a_record_that_was_left_out_or_repeated_is_noticed(made: Chain, at: int) -> None:
    at %= len(made.records) - 1
    assert not taken(made.records[:at] + made.records[at + 1 :])[1]
    assert not taken([*made.records[: at + 1], made.records[at], *made.records[at + 1 :]])[1]


@quietly
@given(made=histories(least=2), at=st.integers(0), name=st.binary(min_size=1, max_size=8))
def test_a_fork_is_noticed_by_whoever_saw_the_other_branch(
    made: Chain, at: int, name: bytes
) -> None:
    """An administrator may sign two changes with one number; a member follows one of them only."""
    fork = made.records[: 1 + at % (len(made.records) - 1)]
    there, _ = taken(fork)
    signer = next(BY_ID[u] for u, m in there.members.items() if m.administrator)
    other = signer.signs(there, SetProfile(b"fork " + name))
    rest = made.records[len(fork) :]
    assert not taken([*fork, other, *rest])[1]
    assert not taken([*fork, rest[0], other])[1]


@quietly
@given(made=histories(), step=steps())
def test_who_has_no_right_is_not_followed_whatever_they_sign(made: Chain, step: Step) -> None:
    before = made.group
    for human in (*PEOPLE, STRANGER):
        member = before.members.get(human.user)
        if member is not None and (member.administrator or isinstance(step.what, Leave)):
            continue
        with pytest.raises(SignetError):
            made.take(signed_anyhow(human, before, step.what))
    assert made.group == before


@quietly
@given(made=histories())
def test_a_server_that_adds_a_listener_is_not_followed(made: Chain) -> None:
    """It has no member's key: it can sign with its own only, or sign nothing."""
    before = made.group
    administrator = next((u for u, m in before.members.items() if m.administrator), None)
    assume(administrator is not None)
    assert administrator is not None
    record = pb.SignedGroupChange.FromString(signed_anyhow(STRANGER, before, Add((STRANGER.key,))))
    for key in (STRANGER.identity.public, before.members[administrator].identity_key):
        change = pb.GroupChange.FromString(record.change)
        change.actor, change.actor_identity_key = administrator, key
        body = change.SerializeToString()
        signature = STRANGER.identity.sign(b"signet-group-change-v1" + body, bytes)
        for with_signature in (signature, b"", bytes(64)):
            forged = pb.SignedGroupChange(change=body, signature=with_signature)
            with pytest.raises(SignetError):
                made.take(forged.SerializeToString())
    assert STRANGER.user not in made.group.members


def signed_anyhow(human: Human, group: Membership, what: What) -> bytes:
    """A record that the rules would not let this human write, signed well all the same."""
    draft = Change(
        group.group, group.version + 1, group.hash, human.user, human.identity.public, what, b""
    )
    return write_record(draft, lambda message: human.identity.sign(message, bytes))
