"""The stream over gRPC: `signet.v1.Messaging/Connect`, bidirectional."""

import asyncio
from collections.abc import AsyncIterator

import grpc
from grpc import ChannelConnectivity as Connectivity

from signet.client.transports.stream import Arrivals, said_code, said_milliseconds
from signet.core.limits import MAX_FRAME
from signet.v1.convert import wire_code
from signet.v1.messaging_pb2 import ClientFrame, Close, ServerFrame

CONNECT = "/signet.v1.Messaging/Connect"
CONNECT_TIMEOUT = 15.0  # until the channel is ready. Lower: slow networks cannot connect.
_FRAME_ROOM = 4096  # around MAX_FRAME of contents
_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", MAX_FRAME + _FRAME_ROOM),
    ("grpc.enable_retries", 0),  # a stream that broke is opened anew, by us
]


class GrpcStream:
    """See `Stream`. Owns its channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._going: asyncio.Queue[ClientFrame | None] = asyncio.Queue()
        self._arrivals = Arrivals()
        connect = channel.stream_stream(
            CONNECT,
            request_serializer=ClientFrame.SerializeToString,
            response_deserializer=ServerFrame.FromString,
        )
        self._call = connect(self._frames())
        self._reading = asyncio.create_task(self._read())
        self._closed = self._closes = False

    def send(self, frame: ClientFrame) -> None:
        if not self._closed:
            self._going.put_nowait(frame)

    async def receive(self) -> list[ServerFrame]:
        return await self._arrivals.take()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._going.put_nowait(None)  # half-close: what was handed over goes out first
        await asyncio.wait({self._reading}, timeout=1)
        self._call.cancel()
        await self._reading
        await self._channel.close()

    async def _frames(self) -> AsyncIterator[ClientFrame]:
        while (frame := await self._going.get()) is not None:
            yield frame

    async def _read(self) -> None:
        try:
            async for frame in self._call:
                self._arrivals.add(frame)
                self._closes |= frame.HasField("close")
        except grpc.aio.AioRpcError as error:
            if not self._closes and (close := _close_of(error)) is not None:
                self._arrivals.add(close)
        except asyncio.CancelledError:
            pass
        finally:
            self._arrivals.end()


def _close_of(error: grpc.aio.AioRpcError) -> ServerFrame | None:
    """The `Close` that did not come, from what the status carries of it (T5)."""
    said = {key: str(value) for key, value in error.trailing_metadata() or ()}
    code = said_code(said.get("signet-code", ""))
    if code is None:
        return None
    retry_after_ms = said_milliseconds(said.get("retry-after-ms", ""))
    return ServerFrame(close=Close(code=wire_code(code), retry_after_ms=retry_after_ms))


async def dial(address: str) -> GrpcStream:
    """`host:port`, or `grpcs://host:port` for TLS. Raises OSError where nobody answers."""
    tls = address.startswith("grpcs://")
    target = address.removeprefix("grpcs://").removeprefix("grpc://")
    channel = (
        grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=_OPTIONS)
        if tls
        else grpc.aio.insecure_channel(target, options=_OPTIONS)
    )
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await _ready(channel, target)
    except BaseException:
        await channel.close()
        raise
    return GrpcStream(channel)


async def _ready(channel: grpc.aio.Channel, target: str) -> None:
    """Wait for one try to connect; when to try again is not gRPC's business (S8).

    Raises ConnectionError.
    """
    while (state := channel.get_state(try_to_connect=True)) is not Connectivity.READY:
        if state in (Connectivity.TRANSIENT_FAILURE, Connectivity.SHUTDOWN):
            raise ConnectionError(f"{target} does not answer")
        await channel.wait_for_state_change(state)
