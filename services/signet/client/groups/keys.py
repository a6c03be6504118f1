"""Taking what members tell of their keys: only from members, and for their own messages only."""

import structlog

from signet.client.device_store import Tx
from signet.client.events import GroupAction, GroupChanged
from signet.client.outcome import Outcome
from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.membership import Membership
from signet.e2e import InvalidMessage, accept_distribution
from signet.e2e.group_profile import fits
from signet.v1.content_pb2 import KeyDistribution

log = structlog.get_logger()


def take_distribution(
    tx: Tx, author: UserId, device: int, identity: bytes, told: KeyDistribution, outcome: Outcome
) -> None:
    """A device told us its sender key, in a session with this identity key.

    Ignored where the chain does not have that person, with that key, as a member.
    """
    group = tx.groups.get(GroupId(told.group))
    member = group.members.get(author) if group is not None else None
    if group is None or member is None or member.identity_key != identity:
        return
    known = tx.group_keys.of(group.group, author, device)
    try:
        record = accept_distribution(known, group.group, told.distribution)
    except InvalidMessage:
        log.warning("a sender key that is none")
        return
    tx.group_keys.put(group.group, author, device, record)
    learn_profile_key(tx, group, author, told.profile_key, outcome)


def learn_profile_key(
    tx: Tx, group: Membership, author: UserId, key: bytes, outcome: Outcome
) -> None:
    """A key of the group's profile; of another profile than the present one it is nothing."""
    if key == tx.groups.secrets(group.group).profile_key or not fits(key, group.profile):
        return
    tx.groups.put_profile_key(group.group, key)
    outcome.events.append(
        GroupChanged(peer=UserId(group.group), author=author, action=GroupAction.PROFILE)
    )
