"""Items as they are stored and pushed: the bytes are made once.

An Item on the wire is position and follows, put before the stored rest; protobuf allows fields in
any order, so nothing is parsed or serialised again when an item is pushed.
"""

from typing import NamedTuple

from signet.core.ids import DeviceAddress, DeviceId, MessageId, Position, UserId
from signet.core.link import Content, Send
from signet.internal.v1 import item_pb2
from signet.v1 import messaging_pb2 as pb

ITEM_FIELD = b"\x22"  # ServerFrame.item = 4, length-delimited
POSITION_FIELD = b"\x0a"  # Item.position = 1
FOLLOWS_FIELD = b"\x12"  # Item.follows = 2
STORED_ITEM_FIELD = b"\x0a"  # StoredItem.item = 1, length-delimited


class Origin(NamedTuple):
    """What the owner must know of a stored message."""

    sender: DeviceAddress
    message_id: MessageId
    ordinal: int
    digest: bytes
    accepted_ms: int


def stored_message(sender: DeviceAddress, send: Send, content: Content, accepted_ms: int) -> bytes:
    """One device's copy of a message."""
    item = pb.Item(
        accepted_ms=accepted_ms,
        envelope=envelope(sender, send, content),
    )
    origin = item_pb2.StoredItem(
        sender=sender.device.user,
        sender_device=sender.device.device,
        sender_registration=sender.registration,
        sender_generation=sender.generation,
        message_id=send.message_id,
        ordinal=send.ordinal,
        digest=send.digest,
    )
    return as_stored(item.SerializeToString()) + origin.SerializeToString()


def as_stored(item: bytes) -> bytes:
    """A serialised item as a StoredItem. It comes first: `stored_item` finds it there."""
    return STORED_ITEM_FIELD + _with_length(item)


def stored_item(body: bytes) -> bytes:
    """The bytes to push of what a `stored_…` of this module has made; nothing is parsed."""
    length = shift = 0
    for start in range(1, len(body)):
        length |= (body[start] & 0x7F) << shift
        shift += 7
        if body[start] < 0x80:
            return body[start + 1 : start + 1 + length]
    return b""


def envelope(sender: DeviceAddress, send: Send, content: Content) -> pb.Envelope:
    return pb.Envelope(
        sender=sender.device.user,
        sender_device=sender.device.device,
        sender_registration_id=sender.registration,
        message_id=send.message_id,
        type=content.type,
        content=content.body,
    )


def stored_delivered(by: DeviceId, ids: list[MessageId], accepted_ms: int) -> bytes:
    """A receipt for the device that sent these messages."""
    delivered = pb.Delivered(by=by.user, by_device=by.device, message_ids=ids)
    item = pb.Item(accepted_ms=accepted_ms, delivered=delivered)
    return as_stored(item.SerializeToString())


def stored_peer_changed(user: UserId, identity: bool, accepted_ms: int) -> bytes:
    """Somebody's devices, or identity key, are others now."""
    changed = pb.PeerChanged(user=user, identity=identity)
    item = pb.Item(accepted_ms=accepted_ms, peer_changed=changed)
    return as_stored(item.SerializeToString())


def read_stored(body: bytes, accepted_ms: int) -> tuple[bytes, Origin | None]:
    """The bytes to push, and where a message came from."""
    stored = item_pb2.StoredItem.FromString(body)
    return stored.item, read_origin(stored, accepted_ms)


def read_origin(stored: item_pb2.StoredItem, accepted_ms: int) -> Origin | None:
    """Where a message came from; None for what owners make themselves."""
    if not stored.sender:
        return None
    device = DeviceId(UserId(stored.sender), stored.sender_device)
    sender = DeviceAddress(device, stored.sender_registration, stored.sender_generation)
    message_id = MessageId(stored.message_id)
    return Origin(sender, message_id, stored.ordinal, stored.digest, accepted_ms)


def read_place(body: bytes) -> tuple[bytes, Position] | None:
    """Of a copy from a group: which group, and where it stands in the group's order."""
    stored = item_pb2.StoredItem.FromString(body)
    if not stored.group:
        return None
    return stored.group, Position(stored.at.epoch, stored.at.seq)


def item_frame(position: Position, follows: Position | None, item: bytes) -> bytes:
    """A ServerFrame that pushes an item."""
    head = POSITION_FIELD + _with_length(_position(position))
    if follows is not None:
        head += FOLLOWS_FIELD + _with_length(_position(follows))
    return ITEM_FIELD + _varint(len(head) + len(item)) + head + item


def _position(position: Position) -> bytes:
    """A Position; proto3 leaves zeroes out."""
    encoded = b"\x08" + _varint(position.epoch) if position.epoch else b""
    return encoded + b"\x10" + _varint(position.seq) if position.seq else encoded


def _with_length(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def caught_up_frame(up_to: Position) -> bytes:
    return pb.ServerFrame(caught_up=pb.CaughtUp(up_to=_wire(up_to))).SerializeToString()


def expired_frame(first: Position, last: Position) -> bytes:
    """`from` is a word of Python's, hence the mapping."""
    expired = pb.Expired(to=_wire(last))
    getattr(expired, "from").CopyFrom(_wire(first))
    return pb.ServerFrame(expired=expired).SerializeToString()


def fleeting_frame(sender: DeviceAddress, send: Send, content: Content) -> bytes:
    fleeting = pb.Fleeting(envelope=envelope(sender, send, content))
    return pb.ServerFrame(fleeting=fleeting).SerializeToString()


def presence_frame(user: UserId, status: int, last_seen_ms: int) -> bytes:
    presence = pb.Presence(
        user=user, status=pb.PresenceStatus.ValueType(status), last_seen_ms=last_seen_ms
    )
    return pb.ServerFrame(presence=presence).SerializeToString()


def keys_low_frame(pre_keys: int, kyber_pre_keys: int) -> bytes:
    low = pb.KeysLow(pre_keys=pre_keys, kyber_pre_keys=kyber_pre_keys)
    return pb.ServerFrame(notice=pb.Notice(keys_low=low)).SerializeToString()


def own_devices_frame() -> bytes:
    notice = pb.Notice(own_devices_changed=pb.OwnDevicesChanged())
    return pb.ServerFrame(notice=notice).SerializeToString()


def _wire(position: Position) -> pb.Position:
    return pb.Position(epoch=position.epoch, seq=position.seq)
