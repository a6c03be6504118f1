"""Who is a member of a group, and who may change what: the chain's rules, the same for all.

Servers and clients apply the same changes by this one function (protos/protocol.md, G1). Signatures
are verified by whoever calls it, over the bytes whose hash is `Change.hash`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from signet.core import limits
from signet.core.errors import Code, SignetError
from signet.core.groups import GroupId
from signet.core.ids import UserId

Keys = tuple[tuple[UserId, bytes], ...]  # users and the identity keys that they are known by


@dataclass(frozen=True, slots=True)
class Create:
    """The actor and these are members; the actor is the administrator."""

    members: Keys
    profile: bytes = b""


@dataclass(frozen=True, slots=True)
class Add:
    """By an administrator. Who is a member already gets another identity key."""

    members: Keys


@dataclass(frozen=True, slots=True)
class Remove:
    """By an administrator, of others."""

    users: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """`successor` becomes an administrator, where the only one leaves others behind."""

    successor: UserId | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """The actor becomes a member; they have proved the link."""


@dataclass(frozen=True, slots=True)
class SetAdministrator:
    """By an administrator."""

    user: UserId
    administrator: bool


@dataclass(frozen=True, slots=True)
class SetLink:
    """By an administrator. Empty: nobody joins any more."""

    public_key: bytes


@dataclass(frozen=True, slots=True)
class SetProfile:
    """By an administrator."""

    profile: bytes


What = Create | Add | Remove | Leave | Join | SetAdministrator | SetLink | SetProfile
OF_MEMBERS = (Create, Add, Remove, Leave, Join)  # those that a send must know of (G3)


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as its actor wrote it. `hash` is the SHA-256 of those bytes."""

    group: GroupId
    version: int
    previous: bytes
    actor: UserId
    actor_identity: bytes
    what: What
    hash: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the chain has them."""

    identity_key: bytes
    administrator: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """A group after its first `version` changes. `hash` is that of the last of them."""

    group: GroupId
    version: int = 0
    membership: int = 0  # the version of the last change of who is a member
    hash: bytes = b""
    members: Mapping[UserId, Member] = field(default_factory=dict)
    link: bytes = b""
    profile: bytes = b""

    def is_administrator(self, user: UserId) -> bool:
        """Whether they are a member who may change the group."""
        member = self.members.get(user)
        return member is not None and member.administrator


def apply(group: Membership, change: Change) -> Membership:
    """The group after the change. Its signature, and a join's proof, are verified already.

    Raises:
        SignetError: GROUP_CHANGED (it is not the next), FORBIDDEN, NOT_FOUND (of a user that it
            names), GROUP_FULL, LAST_ADMINISTRATOR, INVALID_ARGUMENT.
    """
    if change.group != group.group:
        raise SignetError(Code.INVALID_ARGUMENT, "group")
    if change.version != group.version + 1 or change.previous != group.hash:
        raise SignetError(Code.GROUP_CHANGED)
    _check_actor(group, change)
    after = _changed(group, change)
    _check_size(after)
    of_members = isinstance(change.what, OF_MEMBERS)
    return replace(
        after,
        version=change.version,
        membership=change.version if of_members else group.membership,
        hash=change.hash,
    )


def _check_actor(group: Membership, change: Change) -> None:
    if isinstance(change.what, Create) != (change.version == 1):
        raise SignetError(Code.INVALID_ARGUMENT, "the first change creates the group, no other")
    member = group.members.get(change.actor)
    if isinstance(change.what, Create):
        return
    if isinstance(change.what, Join):
        if member is not None or not group.link:
            raise SignetError(Code.FORBIDDEN)
        return
    if member is None or member.identity_key != change.actor_identity:
        raise SignetError(Code.FORBIDDEN)
    if not member.administrator and not isinstance(change.what, Leave):
        raise SignetError(Code.FORBIDDEN, "for administrators")


def _check_size(group: Membership) -> None:
    if len(group.members) > limits.MAX_GROUP:
        raise SignetError(Code.GROUP_FULL)
    if group.members and not any(member.administrator for member in group.members.values()):
        raise SignetError(Code.LAST_ADMINISTRATOR)
    if len(group.profile) > limits.MAX_GROUP_PROFILE:
        raise SignetError(Code.CONTENT_TOO_LARGE)


def _changed(group: Membership, change: Change) -> Membership:  # noqa: PLR0911 - a table
    members, actor = dict(group.members), change.actor
    match change.what:
        case Create(others, profile):
            members = _added({}, others)
            members[actor] = Member(change.actor_identity, administrator=True)
            return replace(group, members=members, profile=profile)
        case Add(others):
            return replace(group, members=_added(members, others))
        case Remove(users):
            if actor in users:
                raise SignetError(Code.INVALID_ARGUMENT, "who goes themselves leaves")
            return replace(group, members=_without(members, users))
        case Leave(successor):
            return replace(group, members=_left(members, actor, successor))
        case Join():
            members[actor] = Member(change.actor_identity)
            return replace(group, members=members)
        case SetAdministrator(user, administrator):
            members[user] = replace(_member(members, user), administrator=administrator)
            return replace(group, members=members)
        case SetLink(public_key):
            return replace(group, link=public_key)
        case SetProfile(profile):
            return replace(group, profile=profile)


def _added(members: dict[UserId, Member], others: Keys) -> dict[UserId, Member]:
    for user, identity_key in others:
        known = members.get(user)
        members[user] = Member(identity_key, known is not None and known.administrator)
    return members


def _without(members: dict[UserId, Member], users: tuple[UserId, ...]) -> dict[UserId, Member]:
    for user in users:
        _member(members, user)
        del members[user]
    return members


def _left(
    members: dict[UserId, Member], actor: UserId, successor: UserId | None
) -> dict[UserId, Member]:
    del members[actor]
    if successor is not None:
        members[successor] = replace(_member(members, successor), administrator=True)
    return members


def _member(members: Mapping[UserId, Member], user: UserId) -> Member:
    member = members.get(user)
    if member is None:
        raise SignetError(Code.NOT_FOUND, "no member")
    return member
