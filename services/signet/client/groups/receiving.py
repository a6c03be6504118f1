"""What a device does with the items of a group, in the group's one order (G5).

A change is followed only where its signature, its actor's right and its place in the chain are
right; a message is read only where the chain has its sender as a member at that place. Where the
chain before an item is not here yet, the item waits, and those behind it; they are durable, so
they are acknowledged.
"""

import structlog

from signet.client import content as contents
from signet.client import opening, reading
from signet.client.content import Reading
from signet.client.device_store import Tx
from signet.client.events import (
    DecryptionFailed,
    GroupAction,
    GroupChanged,
    GroupDistrusted,
    GroupMessagesMissing,
    Kind,
    UpdateNeeded,
)
from signet.client.groups import chain, retrying
from signet.client.groups.changes import events_of
from signet.client.groups.keys import learn_profile_key, take_distribution
from signet.client.outcome import Outcome
from signet.client.reading import From
from signet.client.sealing import Self
from signet.client.store.group_lines import Named
from signet.core.errors import SignetError
from signet.core.groups import GroupId
from signet.core.ids import ID_BYTES, START, MessageId, Position, UserId
from signet.core.limits import MAX_CLOCK_MS
from signet.core.membership import Membership
from signet.e2e import (
    SENDER_KEY,
    Ciphertext,
    DuplicateMessage,
    E2eError,
    group_decrypt,
)
from signet.v1.content_pb2 import Content, GroupContext
from signet.v1.groups import read_record
from signet.v1.messaging_pb2 import Envelope, GroupMessage, Item
from signet.v1.messaging_pb2 import GroupChanged as WireChange
from signet.v1.messaging_pb2 import Position as WirePosition

log = structlog.get_logger()

_OF_GROUPS = ("text", "attachment", "reaction", "edit", "delete", "disappearing_timer")
_MOST = MAX_CLOCK_MS  # numbers that a store can hold


def take(tx: Tx, me: Self, item: Item, outcome: Outcome) -> None:
    """Take an item of a group, or let it wait for the chain before it."""
    group_id = GroupId(item.group_message.group or item.group_changed.group)
    if len(group_id) != ID_BYTES:
        return
    if tx.groups.waits(group_id) or not _is_next(tx, item):
        tx.groups.wait(group_id, item.SerializeToString())
        outcome.behind.add(group_id)
        return
    _take(tx, me, item, outcome)


def follow_records(
    tx: Tx, me: Self, group_id: GroupId, records: list[bytes], outcome: Outcome
) -> None:
    """Take the part of the chain that was missing, as far as what waits needs it, and what waits.

    A chain that does not verify is not followed, and what waited for it is dropped.
    """
    group = tx.groups.get(group_id) or chain.founded(group_id)
    known, wanted = group.version > 0, _wanted(tx, group_id)
    try:
        for record in records:
            if group.version >= wanted:
                break
            group, change = chain.follow(group, record)
            outcome.events += events_of(change) if known else []
    except SignetError as error:
        _distrust(tx, group_id, error, outcome)
        return
    if group.version > 0:
        _put(tx, me, group)
    if not known and me.user in group.members:
        found = GroupChanged(peer=UserId(group_id), author=me.user, action=GroupAction.FOUND)
        outcome.events.append(found)
    take_waiting(tx, me, group_id, outcome)


def take_waiting(tx: Tx, me: Self, group_id: GroupId, outcome: Outcome) -> None:
    """What waits of a group, up to the next gap in its chain."""
    for number, stored in tx.groups.waiting(group_id):
        item = Item.FromString(stored)
        if not _is_next(tx, item):
            outcome.behind.add(group_id)
            return
        tx.groups.wait_no_more([number])
        _take(tx, me, item, outcome)


def give_up_waiting(tx: Tx, group_id: GroupId) -> None:
    """The chain is not to be had: we are no member any more, or it does not verify."""
    tx.groups.wait_no_more(number for number, _ in tx.groups.waiting(group_id))


def conversation_of(tx: Tx, sender: UserId, content: Content) -> UserId | None:
    """Whose conversation a content is of that came in a 1:1 session; None: it has no place.

    A message of a group comes so only where it was asked for: its placeholder is there.
    """
    if not content.HasField("group"):
        return sender
    group = UserId(content.group.group)
    message = tx.messages.get(MessageId(content.original_id), sender, peer=group)
    return group if message is not None and message.kind is Kind.UNDECRYPTABLE else None


def show_that_it_failed(tx: Tx, me: Self, wire: GroupMessage, outcome: Outcome) -> None:
    """A placeholder for a message that could not be taken."""
    if wire.content and opening.is_named(_envelope(wire)) and tx.groups.knows(wire.group):
        _unreadable(tx, me, wire, outcome, again=False)


def _is_next(tx: Tx, item: Item) -> bool:
    """Whether the chain is known up to where the item stands."""
    return _needed(item) <= _version(tx, item)


def _version(tx: Tx, item: Item) -> int:
    group = tx.groups.get(GroupId(item.group_message.group or item.group_changed.group))
    return group.version if group is not None else 0


def _needed(item: Item) -> int:
    """The version that must have been followed before this item."""
    if item.HasField("group_message"):
        return item.group_message.membership
    try:
        return read_record(item.group_changed.record).change.version - 1
    except SignetError:
        return 0  # refused where it is taken


def _wanted(tx: Tx, group_id: GroupId) -> int:
    waiting = tx.groups.waiting(group_id)
    return _needed(Item.FromString(waiting[0][1])) if waiting else 2**31


def _take(tx: Tx, me: Self, item: Item, outcome: Outcome) -> None:
    if item.HasField("group_changed"):
        _change(tx, me, item.group_changed, outcome)
        return
    wire = item.group_message
    group = tx.groups.get(GroupId(wire.group))
    if group is not None and _moves(tx, group.group, wire.at, wire, outcome):
        _message(tx, me, group, wire, outcome)


def _moves(
    tx: Tx, group_id: GroupId, at: WirePosition, wire: GroupMessage | WireChange, outcome: Outcome
) -> bool:
    """Move on in the group's order; False: it was taken before."""
    here, last = _position(at), tx.groups.at(group_id)
    if here <= last:
        return False
    if last != START and wire.HasField("follows") and _position(wire.follows) > last:
        outcome.events.append(GroupMessagesMissing(peer=UserId(group_id)))
    tx.groups.put_at(group_id, here)
    return True


# --- changes ----------------------------------------------------------------------------------


def _change(tx: Tx, me: Self, wire: WireChange, outcome: Outcome) -> None:
    group_id = GroupId(wire.group)
    group = tx.groups.get(group_id) or chain.founded(group_id)
    if group.version > 0 and not _moves(tx, group_id, wire.at, wire, outcome):
        return
    try:
        if read_record(wire.record).change.version <= group.version:
            return  # followed already, when it was made here
        after, change = chain.follow(group, wire.record)
    except SignetError as error:
        _distrust(tx, group_id, error, outcome)
        return
    if me.user not in after.members and me.user not in group.members:
        return
    _put(tx, me, after)
    tx.groups.put_at(group_id, _position(wire.at))
    outcome.events += events_of(change)


def _put(tx: Tx, me: Self, group: Membership) -> None:
    """Keep it; what is left of those who went, and all where we went ourselves, is not read."""
    before = tx.groups.get(group.group)
    tx.groups.put(group)
    if before is None:
        return
    gone = before.members.keys() - group.members.keys()
    tx.group_keys.drop_of(group.group, before.members if me.user in gone else gone)


def _distrust(tx: Tx, group_id: GroupId, error: SignetError, outcome: Outcome) -> None:
    """The server showed what nobody with the right to it signed: it is not followed."""
    log.warning("a change of a group was not followed", code=error.code.name)
    give_up_waiting(tx, group_id)
    outcome.events.append(GroupDistrusted(peer=UserId(group_id)))


# --- messages ---------------------------------------------------------------------------------


def _message(tx: Tx, me: Self, group: Membership, wire: GroupMessage, outcome: Outcome) -> None:
    envelope = _envelope(wire)
    sender = UserId(wire.sender)
    if not opening.is_named(envelope) or sender not in group.members:
        log.warning("a message of a group by nobody of it")
        return
    if (sender, wire.sender_device) == (me.user, me.account.device):
        _placed(tx, group, wire)
        return
    broken = None if _take_key(tx, me, envelope, wire, outcome) else _key(wire)
    if wire.content and not tx.incoming.seen(sender, wire.sender_device, wire.message_id):
        until = me.environment.now() + opening.KEEP_IDS
        tx.incoming.note_seen(sender, wire.sender_device, wire.message_id, until)
        _read(tx, me, group, wire, outcome, broken=broken)


def _placed(tx: Tx, group: Membership, wire: GroupMessage) -> None:
    """Our own message has its place."""
    message_id, at = MessageId(wire.message_id), _position(wire.at)
    logged = tx.outgoing.logged(message_id, UserId(group.group))
    seen = _seen(logged.content.group) if logged is not None else at
    author = UserId(wire.sender)
    concurrent = tx.group_lines.is_concurrent(group.group, author, seen, at)
    tx.group_lines.place(Named(message_id, author), at, concurrent=concurrent)


def _take_key(tx: Tx, me: Self, envelope: Envelope, wire: GroupMessage, outcome: Outcome) -> bool:
    """The sender's key that came with it, if one did; False: its session did not open it."""
    if not wire.HasField("key"):
        return True
    try:
        got = opening.opened(tx, me, envelope)
    except DuplicateMessage:
        return True
    except E2eError:
        return False
    opening.keep_session(tx, me, envelope, got, outcome)
    content = contents.from_plaintext(got.plaintext, wire.message_id)
    if isinstance(content, Content) and content.HasField("key_distribution"):
        told, author = content.key_distribution, UserId(wire.sender)
        if told.group == wire.group:
            take_distribution(tx, author, wire.sender_device, got.identity_key, told, outcome)
    return True


def _read(
    tx: Tx,
    me: Self,
    group: Membership,
    wire: GroupMessage,
    outcome: Outcome,
    *,
    broken: Ciphertext | None,
) -> None:
    sender, device = UserId(wire.sender), wire.sender_device
    record = tx.group_keys.of(group.group, sender, device)
    try:
        message = Ciphertext(SENDER_KEY, wire.content)
        record, plaintext = group_decrypt(record, group.group, message)
    except DuplicateMessage:
        return
    except E2eError:
        _unreadable(tx, me, wire, outcome, again=True, broken=broken)
        return
    tx.group_keys.put(group.group, sender, device, record)
    content = contents.from_plaintext(plaintext, wire.message_id)
    if content is Reading.TOO_NEW:
        message_line = opening.placeholder(
            tx, me, _envelope(wire), Kind.UPDATE_NEEDED, UserId(group.group)
        )
        outcome.events.append(UpdateNeeded(message=message_line))
    elif not isinstance(content, Content) or content.group.group != group.group:
        _unreadable(tx, me, wire, outcome, again=False)
    elif content.HasField("key_distribution"):
        learn_profile_key(tx, group, sender, content.key_distribution.profile_key, outcome)
    elif content.WhichOneof("body") in _OF_GROUPS:
        at, seen = _position(wire.at), _seen(content.group)
        origin = From(sender, device, UserId(group.group), at, seen)
        reading.apply(tx, me, origin, content, outcome)


def _unreadable(
    tx: Tx,
    me: Self,
    wire: GroupMessage,
    outcome: Outcome,
    *,
    again: bool,
    broken: Ciphertext | None = None,
) -> None:
    group = UserId(wire.group)
    message = opening.placeholder(tx, me, _envelope(wire), Kind.UNDECRYPTABLE, group)
    named = Named(message.id, message.author)
    tx.group_lines.place(named, _position(wire.at), concurrent=False)
    outcome.events.append(DecryptionFailed(message=message))
    row = retrying.ask(tx, me, wire, broken=broken) if again else None
    outcome.queued += [row] if row else []


def _envelope(wire: GroupMessage) -> Envelope:
    """The key that came with a message, as the 1:1 message that it is."""
    return Envelope(
        sender=wire.sender,
        sender_device=wire.sender_device,
        message_id=wire.message_id,
        type=wire.key.type,
        content=wire.key.content,
        sender_registration_id=wire.sender_registration_id,
    )


def _key(wire: GroupMessage) -> Ciphertext:
    return Ciphertext(wire.key.type, wire.key.content)


def _seen(context: GroupContext) -> Position:
    """What its author had seen: a claim, cut to what a store can hold."""
    return Position(min(context.seen_epoch, _MOST), min(context.seen_seq, _MOST))


def _position(wire: WirePosition) -> Position:
    return Position(wire.epoch, wire.seq)
