"""The one place that knows public frames on the wire and as values of the core.

What a client wrote is checked here, once: everything behind it may trust lengths and ranges.
Frames to clients are made here as bytes, so that a frame for many is serialised once.
"""

from enum import IntEnum
from hashlib import blake2b
from struct import Struct

from google.protobuf.message import DecodeError

from signet.core import limits
from signet.core.errors import Code, SignetError
from signet.core.groups import GroupId, GroupKey
from signet.core.ids import ID_BYTES, MessageId, Position, UserId
from signet.core.link import Answer, AnySend, Content, GroupNow, GroupSend, Send
from signet.v1 import messaging_pb2 as pb

PROTOCOL = 1
RESUME_MAX = 512  # bytes of a resume token; what is longer was not made by us
_BIGGEST = 2**63 - 1  # stores keep numbers in 64 bits with a sign
_CONTENT_HEAD = Struct(">BHBI")  # device, registration, type, length: part of the digest


class CiphertextType(IntEnum):
    """As in messaging.proto's DeviceContent."""

    WHISPER = 2
    PRE_KEY = 3
    SENDER_KEY = 7
    PLAIN_RETRY_REQUEST = 8


_TYPES = frozenset(CiphertextType)
_KEY_TYPES = frozenset({CiphertextType.WHISPER, CiphertextType.PRE_KEY})
_DEVICES_BYTES = 32  # of GroupSend.devices


def parse(data: bytes) -> pb.ClientFrame:
    """Bytes off the wire as a frame; what is in it is not checked yet.

    Raises:
        SignetError: MALFORMED, these are no frame.
    """
    try:
        return pb.ClientFrame.FromString(data)
    except DecodeError:
        raise SignetError(Code.MALFORMED) from None


def check_hello(hello: pb.Hello) -> Position:
    """The position that the device claims.

    Raises:
        SignetError: UNSUPPORTED_VERSION, INVALID_ARGUMENT, UNAUTHENTICATED (it shows nothing).
    """
    if hello.protocol != PROTOCOL:
        raise SignetError(Code.UNSUPPORTED_VERSION, f"this server speaks protocol {PROTOCOL}")
    if not 0 < hello.connection_counter <= _BIGGEST:
        raise _invalid("connection_counter")
    if len(hello.agent) > limits.MAX_AGENT:
        raise _invalid("agent")
    if len(hello.resume_token) > RESUME_MAX:
        raise SignetError(Code.RESUME_REFUSED)
    if not hello.token and not hello.resume_token:
        raise SignetError(Code.UNAUTHENTICATED, "neither token nor resume_token")
    return position(hello.position, "position")


def any_send_of(wire: pb.Send | pb.GroupSend) -> AnySend:
    """Raises SignetError."""
    return group_send_of(wire) if isinstance(wire, pb.GroupSend) else send_of(wire)


def send_of(wire: pb.Send) -> Send:
    """A Send whose ids, numbers and contents are in their ranges.

    Raises:
        SignetError: INVALID_ARGUMENT with the field's name, CONTENT_TOO_LARGE.
    """
    if len(wire.message_id) != ID_BYTES:
        raise _invalid("message_id")
    _check_order(wire)
    to = user(wire.to, "to")
    contents = tuple(_content(content) for content in wire.contents)
    if len({content.device for content in contents}) != len(contents):
        raise _invalid("contents: a device twice")
    return Send(
        MessageId(wire.message_id),
        to,
        wire.ordinal,
        wire.base,
        contents,
        digest(to, contents, fleeting=wire.fleeting, urgent=wire.urgent, quiet=wire.quiet),
        wire.fleeting,
        wire.urgent,
        wire.quiet,
    )


def _check_order(wire: pb.Send) -> None:
    """M1; M9 for what is fleeting; M11."""
    if not wire.fleeting:
        _check_ordinal(wire)
    elif wire.ordinal or wire.base:
        raise _invalid("ordinal and base of a fleeting send are 0")
    _check_waking(wire)


def _check_ordinal(wire: pb.Send | pb.GroupSend) -> None:
    if not 0 < wire.base <= wire.ordinal <= _BIGGEST:
        raise _invalid("1 <= base <= ordinal")


def _check_waking(wire: pb.Send | pb.GroupSend) -> None:
    if wire.urgent and wire.quiet:
        raise _invalid("urgent and quiet")


def _content(wire: pb.DeviceContent) -> Content:
    _check_content(wire)
    if wire.type not in _TYPES:
        raise _invalid("type")
    return Content(wire.device_id, wire.registration_id, wire.type, wire.content)


def _check_content(wire: pb.DeviceContent | pb.GroupKey) -> None:
    if not 0 < wire.device_id <= limits.MAX_DEVICE_ID:
        raise _invalid("device_id")
    if not 0 < wire.registration_id <= limits.MAX_REGISTRATION_ID:
        raise _invalid("registration_id")
    if not wire.content:
        raise _invalid("content")
    if len(wire.content) > limits.MAX_CONTENT:
        raise SignetError(Code.CONTENT_TOO_LARGE)


def group_send_of(wire: pb.GroupSend) -> GroupSend:
    """A GroupSend whose ids, numbers and contents are in their ranges.

    Raises:
        SignetError: INVALID_ARGUMENT with the field's name, CONTENT_TOO_LARGE.
    """
    if len(wire.message_id) != ID_BYTES:
        raise _invalid("message_id")
    _check_ordinal(wire)
    _check_waking(wire)
    group = GroupId(user(wire.group, "group"))
    if not 0 < wire.membership <= _BIGGEST:
        raise _invalid("membership")
    if len(wire.devices) != _DEVICES_BYTES:
        raise _invalid("devices")
    if len(wire.content) > limits.MAX_CONTENT:
        raise SignetError(Code.CONTENT_TOO_LARGE)
    if not wire.content and not wire.keys:
        raise _invalid("neither content nor keys")
    keys = tuple(_group_key(key) for key in wire.keys)
    if len({(key.user, key.device) for key in keys}) != len(keys):
        raise _invalid("keys: a device twice")
    return GroupSend(
        MessageId(wire.message_id),
        group,
        wire.ordinal,
        wire.base,
        wire.membership,
        wire.devices,
        wire.content,
        keys,
        _group_digest(wire, keys),
        wire.urgent,
        wire.quiet,
    )


def _group_key(wire: pb.GroupKey) -> GroupKey:
    _check_content(wire)
    if wire.type not in _KEY_TYPES:
        raise _invalid("type")
    to = user(wire.user, "keys")
    return GroupKey(to, wire.device_id, wire.registration_id, wire.type, wire.content)


def _group_digest(wire: pb.GroupSend, keys: tuple[GroupKey, ...]) -> bytes:
    """As `digest`: membership and devices are part of what must be the same."""
    hashed = blake2b(wire.group, digest_size=16)
    hashed.update(wire.membership.to_bytes(8, "big") + wire.devices)
    hashed.update(bytes((wire.urgent, wire.quiet)))
    hashed.update(len(wire.content).to_bytes(4, "big") + wire.content)
    for key in keys:
        head = _CONTENT_HEAD.pack(key.device, key.registration, key.type, len(key.body))
        hashed.update(key.user + head + key.body)
    return hashed.digest()


def digest(
    to: UserId,
    contents: tuple[Content, ...],
    *,
    fleeting: bool,
    urgent: bool,
    quiet: bool = False,
) -> bytes:
    """16 bytes over all that must be the same in a retry (O1): ordinal and base may differ."""
    hashed = blake2b(to, digest_size=16)
    hashed.update(bytes((fleeting, urgent, quiet)) if quiet else bytes((fleeting, urgent)))
    for content in contents:
        head = _CONTENT_HEAD.pack(
            content.device, content.registration, content.type, len(content.body)
        )
        hashed.update(head + content.body)
    return hashed.digest()


def user(wire: bytes, field: str) -> UserId:
    """A user id of 16 bytes. Raises SignetError INVALID_ARGUMENT."""
    if len(wire) != ID_BYTES:
        raise _invalid(field)
    return UserId(wire)


def watched(wire: pb.Watch) -> tuple[UserId, ...]:
    """The people of a Watch, each once. Raises SignetError INVALID_ARGUMENT."""
    if len(wire.users) > limits.MAX_WATCHED:
        raise _invalid(f"users: at most {limits.MAX_WATCHED}")
    return tuple(dict.fromkeys(user(each, "users") for each in wire.users))


def status(wire: pb.SetPresence) -> int:
    """ONLINE or AWAY. Raises SignetError INVALID_ARGUMENT."""
    if wire.status not in (pb.PRESENCE_STATUS_ONLINE, pb.PRESENCE_STATUS_AWAY):
        raise _invalid("status")
    return wire.status


def position(wire: pb.Position, field: str) -> Position:
    """An absent position is START. Raises SignetError INVALID_ARGUMENT."""
    if wire.epoch > _BIGGEST or wire.seq > _BIGGEST:
        raise _invalid(field)
    return Position(wire.epoch, wire.seq)


def acked(wire: pb.Ack) -> Position:
    """Raises SignetError INVALID_ARGUMENT where nothing is acknowledged."""
    if not wire.HasField("up_to"):
        raise _invalid("up_to")
    return position(wire.up_to, "up_to")


def _invalid(field: str) -> SignetError:
    return SignetError(Code.INVALID_ARGUMENT, field)


# --- frames to a client -------------------------------------------------------------------------

HEARTBEAT = pb.ServerFrame(heartbeat=pb.Heartbeat()).SerializeToString()


def welcome_frame(
    *,
    request: int,
    session: bytes,
    resume_token: bytes,
    resumed: bool,
    heartbeat_s: int,
    better_address: str,
    server_time_ms: int,
    acknowledged: Position,
) -> bytes:
    welcome = pb.Welcome(
        session_id=session,
        resume_token=resume_token,
        resumed=resumed,
        heartbeat_seconds=heartbeat_s,
        better_address=better_address,
        limits=_LIMITS,
        server_time_ms=server_time_ms,
        acknowledged=pb.Position(epoch=acknowledged.epoch, seq=acknowledged.seq),
    )
    return pb.ServerFrame(request=request, welcome=welcome).SerializeToString()


_LIMITS = pb.Limits(
    max_frame_bytes=limits.MAX_FRAME,
    max_content_bytes=limits.MAX_CONTENT,
    window_items=limits.WINDOW_ITEMS,
    window_bytes=limits.WINDOW_BYTES,
    unanswered_sends=limits.MAX_UNANSWERED,
)


def answer_frame(request: int, answer: Answer) -> bytes:
    wire = pb.Answer(message_id=answer.message_id, ordinal=answer.ordinal)
    if answer.code is None:
        wire.sent.accepted_ms = answer.accepted_ms
    else:
        wire.refused.CopyFrom(_refusal(answer.code, answer.retry_after_s))
        if answer.devices is not None:
            wire.refused.devices.missing.extend(answer.devices.missing)
            wire.refused.devices.extra.extend(answer.devices.extra)
            wire.refused.devices.stale.extend(answer.devices.stale)
        if answer.group is not None:
            wire.refused.group.CopyFrom(group_now(answer.group))
    return pb.ServerFrame(request=request, answer=wire).SerializeToString()


def group_now(group: GroupNow) -> pb.GroupMismatch:
    """The group as it is, sorted by user and device."""
    members = [
        pb.MemberDevices(
            user=member,
            devices=[
                pb.MemberDevice(device_id=device, registration_id=registration)
                for device, registration in sorted(devices.items())
            ],
        )
        for member, devices in sorted(group.devices.items())
    ]
    return pb.GroupMismatch(membership=group.membership, members=members)


def read_group_now(wire: pb.GroupMismatch) -> GroupNow:
    """The same again as a value."""
    devices = {
        UserId(member.user): {one.device_id: one.registration_id for one in member.devices}
        for member in wire.members
    }
    return GroupNow(wire.membership, devices)


def send_refused_frame(request: int, send: pb.Send | pb.GroupSend, error: SignetError) -> bytes:
    """The Answer to a send that went no further than here, whatever its ids look like."""
    refusal = _refusal(error.code, error.retry_after_s, error.detail)
    answer = pb.Answer(message_id=send.message_id, ordinal=send.ordinal, refused=refusal)
    return pb.ServerFrame(request=request, answer=answer).SerializeToString()


def refused_frame(request: int, error: SignetError) -> bytes:
    """The answer to any other frame that was not carried out."""
    refusal = _refusal(error.code, error.retry_after_s, error.detail)
    refused = pb.Refused(refusal=refusal)
    return pb.ServerFrame(request=request, refused=refused).SerializeToString()


def _refusal(code: Code, retry_after_s: float = 0.0, detail: str = "") -> pb.Refusal:
    retry_after_ms = milliseconds(retry_after_s)
    return pb.Refusal(code=wire_code(code), retry_after_ms=retry_after_ms, detail=detail)


def heartbeat_frame(request: int) -> bytes:
    if not request:
        return HEARTBEAT
    return pb.ServerFrame(request=request, heartbeat=pb.Heartbeat()).SerializeToString()


def reconnect_frame(to: str, after_s: float, resume_token: bytes) -> bytes:
    reconnect = pb.Reconnect(to=to, after_ms=milliseconds(after_s), resume_token=resume_token)
    return pb.ServerFrame(reconnect=reconnect).SerializeToString()


def close_frame(code: Code, retry_after_s: float = 0.0, detail: str = "") -> bytes:
    """The last frame of a stream (T5)."""
    retry_after_ms = milliseconds(retry_after_s)
    close = pb.Close(code=wire_code(code), retry_after_ms=retry_after_ms, detail=detail)
    return pb.ServerFrame(close=close).SerializeToString()


def milliseconds(seconds: float) -> int:
    """Rounded up, within 32 bits: nobody comes back too early."""
    return min(-int(-seconds * 1000 // 1), 2**32 - 1)


def wire_code(code: Code) -> pb.Code.ValueType:
    """The same number (tests/unit/test_codes.py)."""
    return pb.Code.ValueType(code)
