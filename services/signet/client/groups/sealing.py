"""Encrypting a send for a group: once for all, and our sender key to each device that lacks it.

Sender keys go only to devices of people whom the chain has as members, in sessions with the very
identity key that the chain has for them. A device that the server names besides gets nothing: it
counts in no digest, and has no key to read with. When a device that was told the key is none of a
member's any more, the next send makes a new key and tells it to those who are left.
"""

from collections.abc import Mapping

from signet.client import content as contents
from signet.client.device_store import Tx
from signet.client.sealing import Self
from signet.client.store.group_keys import At
from signet.client.store.outgoing import Row
from signet.core.groups import GroupId, devices_digest
from signet.core.ids import MessageId, UserId
from signet.core.limits import GROUP_KEYS
from signet.core.membership import Membership
from signet.e2e import (
    Address,
    SenderKeyRecord,
    SessionRecord,
    distribute,
    encrypt,
    group_encrypt,
    new_sender_key,
)
from signet.v1.content_pb2 import Content, GroupContext, KeyDistribution
from signet.v1.messaging_pb2 import GroupKey, GroupMismatch, GroupSend

_NOT_LOGGED = ("no_message", "key_distribution")


class Renumbered:
    """More keys are to be told than fit into one send: others stand before it in the outbox now."""


def queue(
    tx: Tx, me: Self, group: GroupId, content: Content, *, message_id: MessageId | None = None
) -> Row:
    """Give a message for a group its ordinal, and keep it; it is encrypted when its turn comes."""
    message_id = message_id or me.environment.message_id()
    now = me.environment.now()
    stamped = contents.stamped(content, message_id, int(now * 1000))
    seen = tx.groups.at(group)
    stamped.group.CopyFrom(
        GroupContext(
            group=group,
            seen_epoch=seen.epoch,
            seen_seq=seen.seq,
            answers=contents.answers(content),
        )
    )
    peer = UserId(group)
    row = Row(peer, tx.peers.next_ordinal(peer), message_id, now, stamped, group=True)
    tx.outgoing.add(row)
    return row


def seal_rows(
    tx: Tx,
    me: Self,
    group_id: GroupId,
    ordinals: tuple[int, ...],
    wrong: GroupMismatch | None,
    *,
    lenient: bool,
) -> list[Row] | Renumbered:
    """Encrypt sends of a group; [] where sessions with its members are missing first.

    `lenient`: who cannot be reached now is left out, and will ask for the key. After Renumbered
    nothing was encrypted: the outbox has other ordinals.
    """
    if wrong is not None:
        tx.group_keys.put_devices(group_id, _listed(wrong))
    group = tx.groups.get(group_id)
    assert group is not None, "only known groups have sends"
    rows = tx.outgoing.of(UserId(group_id), ordinals)
    for row in rows:
        _untell(tx, group_id, row)
    if not lenient and wanting(tx, me, group_id):
        return []
    if rows and _make_room(tx, me, group, rows[0]):
        return Renumbered()
    return [_seal(tx, me, group, row) for row in rows]


def wanting(tx: Tx, me: Self, group_id: GroupId) -> list[UserId]:
    """Members who are to be told our key, and whose bundles are to be fetched for it."""
    group = tx.groups.get(group_id)
    if group is None:
        return []
    now = me.environment.now()
    return sorted(
        {
            at.user
            for at in _lacking(tx, me, group)
            if _may_be_known(tx, me, group, at.user) and _session(tx, group, at, now) is None
        }
    )


def gave_up(tx: Tx, row: Row) -> None:
    """A send will never be taken: whom it was to tell our key was not told."""
    _untell(tx, GroupId(row.peer), row)


def distribution_for(tx: Tx, me: Self, group_id: GroupId, to: UserId) -> Content | None:
    """Our key for a member who asks for it; None: we have none, or they are no member."""
    group, own = tx.groups.get(group_id), tx.group_keys.own(group_id)
    if group is None or own is None or to not in group.members or me.user not in group.members:
        return None
    return _distribution(tx, group_id, own)


def _lacking(tx: Tx, me: Self, group: Membership) -> list[At]:
    """Devices of members that do not have our key; all of them where a new one is due."""
    there = _there(tx, me, group)
    told = tx.group_keys.told(group.group)
    return sorted(there if _is_new_key_due(tx, group, there, told) else there - told)


def _is_new_key_due(tx: Tx, group: Membership, there: set[At], told: set[At]) -> bool:
    return tx.group_keys.own(group.group) is None or bool(told - there)


def _there(tx: Tx, me: Self, group: Membership) -> set[At]:
    """All devices of those whom the chain has as members, but this one."""
    own = (me.user, me.account.device)
    return {
        At(user, device, registration)
        for user, those in _devices(tx, me, group).items()
        for device, registration in those.items()
        if (user, device) != own
    }


def _devices(tx: Tx, me: Self, group: Membership) -> Mapping[UserId, Mapping[int, int]]:
    """What the digest is made of: what the server says, as far as the chain knows them."""
    said = tx.group_keys.devices(group.group)
    found = {user: those for user, those in said.items() if user in group.members}
    if me.user in group.members:
        own = {me.account.device: me.account.registration}
        found[me.user] = {**found.get(me.user, {}), **own}
    return found


def _may_be_known(tx: Tx, me: Self, group: Membership, user: UserId) -> bool:
    """Whether what we know of somebody does not contradict the chain's identity key of them."""
    if user == me.user:
        return group.members[user].identity_key == me.local.identity.public
    peer = tx.peers.get(user)
    return peer.identity in (None, group.members[user].identity_key)


def _session(tx: Tx, group: Membership, at: At, now: float) -> SessionRecord | None:
    """A session with just that device of just that member."""
    record = tx.peers.session(at.user, at.device)
    if record is None or not record.has_current(now):
        return None
    wanted = (group.members[at.user].identity_key, at.registration)
    return record if (record.remote_identity, record.remote_registration_id) == wanted else None


def _make_room(tx: Tx, me: Self, group: Membership, row: Row) -> bool:
    """Let sends with keys alone go before one whose keys do not fit into a frame (G6)."""
    now = me.environment.now()
    reached = [at for at in _lacking(tx, me, group) if _session(tx, group, at, now)]
    more = -(-len(reached) // GROUP_KEYS) - 1
    if more <= 0 or row.content.WhichOneof("body") == "no_message":
        return False  # what does not fit goes with the next
    tx.outgoing.make_room(row.peer, row.ordinal, more)
    tx.peers.skip_ordinals(row.peer, more)
    for n in range(more):
        message_id = me.environment.message_id()
        empty = contents.stamped(contents.no_message(), message_id, int(now * 1000))
        tx.outgoing.add(
            Row(row.peer, row.ordinal + n, message_id, row.queued_at, empty, group=True)
        )
    return True


def _seal(tx: Tx, me: Self, group: Membership, row: Row) -> Row:
    own = _own_key(tx, me, group)
    now = me.environment.now()
    reached = [(at, _session(tx, group, at, now)) for at in _lacking(tx, me, group)]
    told = [(at, record) for at, record in reached if record is not None][:GROUP_KEYS]
    distribution = _stamped(_distribution(tx, group.group, own), row)
    keys = [_tell(tx, me, at, record, distribution) for at, record in told]
    tx.group_keys.note_told(group.group, [at for at, _ in told])
    send = GroupSend(
        message_id=row.id,
        group=group.group,
        ordinal=row.ordinal,
        membership=group.membership,
        devices=devices_digest(_devices(tx, me, group)),
        content=_encrypted(tx, me, group, row, own),
        keys=keys,
        urgent=contents.is_urgent(row.content),
        quiet=contents.is_quiet(row.content),
    )
    sealed = send.SerializeToString()
    tx.outgoing.put_sealed(row.peer, row.ordinal, sealed)
    _remember(tx, me, group, row)
    return Row(row.peer, row.ordinal, row.id, row.queued_at, row.content, 0, sealed, group=True)


def _own_key(tx: Tx, me: Self, group: Membership) -> SenderKeyRecord:
    """Our key; a new one where there is none, or where somebody who has it is gone."""
    own, there = tx.group_keys.own(group.group), _there(tx, me, group)
    if own is None or _is_new_key_due(tx, group, there, tx.group_keys.told(group.group)):
        own = new_sender_key(me.environment.randomness)
        tx.group_keys.put_own(group.group, own)
        tx.group_keys.tell_anew(group.group)
    return own


def _distribution(tx: Tx, group_id: GroupId, own: SenderKeyRecord) -> Content:
    return Content(
        key_distribution=KeyDistribution(
            group=group_id,
            distribution=distribute(own, group_id),
            profile_key=tx.groups.secrets(group_id).profile_key,
        )
    )


def _stamped(content: Content, row: Row) -> bytes:
    return contents.to_plaintext(contents.stamped(content, row.id, row.content.clock_ms))


def _tell(tx: Tx, me: Self, at: At, record: SessionRecord, distribution: bytes) -> GroupKey:
    remote, now = Address(at.user, at.device), me.environment.now()
    after, message = encrypt(record, distribution, local=me.local, remote=remote, now=now)
    tx.peers.put_session(at.user, at.device, after)
    return GroupKey(
        user=at.user,
        device_id=at.device,
        registration_id=at.registration,
        type=message.type,
        content=message.body,
    )


def _encrypted(tx: Tx, me: Self, group: Membership, row: Row, own: SenderKeyRecord) -> bytes:
    """The message, for all; nothing where the send is there for its keys alone."""
    if row.content.WhichOneof("body") == "no_message":
        return b""
    plaintext = contents.to_plaintext(row.content)
    after, message = group_encrypt(
        own, group.group, plaintext, randomness=me.environment.randomness
    )
    tx.group_keys.put_own(group.group, after)
    return message.body


def _remember(tx: Tx, me: Self, group: Membership, row: Row) -> None:
    """For those who ask again, and for counting who has it."""
    if row.content.WhichOneof("body") in _NOT_LOGGED:
        return
    tx.outgoing.log(row, [], me.environment.now(), membership=group.membership)
    tx.group_lines.put_recipients(row.id, (user for user in group.members if user != me.user))


def _untell(tx: Tx, group_id: GroupId, row: Row) -> None:
    """What an earlier try of a send brought was not taken."""
    if row.sealed is not None:
        keys = GroupSend.FromString(row.sealed).keys
        tx.group_keys.not_told(group_id, [(UserId(key.user), key.device_id) for key in keys])


def _listed(said: GroupMismatch) -> dict[UserId, dict[int, int]]:
    return {
        UserId(member.user): {one.device_id: one.registration_id for one in member.devices}
        for member in said.members
    }
