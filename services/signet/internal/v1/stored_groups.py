"""Entries of groups: as a group's log holds them, as owners hand them on, as inboxes hold copies.

What is the same for all devices is serialised once. A device's own key is put behind it as a second
part of the same field: whoever parses them merges the two.
"""

from typing import NamedTuple

from signet.core.groups import NO_MESSAGE, GroupCopy, GroupId, GroupKey
from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, Position, UserId
from signet.core.link import GroupSend
from signet.internal.v1 import item_pb2
from signet.internal.v1 import link_pb2 as link
from signet.internal.v1.convert import (
    group_key_message,
    put_address,
    read_address,
    read_group_key,
)
from signet.internal.v1.stored import Origin, as_stored, read_origin
from signet.v1 import messaging_pb2 as pb


def message_item(
    sender: DeviceAddress, send: GroupSend, at: Position, follows: Position, accepted_ms: int
) -> bytes:
    """What all members' devices get of a message, but the sending one."""
    message = pb.GroupMessage(
        group=send.group,
        at=_wire(at),
        follows=_follows(follows),
        membership=send.membership,
        sender=sender.device.user,
        sender_device=sender.device.device,
        sender_registration_id=sender.registration,
        message_id=send.message_id,
        content=send.content,
    )
    return pb.Item(accepted_ms=accepted_ms, group_message=message).SerializeToString()


def change_item(
    group: GroupId, record: bytes, at: Position, follows: Position, accepted_ms: int
) -> bytes:
    """What members get of a change."""
    changed = pb.GroupChanged(group=group, at=_wire(at), follows=_follows(follows), record=record)
    return pb.Item(accepted_ms=accepted_ms, group_changed=changed).SerializeToString()


def _wire(position: Position) -> pb.Position:
    return pb.Position(epoch=position.epoch, seq=position.seq)


def _follows(position: Position) -> pb.Position | None:
    return None if position == START else _wire(position)


# --- the group's log ------------------------------------------------------------------------------


def stored_entry(copy: GroupCopy, send: GroupSend | None) -> bytes:
    """An entry of a group's log, for all its members; `send` None: a change."""
    entry = item_pb2.GroupEntry(
        item=copy.item,
        to=copy.to,
        keys=map(group_key_message, copy.keys),
        urgent=copy.urgent,
        quiet=copy.quiet,
    )
    origin = item_pb2.StoredItem()
    if send is not None and copy.sender is not None:
        _put_origin(origin, copy.sender, send.message_id)
        origin.ordinal, origin.digest = send.ordinal, send.digest
    return as_stored(entry.SerializeToString()) + origin.SerializeToString()


def _put_origin(origin: item_pb2.StoredItem, sender: DeviceAddress, message_id: MessageId) -> None:
    origin.sender, origin.sender_device = sender.device.user, sender.device.device
    origin.sender_registration = sender.registration
    origin.sender_generation = sender.generation
    origin.message_id = message_id


class Logged(NamedTuple):
    """An entry as it was stored; `origin` is that of a message."""

    copy: GroupCopy
    origin: Origin | None


def read_entry(group: GroupId, at: Position, accepted_ms: int, body: bytes) -> Logged:
    """What `stored_entry` made."""
    stored = item_pb2.StoredItem.FromString(body)
    entry = item_pb2.GroupEntry.FromString(stored.item)
    origin = read_origin(stored, accepted_ms)
    brings_message = origin is not None and _has_content(entry.item)
    copy = GroupCopy(
        group,
        at,
        accepted_ms,
        entry.item,
        tuple(map(UserId, entry.to)),
        origin.sender if origin is not None else None,
        origin.message_id if origin is not None and brings_message else NO_MESSAGE,
        tuple(map(read_group_key, entry.keys)),
        entry.urgent,
        entry.quiet,
    )
    return Logged(copy, origin)


def _has_content(item: bytes) -> bool:
    return bool(pb.Item.FromString(item).group_message.content)


# --- between owners -------------------------------------------------------------------------------


def copy_message(copy: GroupCopy) -> link.GroupCopy:
    """A copy on the wire."""
    made = link.GroupCopy(
        group=copy.group,
        at=_wire(copy.at),
        item=copy.item,
        accepted_ms=copy.accepted_ms,
        message_id=copy.message_id,
        to=copy.to,
        keys=map(group_key_message, copy.keys),
        urgent=copy.urgent,
        quiet=copy.quiet,
    )
    if copy.sender is not None:
        put_address(made.sender, copy.sender)
    return made


def read_copy(wire: link.GroupCopy) -> GroupCopy:
    """What `copy_message` made.

    Raises:
        BadFrame: an id that cannot be.
    """
    return GroupCopy(
        GroupId(wire.group),
        Position(wire.at.epoch, wire.at.seq),
        wire.accepted_ms,
        wire.item,
        tuple(map(UserId, wire.to)),
        read_address(wire.sender) if wire.HasField("sender") else None,
        MessageId(wire.message_id),
        tuple(map(read_group_key, wire.keys)),
        wire.urgent,
        wire.quiet,
    )


# --- members' inboxes -----------------------------------------------------------------------------


class Copies:
    """The bytes of one entry for inboxes: those that are the same are made once."""

    __slots__ = ("_copy", "_echo", "_keys", "_own", "_plain")

    def __init__(self, copy: GroupCopy) -> None:
        self._copy = copy
        self._keys = {(k.user, k.device, k.registration): k for k in copy.keys}
        self._plain = b""
        self._own = b""
        self._echo = b""

    def body(self, device: DeviceId, registration: int) -> bytes:
        """A StoredItem for this device."""
        copy = self._copy
        if copy.sender is not None and copy.sender.device == device:
            self._echo = self._echo or self._stored(_echo(copy.item), receipted=False)
            return self._echo
        own = copy.sender is not None and copy.sender.device.user == device.user
        key = self._keys.get((device.user, device.device, registration))
        if key is not None:
            return self._stored(copy.item + _key_part(key), receipted=not own)
        if own:
            self._own = self._own or self._stored(copy.item, receipted=False)
            return self._own
        self._plain = self._plain or self._stored(copy.item, receipted=True)
        return self._plain

    def _stored(self, item: bytes, *, receipted: bool) -> bytes:
        copy = self._copy
        origin = item_pb2.StoredItem(group=copy.group, at=_wire(copy.at))
        if receipted and copy.sender is not None and copy.message_id:
            _put_origin(origin, copy.sender, copy.message_id)
        return as_stored(item) + origin.SerializeToString()


def _echo(item: bytes) -> bytes:
    """What the sending device gets: where its message stands, without the message."""
    parsed = pb.Item.FromString(item)
    parsed.group_message.content = b""
    return parsed.SerializeToString()


def _key_part(key: GroupKey) -> bytes:
    return pb.Item(group_message=pb.GroupMessage(key=group_key_message(key))).SerializeToString()
