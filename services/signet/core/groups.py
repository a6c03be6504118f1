"""What a group's send is judged by: the devices of its members, and where its log is (G3, G4).

Ids of groups are those of nobody: 16 random bytes, in the same space as users'. A group's log is an
inbox of its own, in the shard of its id, under a device number that no device has.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple, NewType

from signet.core.ids import DeviceId, UserId

GroupId = NewType("GroupId", bytes)  # 16 bytes

Devices = Mapping[UserId, Mapping[int, int]]  # of each member: device id → registration id

LOG_DEVICE = 0


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
