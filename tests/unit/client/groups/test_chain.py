"""A member verifies every change of a group: who made it, their right, and its place."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.client.groups import chain
from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_GROUP
from signet.core.membership import (
    Add,
    Create,
    Join,
    Leave,
    Remove,
    SetAdministrator,
    SetLink,
    SetProfile,
    What,
)
from signet.v1 import group_pb2 as pb
from tests.support.group_people import Chain, Human

ALICE, BOB, CAROL, DAVE, MALLORY = (Human(n) for n in ("alice", "bob", "carol", "dave", "mallory"))
LINK = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LINK_PUBLIC = LINK.public_key().public_bytes_raw()


@pytest.fixture
def made() -> Chain:
    """Alice's group, with Bob and Carol."""
    return Chain.of(ALICE, BOB, CAROL)


def refused(made: Chain, human: Human, what: What, code: Code) -> None:
    before = made.group
    with pytest.raises(SignetError) as refusal:
        made.by(human, what)
    assert refusal.value.code is code
    assert made.group == before


def names(made: Chain) -> set[str]:
    everybody = (ALICE, BOB, CAROL, DAVE, MALLORY)
    return {human.name for human in everybody if human.user in made.group.members}


def test_who_creates_is_the_administrator(made: Chain) -> None:
    assert names(made) == {"alice", "bob", "carol"}
    assert made.group.is_administrator(ALICE.user)
    assert not made.group.is_administrator(BOB.user)
    assert (made.group.version, made.group.membership) == (1, 1)


def test_members_come_and_go(made: Chain) -> None:
    made.by(ALICE, Add((DAVE.key,)))
    made.by(ALICE, Remove((BOB.user,)))
    made.by(CAROL, Leave())
    assert names(made) == {"alice", "dave"}
    assert (made.group.version, made.group.membership) == (4, 4)


def test_a_name_a_link_and_an_administrator_change_no_membership(made: Chain) -> None:
    made.by(ALICE, SetProfile(b"sealed"))
    made.by(ALICE, SetLink(LINK_PUBLIC))
    made.by(ALICE, SetAdministrator(BOB.user, administrator=True))
    assert (made.group.version, made.group.membership) == (4, 1)
    made.by(BOB, Remove((ALICE.user,)))
    assert names(made) == {"bob", "carol"}


@pytest.mark.parametrize(
    "what",
    [
        Add((MALLORY.key,)),
        Remove((CAROL.user,)),
        SetAdministrator(BOB.user, administrator=True),
        SetLink(LINK_PUBLIC),
        SetProfile(b"other"),
    ],
)
def test_only_administrators_change_the_group(made: Chain, what: What) -> None:
    refused(made, BOB, what, Code.FORBIDDEN)
    refused(made, MALLORY, what, Code.FORBIDDEN)


def test_who_was_removed_changes_nothing_any_more(made: Chain) -> None:
    made.by(ALICE, SetAdministrator(BOB.user, administrator=True))
    made.by(ALICE, Remove((BOB.user,)))
    refused(made, BOB, Add((BOB.key,)), Code.FORBIDDEN)
    refused(made, BOB, Leave(), Code.FORBIDDEN)


def test_one_administrator_is_always_left(made: Chain) -> None:
    refused(made, ALICE, SetAdministrator(ALICE.user, administrator=False), Code.LAST_ADMINISTRATOR)
    refused(made, ALICE, Leave(), Code.LAST_ADMINISTRATOR)
    made.by(ALICE, Leave(successor=CAROL.user))
    assert made.group.is_administrator(CAROL.user)


def test_the_101st_member_is_refused() -> None:
    crowd = [Human(str(n)) for n in range(MAX_GROUP - 1)]
    made = Chain.of(ALICE, *crowd)
    assert len(made.group.members) == MAX_GROUP
    refused(made, ALICE, Add((BOB.key,)), Code.GROUP_FULL)


def test_who_knows_the_link_joins_and_nobody_else(made: Chain) -> None:
    refused(made, DAVE, Join(), Code.FORBIDDEN)
    made.by(ALICE, SetLink(LINK_PUBLIC))
    refused(made, DAVE, Join(), Code.BAD_SIGNATURE)
    with pytest.raises(SignetError):
        made.by(DAVE, Join(), Ed25519PrivateKey.generate())
    made.by(DAVE, Join(), LINK)
    assert "dave" in names(made)
    made.by(ALICE, SetLink(b""))
    with pytest.raises(SignetError):
        made.by(MALLORY, Join(), LINK)


def test_a_join_cannot_be_taken_for_somebody_else(made: Chain) -> None:
    """A server that saw one proof of the link cannot bring its own listener in by it."""
    made.by(ALICE, SetLink(LINK_PUBLIC))
    proved = pb.SignedGroupChange.FromString(DAVE.signs(made.group, Join(), LINK))
    change = pb.GroupChange.FromString(proved.change)
    change.actor, change.actor_identity_key = MALLORY.user, MALLORY.identity.public
    body = change.SerializeToString()
    forged = pb.SignedGroupChange(
        change=body,
        signature=MALLORY.identity.sign(b"signet-group-change-v1" + body, bytes),
        link_signature=proved.link_signature,
    )
    with pytest.raises(SignetError) as refusal:
        made.take(forged.SerializeToString())
    assert refusal.value.code is Code.BAD_SIGNATURE


def test_another_identity_key_than_the_chains_has_no_right(made: Chain) -> None:
    taken_over = Human("alice's new phone")
    taken_over.user = ALICE.user
    refused(made, taken_over, Add((MALLORY.key,)), Code.FORBIDDEN)
    made.by(ALICE, SetAdministrator(BOB.user, administrator=True))
    made.by(BOB, Add((taken_over.key,)))
    assert made.group.is_administrator(ALICE.user)
    refused(made, ALICE, SetProfile(b"of the old phone"), Code.FORBIDDEN)
    made.by(taken_over, SetProfile(b"of the new phone"))


def test_the_last_who_leaves_closes_the_group() -> None:
    made = Chain.of(ALICE)
    made.by(ALICE, Leave())
    assert not made.group.members
    refused(made, ALICE, Add((ALICE.key,)), Code.FORBIDDEN)


def test_a_change_for_another_group_is_refused(made: Chain) -> None:
    other = chain.founded(made.group.group)
    record = ALICE.signs(other, Create(()))
    with pytest.raises(SignetError):
        made.take(record)
