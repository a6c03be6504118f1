"""A group as the application sees it."""

from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from signet.client.device_store import Tx
from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.membership import Membership
from signet.e2e import InvalidMessage
from signet.e2e.group_profile import open_profile
from signet.v1.content_pb2 import GroupProfileText


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One of a group, as the chain of its changes says."""

    user: UserId
    administrator: bool


@dataclass(frozen=True, slots=True)
class Group:
    """`name` is '' until the key of the group's profile has come. Members: longest there first."""

    id: GroupId
    name: str
    members: tuple[GroupMember, ...]
    is_member: bool  # whether we are one (still)
    is_administrator: bool
    has_link: bool
    version: int
    picture: bytes = field(default=b"", repr=False)

    @property
    def peer(self) -> UserId:
        """What stands for the group where a person's id does: sends, histories, events."""
        return UserId(self.id)


def summary(tx: Tx, group: Membership, me: UserId) -> Group:
    text = _profile(tx, group)
    return Group(
        group.group,
        text.name,
        tuple(GroupMember(user, member.administrator) for user, member in group.members.items()),
        me in group.members,
        group.is_administrator(me),
        bool(group.link),
        group.version,
        text.picture,
    )


def name_of(tx: Tx, group_id: GroupId) -> str:
    """'' where it is not known."""
    group = tx.groups.get(group_id)
    return _profile(tx, group).name if group is not None else ""


def profile_text(name: str, picture: bytes) -> bytes:
    return GroupProfileText(name=name, picture=picture).SerializeToString()


def _profile(tx: Tx, group: Membership) -> GroupProfileText:
    key = tx.groups.secrets(group.group).profile_key
    try:
        return GroupProfileText.FromString(open_profile(key, group.profile, group.group))
    except (InvalidMessage, DecodeError):
        return GroupProfileText()
