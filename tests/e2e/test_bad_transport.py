"""What breaks the rules of WebSocket or gRPC themselves, or asks them for what is not given."""

import asyncio
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from signet.core import limits
from signet.core.errors import RULES, Code
from tests.support.gateways import ALICE, World, world
from tests.support.raw_websocket import BINARY, RawWebSocket, frame
from tests.support.streams import (
    CONNECT,
    GrpcStream,
    WebSocketStream,
    code_of,
    ends_with,
    greet,
    hello,
)

# --- WebSocket only -----------------------------------------------------------------------------


async def test_a_text_frame(here: World) -> None:
    async with WebSocketStream(here.url) as stream:
        await stream.connection.send("hello")
        await ends_with(stream, Code.TEXT_FRAME)


async def test_compression_is_never_negotiated(here: World) -> None:
    async with WebSocketStream(here.url, compression="deflate") as stream:
        assert stream.connection.protocol.extensions == []
        await greet(here, stream)


async def test_an_origin_that_is_not_on_the_list(tmp_path: Path) -> None:
    async with world(tmp_path, origins=frozenset({"https://chat.test"})) as here:
        async with WebSocketStream(here.url, origin="https://evil.test") as stream:
            await ends_with(stream, Code.ORIGIN_REFUSED)
        async with WebSocketStream(here.url, origin="https://chat.test") as stream:
            await greet(here, stream)


async def test_a_client_that_does_not_offer_the_subprotocol(here: World) -> None:
    async with WebSocketStream(here.url, subprotocols=None) as stream:
        await ends_with(stream, Code.UNSUPPORTED_VERSION)


async def test_another_path_is_not_found(here: World) -> None:
    async with RawWebSocket(*here.gateway.websocket_address, path="/v1/other") as stream:
        assert stream.status == 404


NOT_WEBSOCKET = {
    "unmasked": (frame(BINARY, b"x", masked=False), Code.MALFORMED),
    "unknown opcode": (frame(3, b"x"), Code.MALFORMED),
    "compressed": (frame(BINARY, b"x", first=0xC0), Code.MALFORMED),
    "reserved bit": (frame(BINARY, b"x", first=0xA0), Code.MALFORMED),
    "continues nothing": (frame(0, b"x"), Code.MALFORMED),
    "starts twice": (frame(BINARY, b"x", first=0) + frame(BINARY, b"x"), Code.MALFORMED),
    "fragmented ping": (frame(9, b"x", first=0), Code.MALFORMED),
    "claims a gigabyte": (b"\x82\xff" + (2**30).to_bytes(8, "big"), Code.FRAME_TOO_LARGE),
    "too large in parts": (
        frame(BINARY, bytes(limits.MAX_HELLO), first=0) + frame(0, b"x"),
        Code.FRAME_TOO_LARGE,
    ),
    "in too many parts": (
        frame(BINARY, b"x", first=0) + frame(0, b"x", first=0) * limits.MAX_FRAGMENTS,
        Code.FRAME_TOO_LARGE,
    ),
}


@pytest.mark.parametrize(("data", "code"), NOT_WEBSOCKET.values(), ids=NOT_WEBSOCKET.keys())
async def test_bytes_that_break_websockets_own_rules(here: World, data: bytes, code: Code) -> None:
    async with RawWebSocket(*here.gateway.websocket_address) as stream:
        stream.write(data)
        close, number = await stream.end()
        assert code_of(close) is code
        assert number == RULES[code].websocket


async def test_a_message_in_parts_is_one_message(here: World) -> None:
    whole = hello(here.keys.token(ALICE), protocol=7).SerializeToString()
    async with RawWebSocket(*here.gateway.websocket_address) as stream:
        stream.write(frame(BINARY, whole[:9], first=0) + frame(9, b"ping"))
        stream.write(frame(0, whole[9:20], first=0) + frame(0, whole[20:]))
        pong = await stream._frame()
        assert pong == (10, b"ping")
        close, _ = await stream.end()
        assert code_of(close) is Code.UNSUPPORTED_VERSION


# --- gRPC only ----------------------------------------------------------------------------------


async def test_the_status_carries_the_code_and_when_to_come(tmp_path: Path) -> None:
    async with world(tmp_path, max_streams=0) as here, GrpcStream(here.target) as stream:
        close, status = await stream.end()
        assert status == "UNAVAILABLE"
        assert stream.trailers["signet-code"] == "OVERLOADED"
        assert stream.trailers["retry-after-ms"] == str(close.retry_after_ms)


async def test_half_closing_is_a_bye(here: World) -> None:
    async with GrpcStream(here.target) as stream:
        await greet(here, stream)
        await stream.call.done_writing()
        await ends_with(stream, Code.BYE)


async def test_a_message_far_over_the_limit_is_refused_while_it_is_read(here: World) -> None:
    async with GrpcStream(here.target) as stream:
        await greet(here, stream)
        await stream.send_bytes(bytes(8 * limits.MIB))
        while await stream.receive() is not None:
            pass
        assert stream.status.name == RULES[Code.FRAME_TOO_LARGE].grpc


async def test_a_compressed_message_is_not_inflated(here: World) -> None:
    def status() -> grpc.StatusCode:
        """By gRPC's blocking client: the one of asyncio may report its own write instead."""
        with grpc.insecure_channel(here.target, compression=grpc.Compression.Gzip) as channel:
            connect: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(CONNECT)
            call = connect(iter([bytes(limits.MIB)]))
            with suppress(grpc.RpcError):
                next(call)
            return call.code()

    assert await asyncio.to_thread(status) is grpc.StatusCode.UNIMPLEMENTED
