"""Groups in memory: ports/groups.Groups for tests of routers, and sends to them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from signet.core.groups import Devices, GroupId, GroupKey, devices_digest
from signet.core.ids import MessageId, UserId
from signet.core.link import GroupSend
from signet.ports.groups import GroupView, Step
from tests.support.known_users import KnownUsers


@dataclass
class KnownGroups:
    """Changes are stored with their steps, which are `told` when the owner has them.

    `history` are a group's members after each version, from 0.
    """

    users: KnownUsers
    views_of: dict[GroupId, GroupView] = field(default_factory=dict)
    history: dict[GroupId, list[tuple[UserId, ...]]] = field(default_factory=dict)
    reads: int = 0

    async def views(self, groups: Sequence[GroupId]) -> dict[GroupId, GroupView]:
        self.reads += 1
        return {group: self.views_of[group] for group in groups if group in self.views_of}

    def change(self, group: GroupId, *members: UserId) -> Step:
        """These are the members from now on, once the step stands in the order."""
        before = self.views_of.get(group, GroupView(group, 0, 0, ()))
        version = before.version + 1
        to = tuple(dict.fromkeys((*before.members, *members)))
        step = Step(version, b"change %d" % version, to)
        steps = (*before.steps, step)
        self.views_of[group] = GroupView(group, version, version, members, steps)
        self.history.setdefault(group, [()]).append(members)
        return step

    def rename(self, group: GroupId) -> Step:
        """A change that is not of members."""
        before = self.views_of[group]
        version = before.version + 1
        step = Step(version, b"rename %d" % version, before.members)
        self.views_of[group] = replace(before, version=version, steps=(*before.steps, step))
        self.history[group].append(before.members)
        return step

    def told(self, group: GroupId, version: int) -> None:
        """All up to there are known to stand in the order."""
        before = self.views_of[group]
        left = tuple(step for step in before.steps if step.version > version)
        self.views_of[group] = replace(before, steps=left)

    def devices(self, group: GroupId) -> Devices:
        """Of all members, as the directory has them."""
        members = self.views_of[group].members
        known = self.users.users
        return {user: known[user].devices if user in known else {} for user in members}

    def send(
        self,
        group: GroupId,
        ordinal: int,
        text: bytes = b"hello",
        *,
        base: int | None = None,
        message_id: bytes | None = None,
        keys: tuple[GroupKey, ...] = (),
        quiet: bool = False,
    ) -> GroupSend:
        """A send as somebody makes it who knows the group as it is in the directory."""
        view = self.views_of[group]
        devices = devices_digest(self.devices(group))
        digest = blake2b(text + devices + repr(keys).encode(), digest_size=16).digest()
        return GroupSend(
            MessageId(message_id or os.urandom(16)),
            group,
            ordinal,
            ordinal if base is None else base,
            view.membership,
            devices,
            text,
            keys,
            digest,
            quiet=quiet,
        )
