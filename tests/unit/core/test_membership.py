"""Who may change what in a group: the chain's rules (G1)."""

from hashlib import sha256

import pytest

from signet.core.errors import Code, SignetError
from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.limits import MAX_GROUP, MAX_GROUP_PROFILE
from signet.core.membership import (
    Add,
    Change,
    Create,
    Join,
    Leave,
    Member,
    Membership,
    Remove,
    SetAdministrator,
    SetLink,
    SetProfile,
    What,
    apply,
)

GROUP = GroupId(b"g" * 16)
ANN, BOB, CAT, DAN = (UserId(bytes((letter,)) * 16) for letter in b"abcd")


def identity(user: UserId) -> bytes:
    return b"\x05" + user * 2


def change(group: Membership, actor: UserId, what: What) -> Change:
    """The next change, as the actor would write it."""
    version = group.version + 1
    digest = sha256(group.hash + repr((version, actor, what)).encode()).digest()
    return Change(GROUP, version, group.hash, actor, identity(actor), what, digest)


def after(*steps: tuple[UserId, What]) -> Membership:
    """The group after these changes."""
    group = Membership(GROUP)
    for actor, what in steps:
        group = apply(group, change(group, actor, what))
    return group


CREATED = (ANN, Create(((BOB, identity(BOB)),), b"name"))


def refused(group: Membership, actor: UserId, what: What) -> Code:
    with pytest.raises(SignetError) as refusal:
        apply(group, change(group, actor, what))
    return refusal.value.code


def test_who_creates_a_group_administers_it() -> None:
    group = after(CREATED)
    assert dict(group.members) == {
        ANN: Member(identity(ANN), administrator=True),
        BOB: Member(identity(BOB)),
    }
    assert (group.version, group.membership, group.profile) == (1, 1, b"name")


def test_a_change_that_is_not_the_next_is_refused() -> None:
    group = after(CREATED)
    late = change(Membership(GROUP), ANN, SetProfile(b""))
    fork = Change(GROUP, 2, b"another past", ANN, identity(ANN), SetProfile(b""), b"")
    for wrong in (late, fork):
        with pytest.raises(SignetError) as refusal:
            apply(group, wrong)
        assert refusal.value.code in {Code.GROUP_CHANGED, Code.INVALID_ARGUMENT}


@pytest.mark.parametrize(
    "what",
    [
        Add(((CAT, identity(CAT)),)),
        Remove((ANN,)),
        SetAdministrator(BOB, True),
        SetLink(b"l" * 32),
        SetProfile(b"other"),
    ],
)
def test_only_administrators_change_a_group(what: What) -> None:
    group = after(CREATED)
    assert refused(group, BOB, what) is Code.FORBIDDEN
    promoted = apply(group, change(group, ANN, SetAdministrator(BOB, True)))
    assert apply(promoted, change(promoted, BOB, what)).version == 3


def test_nobody_acts_under_another_identity_than_the_chain_has() -> None:
    group = after(CREATED)
    forged = Change(GROUP, 2, group.hash, ANN, identity(DAN), SetProfile(b""), b"")
    with pytest.raises(SignetError) as refusal:
        apply(group, forged)
    assert refusal.value.code is Code.FORBIDDEN


def test_a_name_a_link_or_an_administrator_does_not_change_who_is_a_member() -> None:
    steps = (CREATED, (ANN, SetProfile(b"x")), (ANN, SetLink(b"l" * 32)))
    group = after(*steps, (ANN, SetAdministrator(BOB, True)))
    assert (group.version, group.membership) == (4, 1)
    assert apply(group, change(group, BOB, Leave())).membership == 5


def test_who_proves_a_link_joins_once() -> None:
    linked = after(CREATED, (ANN, SetLink(b"l" * 32)))
    joined = apply(linked, change(linked, CAT, Join()))
    assert CAT in joined.members
    assert refused(joined, CAT, Join()) is Code.FORBIDDEN
    closed = apply(joined, change(joined, ANN, SetLink(b"")))
    assert refused(closed, DAN, Join()) is Code.FORBIDDEN


def test_the_last_administrator_names_another_before_they_go() -> None:
    group = after(CREATED)
    assert refused(group, ANN, Leave()) is Code.LAST_ADMINISTRATOR
    assert refused(group, ANN, SetAdministrator(ANN, False)) is Code.LAST_ADMINISTRATOR
    assert refused(group, ANN, Leave(CAT)) is Code.NOT_FOUND
    left = apply(group, change(group, ANN, Leave(BOB)))
    assert dict(left.members) == {BOB: Member(identity(BOB), administrator=True)}


def test_the_last_member_may_leave() -> None:
    assert not after((ANN, Create(())), (ANN, Leave())).members


def test_the_member_beyond_the_limit_is_refused_by_name() -> None:
    crowd = tuple((UserId(n.to_bytes(16, "big")), b"\x05" * 33) for n in range(1, MAX_GROUP))
    full = after((ANN, Create(crowd)), (ANN, SetLink(b"l" * 32)))
    assert len(full.members) == MAX_GROUP
    assert refused(full, ANN, Add(((BOB, identity(BOB)),))) is Code.GROUP_FULL
    assert refused(full, BOB, Join()) is Code.GROUP_FULL


def test_who_was_taken_over_is_added_again_and_keeps_their_rights() -> None:
    group = after(CREATED, (ANN, SetAdministrator(BOB, True)))
    again = apply(group, change(group, ANN, Add(((BOB, b"\x05" + b"n" * 32),))))
    assert again.members[BOB] == Member(b"\x05" + b"n" * 32, administrator=True)
    assert again.membership == 3


def test_a_profile_has_a_size() -> None:
    group = after(CREATED)
    assert refused(group, ANN, SetProfile(b"x" * (MAX_GROUP_PROFILE + 1))) is Code.CONTENT_TOO_LARGE


def test_whoever_is_removed_must_be_there() -> None:
    group = after(CREATED)
    assert refused(group, ANN, Remove((CAT,))) is Code.NOT_FOUND
    assert refused(group, ANN, Remove((ANN,))) is Code.INVALID_ARGUMENT
    assert set(apply(group, change(group, ANN, Remove((BOB,)))).members) == {ANN}
