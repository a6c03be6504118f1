"""Clients of the public protocol over both transports, by libraries that we did not write."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, Self

import grpc
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed

from signet.core.errors import RULES, Code
from signet.core.ids import UserId
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, World

CONNECT = "/signet.v1.Messaging/Connect"


class Stream(ABC):
    """One open stream: frames out, frames in, and how it ended."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(self, *failed: object) -> None: ...

    @abstractmethod
    async def send_bytes(self, data: bytes) -> None: ...

    @abstractmethod
    async def _next(self) -> bytes | None: ...

    @abstractmethod
    def ended_with(self) -> int | str:
        """The transport's own code."""

    async def send(self, frame: pb.ClientFrame) -> None:
        await self.send_bytes(frame.SerializeToString())

    async def receive(self) -> pb.ServerFrame | None:
        """The next frame; None at the end."""
        async with asyncio.timeout(30):
            data = await self._next()
        return None if data is None else pb.ServerFrame.FromString(data)

    async def until(self, kind: str) -> pb.ServerFrame:
        """The next frame of this kind; those before it are passed over."""
        seen = []
        while (frame := await self.receive()) is not None:
            if frame.WhichOneof("body") == kind:
                return frame
            seen.append(frame)
        raise AssertionError(f"the stream ended without {kind}: {seen[-1:]}")

    async def end(self) -> tuple[pb.Close, int | str]:
        """Read to the end: the Close, which nothing follows, and the transport's own code."""
        last = None
        while (frame := await self.receive()) is not None:
            assert last is None or last.WhichOneof("body") != "close", "something follows Close"
            last = frame
        assert last is not None, f"no frame before the end ({self.ended_with()})"
        assert last.WhichOneof("body") == "close", last
        return last.close, self.ended_with()


class WebSocketStream(Stream):
    """By the `websockets` library."""

    def __init__(self, url: str, **options: Any) -> None:
        settings = {"subprotocols": ["signet.v1"], "compression": None, "max_size": None}
        self._connect = websockets.asyncio.client.connect(
            url, ping_interval=None, close_timeout=1, **{**settings, **options}
        )

    async def __aenter__(self) -> Self:
        self.connection = await self._connect
        return self

    async def __aexit__(self, *failed: object) -> None:
        await self.connection.close()

    async def send_bytes(self, data: bytes) -> None:
        with suppress(ConnectionClosed):  # its end says why
            await self.connection.send(data)

    async def _next(self) -> bytes | None:
        try:
            data = await self.connection.recv()
        except ConnectionClosed:
            return None
        assert isinstance(data, bytes)
        return data

    def ended_with(self) -> int | str:
        return self.connection.close_code or 1006


class GrpcStream(Stream):
    """By grpc.aio."""

    def __init__(
        self,
        target: str,
        *options: tuple[str, Any],
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        settings = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", -1),
            *options,
        ]
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(target, options=settings)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, options=settings)

    async def __aenter__(self) -> Self:
        self.call: grpc.aio.StreamStreamCall[bytes, bytes] = self._channel.stream_stream(CONNECT)()
        return self

    async def __aexit__(self, *failed: object) -> None:
        self.call.cancel()
        await self._channel.close()

    async def send_bytes(self, data: bytes) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # over: its end says why
            await self.call.write(data)

    async def _next(self) -> bytes | None:
        try:
            data = await self.call.read()
        except grpc.aio.AioRpcError:
            data = grpc.aio.EOF
        if data is grpc.aio.EOF:
            self.status = await self.call.code()
            self.trailers = dict(await self.call.trailing_metadata() or ())
            return None
        assert isinstance(data, bytes)
        if pb.ServerFrame.FromString(data).HasField("close"):
            await self.call.done_writing()
        return data

    def ended_with(self) -> int | str:
        return self.status.name


def hello(token: str, counter: int = 1, **fields: Any) -> pb.ClientFrame:
    """A Hello with all capabilities, and the other fields as given."""
    settings: dict[str, Any] = {"protocol": 1, "capabilities": [1, 2, 3, 4]} | fields
    greeting = pb.Hello(token=token, connection_counter=counter, **settings)
    return pb.ClientFrame(request=1, hello=greeting)


def send(to: bytes, ordinal: int, text: bytes = b"hello", **fields: Any) -> pb.ClientFrame:
    """A Send to a user's only device."""
    content = pb.DeviceContent(device_id=1, registration_id=11, type=2, content=text)
    settings: dict[str, Any] = {"message_id": ordinal.to_bytes(16, "big"), "base": ordinal}
    settings |= {"contents": [content]} | fields
    return pb.ClientFrame(request=ordinal, send=pb.Send(to=to, ordinal=ordinal, **settings))


def code_of(close: pb.Close) -> Code:
    return Code(close.code)


async def ends_with(stream: Stream, code: Code) -> None:
    """Read to the end: the Close and the transport say the same code."""
    close, transport_code = await stream.end()
    assert code_of(close) is code
    assert transport_code in (RULES[code].websocket, RULES[code].grpc)


async def greet(here: World, stream: Stream, user: UserId = ALICE, counter: int = 1) -> None:
    """Say Hello, and wait until the inbox is followed."""
    await stream.send(hello(here.keys.token(user), counter))
    await stream.until("caught_up")
