"""Changes of groups on the wire and as values of core/membership.py: the one place that knows both.

What is signed and hashed are the bytes as they came: nothing is serialised again to check it.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from signet.core.errors import Code, SignetError
from signet.core.groups import GroupId
from signet.core.ids import ID_BYTES, UserId
from signet.core.membership import (
    Add,
    Change,
    Create,
    Join,
    Keys,
    Leave,
    Remove,
    SetAdministrator,
    SetLink,
    SetProfile,
    What,
)
from signet.v1 import group_pb2 as pb

IDENTITY_BYTES = 33
LINK_BYTES = 32
_SIGNED = b"signet-group-change-v1"
_JOINED = b"signet-group-join-v1"
_LOOKED = b"signet-group-look-v1"


class Signed(NamedTuple):
    """A record: a change, and what its signatures are over."""

    change: Change
    signed: bytes  # what `signature` is over, by the actor's identity key
    signature: bytes
    joined: bytes  # what `link_signature` is over, by the link's key
    link_signature: bytes


def read_record(record: bytes) -> Signed:
    """A SignedGroupChange off the wire; its signatures are not verified yet.

    Raises:
        SignetError: INVALID_ARGUMENT with the field's name.
    """
    try:
        wire = pb.SignedGroupChange.FromString(record)
        change = pb.GroupChange.FromString(wire.change)
    except DecodeError:
        raise _invalid("record") from None
    return Signed(
        _change(change, sha256(wire.change).digest()),
        _SIGNED + wire.change,
        wire.signature,
        _JOINED + wire.change,
        wire.link_signature,
    )


def write_record(
    change: Change,
    sign: Callable[[bytes], bytes],
    sign_link: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """A record of a new change; its `hash` is not read.

    `sign` is by the actor, `sign_link` by the link of a join.
    """
    body = _wire(change).SerializeToString(deterministic=True)
    link_signature = sign_link(_JOINED + body) if sign_link is not None else b""
    return pb.SignedGroupChange(
        change=body, signature=sign(_SIGNED + body), link_signature=link_signature
    ).SerializeToString()


def looked(group: GroupId, user: UserId) -> bytes:
    """What a link's key signs for whoever wants to see the group before they join (G8)."""
    return _LOOKED + group + user


def _change(wire: pb.GroupChange, digest: bytes) -> Change:
    kind = wire.WhichOneof("what")
    if kind is None:
        raise _invalid("what")
    group, actor = GroupId(_user(wire.group, "group")), _user(wire.actor, "actor")
    identity = _sized(wire.actor_identity_key, IDENTITY_BYTES, "actor_identity_key")
    if not 0 < wire.version < 2**31:
        raise _invalid("version")
    what = _READ[kind](getattr(wire, kind))
    return Change(group, wire.version, wire.previous, actor, identity, what, digest)


def _wire(change: Change) -> pb.GroupChange:
    wire = pb.GroupChange(
        group=change.group,
        version=change.version,
        previous=change.previous,
        actor=change.actor,
        actor_identity_key=change.actor_identity,
    )
    match change.what:
        case Create(members, profile):
            wire.create.CopyFrom(pb.GroupCreate(members=_keys(members), profile=profile))
        case Add(members):
            wire.add.CopyFrom(pb.GroupAdd(members=_keys(members)))
        case Remove(users):
            wire.remove.CopyFrom(pb.GroupRemove(users=users))
        case Leave(successor):
            wire.leave.CopyFrom(pb.GroupLeave(successor=successor or b""))
        case Join():
            wire.join.SetInParent()
        case SetAdministrator(user, administrator):
            named = pb.GroupAdministrator(user=user, administrator=administrator)
            wire.administrator.CopyFrom(named)
        case SetLink(public_key):
            wire.link.CopyFrom(pb.GroupLink(public_key=public_key))
        case SetProfile(profile):
            wire.profile.CopyFrom(pb.GroupProfile(profile=profile))
    return wire


def _leave(wire: pb.GroupLeave) -> What:
    return Leave(_user(wire.successor, "successor") if wire.successor else None)


def _link(wire: pb.GroupLink) -> What:
    key = wire.public_key
    return SetLink(_sized(key, LINK_BYTES, "public_key") if key else b"")


_READ: dict[str, Callable[[Any], What]] = {
    "create": lambda w: Create(_read_keys(w.members), w.profile),
    "add": lambda w: Add(_read_keys(w.members)),
    "remove": lambda w: Remove(tuple(_once(_user(each, "users") for each in w.users))),
    "leave": _leave,
    "join": lambda w: Join(),
    "administrator": lambda w: SetAdministrator(_user(w.user, "user"), w.administrator),
    "link": _link,
    "profile": lambda w: SetProfile(w.profile),
}


def _read_keys(wire: Iterable[pb.GroupMemberKey]) -> Keys:
    keys = tuple(
        (_user(each.user, "members"), _sized(each.identity_key, IDENTITY_BYTES, "members"))
        for each in wire
    )
    _once(user for user, _ in keys)
    return keys


def _keys(members: Keys) -> list[pb.GroupMemberKey]:
    return [pb.GroupMemberKey(user=user, identity_key=key) for user, key in members]


def _once(users: Iterable[UserId]) -> list[UserId]:
    named = list(users)
    if len(set(named)) != len(named):
        raise _invalid("somebody twice")
    return named


def _user(wire: bytes, field: str) -> UserId:
    return UserId(_sized(wire, ID_BYTES, field))


def _sized(wire: bytes, size: int, field: str) -> bytes:
    if len(wire) != size:
        raise _invalid(field)
    return wire


def _invalid(field: str) -> SignetError:
    return SignetError(Code.INVALID_ARGUMENT, field)
