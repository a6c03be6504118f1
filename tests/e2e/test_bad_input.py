"""Every bad input gets its one named code, over both transports, and loses nothing else."""

from pathlib import Path
from typing import Any

import pytest

from signet.core import limits
from signet.core.errors import Code
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, World, world
from tests.support.opening import Open
from tests.support.streams import code_of, ends_with, greet, hello, send

UNKNOWN_FRAME = b"\x08\x07\x7a\x00"  # request 7, and a body of field 15
NOT_PROTOBUF = b"\xff\xff\xff\xff"


# --- before and around Hello --------------------------------------------------------------------

OUT_OF_STATE = {
    "send": send(BOB, 1),
    "ack": pb.ClientFrame(ack=pb.Ack(up_to=pb.Position(epoch=1, seq=1))),
    "read": pb.ClientFrame(read=pb.Read()),
    "heartbeat": pb.ClientFrame(heartbeat=pb.Heartbeat()),
    "presence": pb.ClientFrame(set_presence=pb.SetPresence(status=pb.PRESENCE_STATUS_AWAY)),
    "watch": pb.ClientFrame(watch=pb.Watch(users=[BOB])),
    "unknown": pb.ClientFrame.FromString(UNKNOWN_FRAME),
    "empty": pb.ClientFrame(),
}


@pytest.mark.parametrize("first", OUT_OF_STATE.values(), ids=OUT_OF_STATE.keys())
async def test_anything_before_hello_is_out_of_state(
    here: World, open_stream: Open, first: pb.ClientFrame
) -> None:
    async with open_stream(here) as stream:
        await stream.send(first)
        await ends_with(stream, Code.OUT_OF_STATE)


async def test_a_second_hello_is_out_of_state(here: World, open_stream: Open) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        await stream.send(hello(here.keys.token(ALICE), 2))
        await ends_with(stream, Code.OUT_OF_STATE)


async def test_bytes_that_are_no_frame_are_malformed_before_hello(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as stream:
        await stream.send_bytes(NOT_PROTOBUF)
        await ends_with(stream, Code.MALFORMED)


async def test_bytes_that_are_no_frame_are_malformed_after_hello(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        await stream.send_bytes(NOT_PROTOBUF)
        await ends_with(stream, Code.MALFORMED)


@pytest.mark.parametrize("protocol", [0, 2, 2**32 - 1])
async def test_another_protocol_version_asks_for_an_update(
    here: World, open_stream: Open, protocol: int
) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello(here.keys.token(ALICE), protocol=protocol))
        await ends_with(stream, Code.UNSUPPORTED_VERSION)


@pytest.mark.parametrize(
    "changed",
    [
        {"connection_counter": 0},
        {"connection_counter": 2**63},
        {"agent": "x" * 65},
        {"position": pb.Position(epoch=2**63, seq=1)},
    ],
    ids=["no counter", "huge counter", "long agent", "huge position"],
)
async def test_a_hello_with_a_field_out_of_its_range(
    here: World, open_stream: Open, changed: dict[str, Any]
) -> None:
    async with open_stream(here) as stream:
        greeting = hello(here.keys.token(ALICE))
        greeting.hello.MergeFrom(pb.Hello(**changed))
        if changed.get("connection_counter") == 0:
            greeting.hello.connection_counter = 0
        await stream.send(greeting)
        await ends_with(stream, Code.INVALID_ARGUMENT)


async def test_a_hello_larger_than_strangers_may_send(here: World, open_stream: Open) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello("x" * limits.MAX_HELLO))
        await ends_with(stream, Code.FRAME_TOO_LARGE)


async def test_a_position_that_was_never_given(here: World, open_stream: Open) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello(here.keys.token(ALICE), position=pb.Position(epoch=9, seq=9)))
        await ends_with(stream, Code.ACK_BEYOND_SENT)


async def test_a_connection_counter_that_was_seen(here: World, open_stream: Open) -> None:
    async with open_stream(here) as first, open_stream(here) as second:
        await greet(here, first, counter=5)
        await second.send(hello(here.keys.token(ALICE), 5))
        await ends_with(second, Code.STALE_CONNECTION)
        await first.send(pb.ClientFrame(heartbeat=pb.Heartbeat()))
        await first.until("heartbeat")  # the older stream was not harmed


async def test_a_higher_counter_displaces_the_older_stream(here: World, open_stream: Open) -> None:
    async with open_stream(here) as first, open_stream(here) as second:
        await greet(here, first, counter=1)
        await greet(here, second, counter=2)
        await ends_with(first, Code.DISPLACED)


# --- frames of an open stream -------------------------------------------------------------------


async def test_a_frame_over_the_limit(here: World, open_stream: Open) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        await stream.send_bytes(b"\x1a" + bytes(limits.MAX_FRAME))
        await ends_with(stream, Code.FRAME_TOO_LARGE)


async def test_an_unknown_frame_is_refused_and_the_stream_goes_on(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        await stream.send_bytes(UNKNOWN_FRAME)
        refused = await stream.until("refused")
        assert refused.request == 7
        assert Code(refused.refused.refusal.code) is Code.UNSUPPORTED_FRAME
        await stream.send(pb.ClientFrame(request=8, heartbeat=pb.Heartbeat()))
        assert (await stream.until("heartbeat")).request == 8


async def test_unknown_fields_are_ignored(here: World, open_stream: Open) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        known = pb.ClientFrame(heartbeat=pb.Heartbeat()).SerializeToString()
        await stream.send_bytes(known + b"\xfa\x7f\x03abc")  # field 2047
        await stream.until("heartbeat")


async def test_an_acknowledgement_of_what_was_never_sent(here: World, open_stream: Open) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        await stream.send(pb.ClientFrame(ack=pb.Ack(up_to=pb.Position(epoch=1, seq=7))))
        await ends_with(stream, Code.ACK_BEYOND_SENT)


def content(**changed: Any) -> list[pb.DeviceContent]:
    fields: dict[str, Any] = {"device_id": 1, "registration_id": 11, "type": 2, "content": b"x"}
    return [pb.DeviceContent(**(fields | changed))]


BAD_SENDS: dict[str, tuple[Code, dict[str, Any]]] = {
    "short id": (Code.INVALID_ARGUMENT, {"message_id": b"short"}),
    "long id": (Code.INVALID_ARGUMENT, {"message_id": bytes(17)}),
    "short user": (Code.INVALID_ARGUMENT, {"to": b"bob"}),
    "no ordinal": (Code.INVALID_ARGUMENT, {"ordinal": 0}),
    "no base": (Code.INVALID_ARGUMENT, {"base": 0}),
    "base above ordinal": (Code.INVALID_ARGUMENT, {"base": 2}),
    "huge ordinal": (Code.INVALID_ARGUMENT, {"ordinal": 2**64 - 1}),
    "ordinal of a fleeting send": (Code.INVALID_ARGUMENT, {"fleeting": True}),
    "device 0": (Code.INVALID_ARGUMENT, {"contents": content(device_id=0)}),
    "device 128": (Code.INVALID_ARGUMENT, {"contents": content(device_id=128)}),
    "registration 0": (Code.INVALID_ARGUMENT, {"contents": content(registration_id=0)}),
    "registration 16384": (Code.INVALID_ARGUMENT, {"contents": content(registration_id=16384)}),
    "unknown type": (Code.INVALID_ARGUMENT, {"contents": content(type=1)}),
    "no bytes": (Code.INVALID_ARGUMENT, {"contents": content(content=b"")}),
    "a device twice": (Code.INVALID_ARGUMENT, {"contents": content() + content()}),
    "long text": (
        Code.CONTENT_TOO_LARGE,
        {"contents": content(content=bytes(limits.MAX_CONTENT + 1))},
    ),
    "nobody": (Code.UNKNOWN_RECIPIENT, {"to": b"nobody".ljust(16, b"_")}),
    "wrong device": (Code.WRONG_DEVICES, {"contents": content(device_id=2)}),
    "out of order": (Code.OUT_OF_ORDER, {"ordinal": 3, "base": 2}),
}


@pytest.mark.parametrize(("code", "changed"), BAD_SENDS.values(), ids=BAD_SENDS.keys())
async def test_a_bad_send_has_its_answer_and_the_stream_goes_on(
    here: World, open_stream: Open, code: Code, changed: dict[str, Any]
) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        fields: dict[str, Any] = {"to": BOB, "ordinal": 1} | changed
        bad = send(**fields)
        await stream.send(pb.ClientFrame(request=9, send=bad.send))
        answer = await stream.until("answer")
        assert answer.request == 9
        assert Code(answer.answer.refused.code) is code
        assert answer.answer.message_id == bad.send.message_id
        assert answer.answer.ordinal == bad.send.ordinal
        await stream.send(send(BOB, 1, b"good", message_id=b"good".ljust(16)))
        assert (await stream.until("answer")).answer.HasField("sent")


BAD_REQUESTS = {
    "ack of nothing": pb.ClientFrame(request=9, ack=pb.Ack()),
    "huge ack": pb.ClientFrame(request=9, ack=pb.Ack(up_to=pb.Position(epoch=2**63))),
    "huge read": pb.ClientFrame(request=9, read=pb.Read(after=pb.Position(seq=2**64 - 1))),
    "offline": pb.ClientFrame(
        request=9, set_presence=pb.SetPresence(status=pb.PRESENCE_STATUS_OFFLINE)
    ),
    "short user": pb.ClientFrame(request=9, watch=pb.Watch(users=[b"bob"])),
    "too many": pb.ClientFrame(
        request=9, watch=pb.Watch(users=[bytes(12) + n.to_bytes(4, "big") for n in range(501)])
    ),
}


@pytest.mark.parametrize("bad", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
async def test_a_bad_request_is_refused_and_the_stream_goes_on(
    here: World, open_stream: Open, bad: pb.ClientFrame
) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        await stream.send(bad)
        refused = await stream.until("refused")
        assert refused.request == 9
        assert Code(refused.refused.refusal.code) is Code.INVALID_ARGUMENT
        await stream.send(pb.ClientFrame(heartbeat=pb.Heartbeat()))
        await stream.until("heartbeat")


async def test_sends_beyond_the_bucket_are_told_when_to_come_back(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as stream:
        await greet(here, stream)
        for ordinal in range(1, 63):
            await stream.send(send(BOB, ordinal, base=max(1, ordinal - 20), urgent=False))
        refused = []
        for _ in range(62):
            answer = (await stream.until("answer")).answer
            if answer.refused.code == pb.CODE_RATE_LIMITED:
                refused.append(answer.refused)
        assert refused
        assert 0 < refused[0].retry_after_ms <= 1000


# --- silence ------------------------------------------------------------------------------------


async def test_a_stream_that_says_nothing(tmp_path: Path, open_stream: Open) -> None:
    async with world(tmp_path, hello_timeout=0.1) as here, open_stream(here) as stream:
        await ends_with(stream, Code.HELLO_TIMEOUT)


async def test_a_stream_whose_heartbeats_stop(tmp_path: Path, open_stream: Open) -> None:
    made = world(tmp_path, heartbeat_min=0.05, heartbeat_max=0.1)
    async with made as here, open_stream(here) as stream:
        await greet(here, stream)
        await ends_with(stream, Code.HEARTBEAT_TIMEOUT)


@pytest.mark.parametrize(("asked", "granted"), [(0, 30), (1, 15), (60, 60), (9999, 540)])
async def test_heartbeats_are_granted_within_bounds(
    here: World, open_stream: Open, asked: int, granted: int
) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello(here.keys.token(ALICE), heartbeat_seconds=asked))
        assert (await stream.until("welcome")).welcome.heartbeat_seconds == granted


async def test_who_is_not_admitted_is_told_after_the_upgrade_when_to_come(
    tmp_path: Path, open_stream: Open
) -> None:
    async with world(tmp_path, max_streams=1) as here, open_stream(here) as first:
        await greet(here, first)
        async with open_stream(here) as second:
            close, _ = await second.end()
        assert code_of(close) is Code.OVERLOADED
        assert close.retry_after_ms >= 1000
        await first.send(pb.ClientFrame(heartbeat=pb.Heartbeat()))
        await first.until("heartbeat")
