"""A stream without encryption: the raw protocol over either transport, for measuring servers.

The SDK would measure Python's cryptography; here the contents are random bytes of the size of
an encrypted text, and everything else is what a client does (protos/protocol.md).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Literal, Protocol

import grpc
import picows

from signet.v1.messaging_pb2 import ClientFrame, ServerFrame

Transport = Literal["websocket", "grpc"]
OnFrame = Callable[[ServerFrame], None]
SUBPROTOCOL = "signet.v1"
CONNECT = "/signet.v1.Messaging/Connect"


class Stream(Protocol):
    """An open stream. Frames arrive by the callback given when it was opened."""

    def send(self, frame: ClientFrame) -> None:
        """Hand a frame over; never waits."""
        ...

    async def close(self) -> None:
        """Close at once; what was not sent is lost."""
        ...


class _Listener(picows.WSListener):
    def __init__(self, on_frame: OnFrame) -> None:
        super().__init__()
        self._on_frame = on_frame

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.BINARY:
            self._on_frame(ServerFrame.FromString(frame.get_payload_as_bytes()))
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()


class WebSocketStream:
    """One frame a binary message."""

    def __init__(self, transport: picows.WSTransport) -> None:
        self._transport = transport

    @classmethod
    async def open(cls, url: str, on_frame: OnFrame) -> "WebSocketStream":
        transport, _ = await picows.ws_connect(
            lambda: _Listener(on_frame),
            url,
            websocket_handshake_timeout=30,
            extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
            read_buffer_init_size=4096,
        )
        return cls(transport)

    def send(self, frame: ClientFrame) -> None:
        self._transport.send(picows.WSMsgType.BINARY, frame.SerializeToString())

    async def close(self) -> None:
        self._transport.disconnect()
        await self._transport.wait_disconnected()


class GrpcStream:
    """One message of the bidirectional stream; streams share one channel a process."""

    def __init__(self, channel: grpc.aio.Channel, on_frame: OnFrame) -> None:
        self._going: asyncio.Queue[ClientFrame] = asyncio.Queue()
        connect = channel.stream_stream(
            CONNECT,
            request_serializer=ClientFrame.SerializeToString,
            response_deserializer=ServerFrame.FromString,
        )
        self._call = connect(self._frames())
        self._reading = asyncio.create_task(self._read(on_frame))

    async def _frames(self) -> AsyncIterator[ClientFrame]:
        while True:
            yield await self._going.get()

    async def _read(self, on_frame: OnFrame) -> None:
        try:
            async for frame in self._call:
                on_frame(frame)
        except grpc.aio.AioRpcError:
            return  # the Close frame that came before it said why

    def send(self, frame: ClientFrame) -> None:
        self._going.put_nowait(frame)

    async def close(self) -> None:
        self._call.cancel()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


class Dialler:
    """Opens streams to one server over one transport."""

    def __init__(self, transport: Transport, address: str) -> None:
        self._transport = transport
        self._address = address
        self._channels: list[grpc.aio.Channel] = []
        self._opened = 0

    async def open(self, on_frame: OnFrame) -> Stream:
        if self._transport == "websocket":
            return await WebSocketStream.open(self._address, on_frame)
        return GrpcStream(self._channel(), on_frame)

    def _channel(self) -> grpc.aio.Channel:
        """A channel of its own for each stream, as phones have: idle cost includes the socket."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channels.append(grpc.aio.insecure_channel(self._address, options=options))
        return self._channels[-1]

    async def close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))
        self._channels.clear()
