"""What routers know of groups: who is a member, and which changes are to be put in the order.

Keys commits a change in the directory together with its step; the owner of the group's shard puts
the steps into the group's order, and only then are they forgotten (G2 of docs/durability.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from signet.core.groups import GroupId
from signet.core.ids import UserId


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
