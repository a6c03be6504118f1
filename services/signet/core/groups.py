"""What a group's send is judged by: the devices of its members, and where its log is (G3, G4).

Ids of groups are those of nobody: 16 random bytes, in the same space as users'. A group's log is an
inbox of its own, in the shard of its id, under a device number that no device has.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple, NewType

from signet.core.ids import DeviceAddress, DeviceId, MessageId, Position, UserId

GroupId = NewType("GroupId", bytes)  # 16 bytes

Devices = Mapping[UserId, Mapping[int, int]]  # of each member: device id → registration id

LOG_DEVICE = 0
NO_MESSAGE = MessageId(b"")


def log_of(group: GroupId) -> DeviceId:
    """The inbox that is the group's log."""
    return DeviceId(UserId(group), LOG_DEVICE)


def group_of(log: DeviceId) -> GroupId:
    """Whose log it is."""
    return GroupId(log.user)


def devices_digest(devices: Devices) -> bytes:
    """32 bytes over all devices of all members (G3)."""
    hashed = sha256()
    for user, device, registration in sorted(_listed(devices)):
        hashed.update(user + bytes((device,)) + registration.to_bytes(2, "big"))
    return hashed.digest()


@dataclass(frozen=True, slots=True)
class GroupKey:
    """A sender key, encrypted to one device of a member."""

    user: UserId
    device: int
    registration: int
    type: int
    body: bytes


@dataclass(frozen=True, slots=True)
class GroupCopy:
    """One entry of a group's order, for those in `to` (G1 of docs/durability.md).

    `item` is a serialised signet.v1.Item, the same for all but the sending device. `sender` None: a
    change of the group. `message_id` is empty where nobody is told of its delivery.
    """

    group: GroupId
    at: Position
    accepted_ms: int
    item: bytes
    to: tuple[UserId, ...]
    sender: DeviceAddress | None = None
    message_id: MessageId = NO_MESSAGE
    keys: tuple[GroupKey, ...] = ()
    urgent: bool = False
    quiet: bool = False

    def only(self, users: Set[UserId]) -> "GroupCopy":
        """The same for those of them who are in `users`."""
        to = tuple(user for user in self.to if user in users)
        if len(to) == len(self.to):
            return self
        return replace(self, to=to, keys=tuple(key for key in self.keys if key.user in users))

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.item) + 16 * len(self.to) + sum(len(key.body) for key in self.keys)


def merged(copies: Iterable[GroupCopy]) -> list[GroupCopy]:
    """One copy of each entry, for all who are to get it; each group's in its order."""
    found: dict[tuple[Position, GroupId], GroupCopy] = {}
    for copy in copies:
        key = copy.at, copy.group
        if key in found:
            known = found[key]
            found[key] = replace(known, to=known.to + copy.to, keys=known.keys + copy.keys)
        else:
            found[key] = copy
    return [found[key] for key in sorted(found)]


class Differences(NamedTuple):
    """How what a sender addressed differs from what is there: devices as (user, device id)."""

    missing: tuple[tuple[UserId, int], ...]
    extra: tuple[tuple[UserId, int], ...]
    stale: tuple[tuple[UserId, int], ...]  # an old registration id


def differences(before: Devices, now: Devices) -> Differences:
    """What a sender who knew `before` learns from the refusal that says `now`."""
    then = {(user, device): registration for user, device, registration in _listed(before)}
    there = {(user, device): registration for user, device, registration in _listed(now)}
    return Differences(
        tuple(sorted(there.keys() - then.keys())),
        tuple(sorted(then.keys() - there.keys())),
        tuple(sorted(k for k in then.keys() & there.keys() if then[k] != there[k])),
    )


def _listed(devices: Devices) -> Iterable[tuple[UserId, int, int]]:
    for user, those in devices.items():
        for device, registration in those.items():
            yield user, device, registration
