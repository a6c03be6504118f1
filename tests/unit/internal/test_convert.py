"""What goes over a link comes out as it went in."""

import os

import pytest

from signet.core import link
from signet.core.errors import Code
from signet.core.groups import GroupId, GroupKey
from signet.core.ids import (
    START,
    DeviceAddress,
    DeviceId,
    Epoch,
    Incarnation,
    MessageId,
    Position,
    ShardId,
    UserId,
)
from signet.internal.v1 import convert
from signet.internal.v1 import link_pb2 as pb
from signet.v1 import convert as public
from signet.v1 import messaging_pb2 as messaging

USER, OTHER = UserId(b"u" * 16), UserId(b"o" * 16)
ADDRESS = DeviceAddress(DeviceId(USER, 3), 77, 5)
CONTENTS = (link.Content(1, 11, 2, b"one"), link.Content(2, 12, 3, b"two"))


def send(*, fleeting: bool = False, quiet: bool = False) -> link.Send:
    urgent = not quiet
    digest = public.digest(OTHER, CONTENTS, fleeting=fleeting, urgent=urgent, quiet=quiet)
    number = 0 if fleeting else 9
    id_ = MessageId(os.urandom(16))
    return link.Send(id_, OTHER, number, number, CONTENTS, digest, fleeting, urgent, quiet)


GROUP_KEYS = (GroupKey(OTHER, 1, 11, 3, b"a key"), GroupKey(USER, 2, 12, 2, b"another"))


def group_send(*, content: bytes = b"text", quiet: bool = False) -> link.GroupSend:
    made = link.GroupSend(
        MessageId(os.urandom(16)),
        GroupId(b"g" * 16),
        9,
        8,
        3,
        b"d" * 32,
        content,
        GROUP_KEYS,
        b"",
        urgent=not quiet,
        quiet=quiet,
    )
    wire = messaging.GroupSend.FromString(convert.group_send_message(made).SerializeToString())
    return public.group_send_of(wire)


TO_ROUTER = [
    link.Attach(1, ADDRESS, 4, Position(2, 7), 256, 1024, 30, frozenset({1, 3}), 0),
    link.Attach(1, ADDRESS, 4, START, 256, 1024, 30, again=True),
    link.Detach(2),
    link.Submit(3, ADDRESS, send()),
    link.Submit(4, ADDRESS, send(fleeting=True)),
    link.Submit(4, ADDRESS, send(quiet=True)),
    link.Submit(5, ADDRESS, group_send()),
    link.Submit(5, ADDRESS, group_send(content=b"", quiet=True)),
    link.Acked(5, Position(1, 1)),
    link.ReadAfter(6, START),
    link.SetStatus(7, 3),
    link.WatchUsers(8, ADDRESS, (USER, OTHER)),
    link.WatchUsers(9, ADDRESS, ()),
]
MESSAGE = MessageId(b"m" * 16)
TO_GATEWAY = [
    link.Attached(1, Position(3, 4)),
    link.Answered(2, link.Answer(MESSAGE, 3, 1_700_000_000_000)),
    link.Answered(
        2,
        link.Answer(MESSAGE, 3, 0, Code.WRONG_DEVICES, 1.5, link.Mismatch((1,), (2, 3), (4,))),
    ),
    link.Answered(2, link.Answer(MESSAGE, 3, 0, Code.STORE_UNAVAILABLE, 5.0)),
    link.Answered(
        2,
        link.Answer(
            MESSAGE,
            3,
            code=Code.WRONG_GROUP,
            group=link.GroupNow(7, {USER: {1: 11, 2: 12}, OTHER: {}}),
        ),
    ),
    link.Push(3, b"frame"),
    link.Drop(4, Code.DISPLACED),
    link.Drop(4, Code.OVERLOADED, 2.0),
    link.NotOwner(ShardId(5), None, Epoch(0), (1, 2), ()),
    link.NotOwner(ShardId(5), Incarnation(b"i" * 16), Epoch(3), (), (7,)),
    link.Holding(Incarnation(b"i" * 16), {ShardId(0): Epoch(1), ShardId(9): Epoch(4)}),
]


@pytest.mark.parametrize("body", TO_ROUTER, ids=lambda body: type(body).__name__)
def test_a_frame_to_a_router_comes_out_as_it_went_in(body: link.ToRouterBody) -> None:
    frames = [
        link.ToRouter(ShardId(4), body),
        link.ToRouter(ShardId(5), body, Incarnation(b"i" * 16), Epoch(9)),
    ]
    batch = convert.to_router_batch(frames, "gateway-0")
    read = pb.GatewayBatch.FromString(batch.SerializeToString())
    assert read.gateway == "gateway-0"
    assert convert.from_gateway_batch(read) == frames


@pytest.mark.parametrize("frame", TO_GATEWAY, ids=lambda frame: type(frame).__name__)
def test_a_frame_to_a_gateway_comes_out_as_it_went_in(frame: link.ToGateway) -> None:
    batch = convert.to_gateway_batch([frame, frame])
    read = pb.RouterBatch.FromString(batch.SerializeToString())
    assert convert.from_router_batch(read) == [frame, frame]


def test_a_body_of_a_later_version_is_left_out() -> None:
    batch = convert.to_router_batch([link.ToRouter(ShardId(1), link.Detach(1))])
    batch.frames.add(shard=1)
    assert len(convert.from_gateway_batch(batch)) == 1
    answer = convert.to_gateway_batch([link.Push(1, b"")])
    answer.frames.add()
    assert len(convert.from_router_batch(answer)) == 1


@pytest.mark.parametrize(
    "frame",
    [
        pb.GatewayFrame(send=pb.LinkSend(ticket=1, send=b"\xff")),
        pb.GatewayFrame(send=pb.LinkSend(ticket=1, send=b"")),
        pb.GatewayFrame(attach=pb.Attach(device=pb.DeviceAddress(user=b"short"))),
        pb.GatewayFrame(watch=pb.LinkWatch(users=[b"short"])),
    ],
)
def test_what_cannot_be_gives_the_link_up(frame: pb.GatewayFrame) -> None:
    with pytest.raises(convert.BadFrame):
        convert.from_gateway_batch(pb.GatewayBatch(frames=[frame]))


def test_a_code_that_is_not_known_gives_the_link_up() -> None:
    batch = convert.to_gateway_batch([link.Drop(4, Code.DISPLACED)])
    batch.frames[0].drop.close.code = 9999  # type: ignore[assignment]
    with pytest.raises(convert.BadFrame):
        convert.from_router_batch(batch)


def test_a_retry_to_a_group_is_told_from_another_message_by_its_digest() -> None:
    same, other = group_send(), group_send(content=b"other text")
    assert same.digest == group_send().digest
    assert same.digest != other.digest
    assert same.size == len(b"text") + len(b"a key") + len(b"another")
