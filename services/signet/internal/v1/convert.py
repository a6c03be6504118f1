"""The one place that knows frames of a link on the wire and as values of the core.

A gateway sends GatewayBatch and gets RouterBatch. What comes from the other end is of our own kind,
but perhaps of another version: a body that is not known here is left out, and ids and ranges of a
Send are checked again, since what is stored is made of them.
"""

from collections.abc import Callable, Iterable

from google.protobuf.message import DecodeError

from signet.core import link
from signet.core.errors import Code, SignetError
from signet.core.groups import GroupKey
from signet.core.ids import (
    ID_BYTES,
    DeviceAddress,
    DeviceId,
    Epoch,
    Incarnation,
    MessageId,
    Position,
    ShardId,
    UserId,
)
from signet.internal.v1 import link_pb2 as pb
from signet.v1 import convert as public
from signet.v1 import messaging_pb2 as wire


class BadFrame(ValueError):
    """The other end of a link sent what cannot be: the link is given up."""


# --- gateway → router ---------------------------------------------------------------------------


def to_router_batch(frames: Iterable[link.ToRouter], gateway: str = "") -> pb.GatewayBatch:
    """What a gateway sends. `gateway` is its name: in the first batch, which may have no frames."""
    return pb.GatewayBatch(gateway=gateway, frames=map(_to_router, frames))


def _to_router(frame: link.ToRouter) -> pb.GatewayFrame:
    made = pb.GatewayFrame(incarnation=frame.incarnation, shard=frame.shard, epoch=frame.epoch)
    match frame.body:
        case link.Submit(ticket, sender, send):
            made.send.ticket = ticket
            put_address(made.send.sender, sender)
            if isinstance(send, link.GroupSend):
                made.send.group_send = group_send_message(send).SerializeToString()
            else:
                made.send.send = _send(send).SerializeToString()
        case link.Acked(session, up_to):
            made.ack.session = session
            _put(made.ack.up_to, up_to)
        case link.Attach() as attach:
            _put_attach(made.attach, attach)
        case link.Detach(session):
            made.detach.session = session
        case link.ReadAfter(session, after):
            made.read.session = session
            _put(made.read.after, after)
        case link.SetStatus(session, status):
            made.presence.session = session
            made.presence.status = wire.PresenceStatus.ValueType(status)
        case link.WatchUsers(session, watcher, users):
            made.watch.session = session
            put_address(made.watch.watcher, watcher)
            made.watch.users.extend(users)
    return made


def _put_attach(made: pb.Attach, attach: link.Attach) -> None:
    made.session = attach.session
    put_address(made.device, attach.address)
    made.connection_counter = attach.counter
    _put(made.position, attach.position)
    made.window_items, made.window_bytes = attach.window_items, attach.window_bytes
    made.heartbeat_seconds = attach.heartbeat_s
    made.capabilities.extend(map(wire.Capability.ValueType, sorted(attach.capabilities)))
    if attach.resume_counter is not None:
        made.resume_counter = attach.resume_counter
    made.again = attach.again


def _send(send: link.Send) -> wire.Send:
    return wire.Send(
        message_id=send.message_id,
        to=send.to,
        ordinal=send.ordinal,
        base=send.base,
        contents=[
            wire.DeviceContent(
                device_id=content.device,
                registration_id=content.registration,
                type=content.type,
                content=content.body,
            )
            for content in send.contents
        ],
        fleeting=send.fleeting,
        urgent=send.urgent,
        quiet=send.quiet,
    )


def group_send_message(send: link.GroupSend) -> wire.GroupSend:
    """As a client would write it."""
    return wire.GroupSend(
        message_id=send.message_id,
        group=send.group,
        ordinal=send.ordinal,
        base=send.base,
        membership=send.membership,
        devices=send.devices,
        content=send.content,
        keys=map(group_key_message, send.keys),
        urgent=send.urgent,
        quiet=send.quiet,
    )


def group_key_message(key: GroupKey) -> wire.GroupKey:
    return wire.GroupKey(
        user=key.user,
        device_id=key.device,
        registration_id=key.registration,
        type=key.type,
        content=key.body,
    )


def read_group_key(key: wire.GroupKey) -> GroupKey:
    """What `group_key_message` made."""
    user = UserId(key.user)
    return GroupKey(user, key.device_id, key.registration_id, key.type, key.content)


def from_gateway_batch(batch: pb.GatewayBatch) -> list[link.ToRouter]:
    """What came from a gateway.

    Raises:
        BadFrame: an id or a number that cannot be.
    """
    frames = []
    for frame in batch.frames:
        read = _BODIES.get(frame.WhichOneof("body"))
        if read is not None:
            shard, epoch = ShardId(frame.shard), Epoch(frame.epoch)
            frames.append(link.ToRouter(shard, read(frame), Incarnation(frame.incarnation), epoch))
    return frames


def _read_send(frame: pb.GatewayFrame) -> link.Submit:
    send: link.AnySend
    try:
        if frame.send.group_send:
            send = public.group_send_of(wire.GroupSend.FromString(frame.send.group_send))
        else:
            send = public.send_of(wire.Send.FromString(frame.send.send))
    except (DecodeError, SignetError) as error:
        raise BadFrame(f"not a Send: {error}") from error
    return link.Submit(frame.send.ticket, read_address(frame.send.sender), send)


def _read_attach(frame: pb.GatewayFrame) -> link.Attach:
    attach = frame.attach
    return link.Attach(
        attach.session,
        read_address(attach.device),
        attach.connection_counter,
        _position(attach.position),
        attach.window_items,
        attach.window_bytes,
        attach.heartbeat_seconds,
        frozenset(attach.capabilities),
        attach.resume_counter if attach.HasField("resume_counter") else None,
        attach.again,
    )


_BODIES: dict[str | None, Callable[[pb.GatewayFrame], link.ToRouterBody]] = {
    "send": _read_send,
    "ack": lambda f: link.Acked(f.ack.session, _position(f.ack.up_to)),
    "attach": _read_attach,
    "detach": lambda f: link.Detach(f.detach.session),
    "read": lambda f: link.ReadAfter(f.read.session, _position(f.read.after)),
    "presence": lambda f: link.SetStatus(f.presence.session, int(f.presence.status)),
    "watch": lambda f: link.WatchUsers(
        f.watch.session, read_address(f.watch.watcher), tuple(map(_user, f.watch.users))
    ),
}


# --- router → gateway ---------------------------------------------------------------------------


def to_gateway_batch(frames: Iterable[link.ToGateway]) -> pb.RouterBatch:
    """What a router sends."""
    return pb.RouterBatch(frames=map(_to_gateway, frames))


def _to_gateway(frame: link.ToGateway) -> pb.RouterFrame:
    made = pb.RouterFrame()
    match frame:
        case link.Push(session, body):
            made.push.session, made.push.frame = session, body
        case link.Answered(ticket, answer):
            made.answer.ticket = ticket
            _put_answer(made.answer.answer, answer)
        case link.Attached(session, acknowledged):
            made.attached.session = session
            _put(made.attached.acknowledged, acknowledged)
        case link.Drop(session, code, retry_after_s):
            made.drop.session = session
            made.drop.close.code = public.wire_code(code)
            made.drop.close.retry_after_ms = public.milliseconds(retry_after_s)
        case link.NotOwner() as not_owner:
            made.not_owner.CopyFrom(not_owner_message(not_owner))
        case link.Holding(incarnation, shards):
            made.holding.incarnation = incarnation
            held = [pb.HeldShard(shard=shard, epoch=epoch) for shard, epoch in shards.items()]
            made.holding.shards.extend(held)
    return made


def _put_answer(made: wire.Answer, answer: link.Answer) -> None:
    made.message_id, made.ordinal = answer.message_id, answer.ordinal
    if answer.code is None:
        made.sent.accepted_ms = answer.accepted_ms
        return
    made.refused.code = public.wire_code(answer.code)
    made.refused.retry_after_ms = public.milliseconds(answer.retry_after_s)
    if answer.devices is not None:
        made.refused.devices.missing.extend(answer.devices.missing)
        made.refused.devices.extra.extend(answer.devices.extra)
        made.refused.devices.stale.extend(answer.devices.stale)
    if answer.group is not None:
        made.refused.group.CopyFrom(public.group_now(answer.group))


def from_router_batch(batch: pb.RouterBatch) -> list[link.ToGateway]:
    """What came from a router.

    Raises:
        BadFrame: a code that is not known here.
    """
    read = (_FRAMES[kind](frame) for frame in batch.frames if (kind := _kind(frame)) in _FRAMES)
    return list(read)


def _kind(frame: pb.RouterFrame) -> str | None:
    return frame.WhichOneof("body")


def _read_answer(frame: pb.RouterFrame) -> link.Answered:
    answer = frame.answer.answer
    message_id, refused = MessageId(answer.message_id), answer.refused
    if not answer.HasField("refused"):
        sent = link.Answer(message_id, answer.ordinal, answer.sent.accepted_ms)
        return link.Answered(frame.answer.ticket, sent)
    devices = None
    if refused.HasField("devices"):
        named = refused.devices
        devices = link.Mismatch(tuple(named.missing), tuple(named.extra), tuple(named.stale))
    wait = refused.retry_after_ms / 1000
    group = public.read_group_now(refused.group) if refused.HasField("group") else None
    code = _code(refused.code)
    refusal = link.Answer(message_id, answer.ordinal, 0, code, wait, devices, group)
    return link.Answered(frame.answer.ticket, refusal)


def not_owner_message(frame: link.NotOwner) -> pb.NotOwner:
    return pb.NotOwner(
        shard=frame.shard,
        owner_incarnation=frame.owner or b"",
        epoch=frame.epoch,
        sessions=frame.sessions,
        tickets=frame.tickets,
    )


def _read_not_owner(frame: pb.RouterFrame) -> link.NotOwner:
    return read_not_owner(frame.not_owner)


def read_not_owner(row: pb.NotOwner) -> link.NotOwner:
    """Who owns a shard, by the row that a router has read."""
    return link.NotOwner(
        ShardId(row.shard),
        Incarnation(row.owner_incarnation) if row.owner_incarnation else None,
        Epoch(row.epoch),
        tuple(row.sessions),
        tuple(row.tickets),
    )


def _read_drop(frame: pb.RouterFrame) -> link.Drop:
    close = frame.drop.close
    return link.Drop(frame.drop.session, _code(close.code), close.retry_after_ms / 1000)


_FRAMES: dict[str | None, Callable[[pb.RouterFrame], link.ToGateway]] = {
    "push": lambda f: link.Push(f.push.session, f.push.frame),
    "answer": _read_answer,
    "attached": lambda f: link.Attached(f.attached.session, _position(f.attached.acknowledged)),
    "drop": _read_drop,
    "not_owner": _read_not_owner,
    "holding": lambda f: link.Holding(
        Incarnation(f.holding.incarnation),
        {ShardId(held.shard): Epoch(held.epoch) for held in f.holding.shards},
    ),
}


# --- parts --------------------------------------------------------------------------------------


def _put(made: wire.Position, position: Position) -> None:
    made.epoch, made.seq = position.epoch, position.seq
    made.SetInParent()


def _position(position: wire.Position) -> Position:
    return Position(position.epoch, position.seq)


def put_address(made: pb.DeviceAddress, address: DeviceAddress) -> None:
    made.user, made.device = address.device.user, address.device.device
    made.registration_id, made.generation = address.registration, address.generation


def read_address(address: pb.DeviceAddress) -> DeviceAddress:
    device = DeviceId(_user(address.user), address.device)
    return DeviceAddress(device, address.registration_id, address.generation)


def _user(user: bytes) -> UserId:
    if len(user) != ID_BYTES:
        raise BadFrame("not a user id")
    return UserId(user)


def _code(code: int) -> Code:
    try:
        return Code(code)
    except ValueError as error:
        raise BadFrame(f"code {code} is not known") from error
