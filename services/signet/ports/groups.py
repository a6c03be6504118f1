"""What routers know of groups: who is a member, and which changes are to be put in the order.

Keys commits a change in the directory together with its step; the owner of the group's shard puts
the steps into the group's order, and only then are they forgotten (G2 of docs/durability.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.membership import Membership


@dataclass(frozen=True, slots=True)
class Step:
    """A change that is to stand in the group's order. `to` are members before it or after it."""

    version: int
    record: bytes  # a serialised SignedGroupChange
    to: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group after its first `version` changes, of which `steps` may not be in the order yet.

    `steps` are in the order of their versions. A group that is gone has no members, and is there
    for as long as it has steps.
    """

    group: GroupId
    version: int
    membership: int  # the version of the last change of who is a member
    members: tuple[UserId, ...]
    steps: tuple[Step, ...] = ()


class Groups(Protocol):
    """Reads of the directory by owners of groups' shards."""

    async def views(self, groups: Sequence[GroupId]) -> dict[GroupId, GroupView]:
        """Unknown groups are absent. Nothing in a view is older than the call.

        Raises:
            StoreUnavailable: (signet.ports.inbox) the directory did not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change that keys has judged, and the group after it. `to` as in `Step`."""

    after: Membership
    record: bytes
    to: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class Untold:
    """The group's changes up to `version` are not known to stand in its order."""

    group: GroupId
    version: int


class GroupStore(Groups, Protocol):
    """Part of the directory: chains of changes, and what they have made of each group.

    A group without members is gone when its last change was told.
    """

    async def group(self, group: GroupId) -> Membership | None:
        """The group as its chain says; None: there is none."""
        ...

    async def put_change(self, change: NewChange) -> bool:
        """Put the next change and its step, in one transaction.

        False: the group has another version by now; nothing was stored.

        Raises:
            TooManyGroups: somebody whom it adds is in MAX_GROUPS; nothing was stored.
        """
        ...

    async def changes(self, group: GroupId, after: int, most: int) -> Sequence[bytes]:
        """Records of the chain behind a version, in order."""
        ...

    async def groups_of(self, user: UserId) -> Sequence[GroupId]:
        """Of which groups somebody is a member, in the order of their ids."""
        ...

    async def untold_groups(self) -> Sequence[Untold]:
        """Which steps may not stand in the order of their groups: the last of each."""
        ...

    async def told_group(self, told: Untold) -> None:
        """They do. Told already is no error."""
        ...


class TooManyGroups(Exception):
    """Somebody is a member of MAX_GROUPS groups."""


class NoGroups:
    """Of a router without a directory of groups: there is none."""

    async def views(self, groups: Sequence[GroupId]) -> dict[GroupId, GroupView]:
        return {}


class GroupChanges(Protocol):
    """How keys tells the owner of a group's shard."""

    async def group_changed(self, group: GroupId) -> None:
        """The steps that the directory has stand in the group's order when it returns.

        Raises:
            StoreUnavailable, TimeoutError: it may be so or not; tell it again.
        """
        ...
