"""Both transports over real sockets on loopback, in front of the small server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import websockets

from signet.client import Client, Environment, MessageReceived
from signet.client.transports import grpc_stream, websocket
from signet.client.transports.stream import StreamEnded, TurnedAway
from signet.core.errors import Code
from signet.core.limits import BACKOFF_CAP
from signet.v1 import messaging_pb2 as pb
from tests.support.small_server import SmallServer, SmallStream


async def frames_of(stream: SmallStream) -> AsyncIterator[pb.ServerFrame]:
    while True:
        try:
            frames = await stream.receive()
        except StreamEnded:
            return
        for frame in frames:
            yield frame


@asynccontextmanager
async def websocket_front(server: SmallServer) -> AsyncIterator[Environment]:
    async def serve(connection: websockets.ServerConnection) -> None:
        stream = SmallStream(server)

        async def read() -> None:
            async for message in connection:
                assert isinstance(message, bytes)
                server.handle(stream, pb.ClientFrame.FromString(message))
            stream.end()

        reading = asyncio.create_task(read())
        async for frame in frames_of(stream):
            await connection.send(frame.SerializeToString())
        await connection.close(4000)
        await asyncio.gather(reading, return_exceptions=True)

    protocol = [websockets.Subprotocol(websocket.SUBPROTOCOL)]
    async with websockets.serve(
        serve, "127.0.0.1", 0, subprotocols=protocol, compression=None
    ) as front:
        port = next(iter(front.sockets)).getsockname()[1]
        address = f"ws://127.0.0.1:{port}/v1/connect"
        yield Environment(dial=lambda _: websocket.dial(address), http=server.http)


@asynccontextmanager
async def grpc_front(server: SmallServer) -> AsyncIterator[Environment]:
    async def connect(
        requests: AsyncIterator[pb.ClientFrame], _: object
    ) -> AsyncIterator[pb.ServerFrame]:
        stream = SmallStream(server)

        async def read() -> None:
            async for frame in requests:
                server.handle(stream, frame)
            stream.end()

        reading = asyncio.create_task(read())
        async for frame in frames_of(stream):
            yield frame
        reading.cancel()

    handler = grpc.stream_stream_rpc_method_handler(
        connect,
        request_deserializer=pb.ClientFrame.FromString,
        response_serializer=pb.ServerFrame.SerializeToString,
    )
    front = grpc.aio.server()
    service = grpc.method_handlers_generic_handler("signet.v1.Messaging", {"Connect": handler})
    front.add_generic_rpc_handlers((service,))
    port = front.add_insecure_port("127.0.0.1:0")
    await front.start()
    try:
        yield Environment(dial=lambda _: grpc_stream.dial(f"127.0.0.1:{port}"), http=server.http)
    finally:
        await front.stop(0)


FRONTS = {"websocket": websocket_front, "grpc": grpc_front}


@pytest.mark.parametrize("transport", FRONTS)
async def test_messages_cross_a_real_socket_and_a_close_says_why(
    transport: str, tmp_path: Path
) -> None:
    server = SmallServer()
    async with FRONTS[transport](server) as environment:
        alice, bob = [
            await Client.register(
                server="http://small.test",
                store=tmp_path / name,
                user_name=name,
                environment=environment,
            )
            for name in ("alice", "bob")
        ]
        async with alice, bob:
            await alice.wait_online()
            for number in range(50):
                await alice.send(bob.user_id, f"{number} " + "x" * 1000)
            heard = []
            async for event in bob.events():
                if isinstance(event, MessageReceived):
                    heard.append(event.message.text.split()[0])
                    if len(heard) == 50:
                        break
            assert heard == [str(number) for number in range(50)]
            server.close(alice.user_id, Code.DISPLACED)
            async for event in alice.events():
                if getattr(event, "code", None) is Code.DISPLACED:
                    break


@pytest.mark.parametrize("dial", [websocket.dial, grpc_stream.dial], ids=["websocket", "grpc"])
async def test_nobody_at_the_address_is_a_connection_error_at_once(
    dial: object, unused_tcp_port: int
) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    if dial is websocket.dial:
        address = f"ws://{address}/v1/connect"
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(grpc_stream.CONNECT_TIMEOUT / 3):
            await dial(address)  # type: ignore[operator]


@asynccontextmanager
async def door_that_says(answer: str) -> AsyncIterator[str]:
    """What answers each request so, and ends: its address."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer.encode())
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as door:
        yield f"ws://127.0.0.1:{door.sockets[0].getsockname()[1]}/v1/connect"


SIGNET = "signet-code: OVERLOADED\r\nRetry-After: 3\r\nretry-after-ms: 2100\r\n"


@pytest.mark.parametrize(
    ("status", "headers", "code", "seconds"),
    [
        ("503 Not now", SIGNET, Code.OVERLOADED, 2.1),
        ("503 Going", "signet-code: DRAINING\r\n", Code.DRAINING, 0.0),
        ("503 Of a proxy", "Retry-After: 7\r\n", None, 7.0),
        ("429 Of a proxy", "Retry-After: 86400\r\n", None, BACKOFF_CAP),
    ],
)
async def test_an_http_answer_in_place_of_the_upgrade_says_when_to_come(
    status: str, headers: str, code: Code | None, seconds: float
) -> None:
    async with door_that_says(f"HTTP/1.1 {status}\r\n{headers}\r\n") as address:
        with pytest.raises(TurnedAway) as told:
            await websocket.dial(address)
    assert (told.value.code, told.value.retry_after) == (code, seconds)


@pytest.mark.parametrize(
    "answer",
    [
        "503 Nothing more",
        "503 A date\r\nRetry-After: Wed, 21 Oct 2037 07:28:00 GMT",
        "404 Not here\r\nRetry-After: 5",
        "503 Unheard of\r\nsignet-code: NO_SUCH_CODE\r\nretry-after-ms: 5000",
    ],
)
async def test_an_answer_that_names_no_time_that_we_know_is_a_connection_error(answer: str) -> None:
    async with door_that_says(f"HTTP/1.1 {answer}\r\n\r\n") as address:
        with pytest.raises(ConnectionError) as failed:
            await websocket.dial(address)
    assert not isinstance(failed.value, TurnedAway)


async def test_what_opens_after_nobody_waits_for_it_any_more_is_closed() -> None:
    asked, opened, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(connection: websockets.ServerConnection, _: object) -> None:
        asked.set()
        await opened.wait()

    async def serve(connection: websockets.ServerConnection) -> None:
        await connection.wait_closed()
        gone.set()

    async with websockets.serve(
        serve,
        "127.0.0.1",
        0,
        process_request=wait,
        subprotocols=[websockets.Subprotocol(websocket.SUBPROTOCOL)],
        compression=None,
    ) as front:
        port = next(iter(front.sockets)).getsockname()[1]
        dialling = asyncio.create_task(websocket.dial(f"ws://127.0.0.1:{port}/v1/connect"))
        await asked.wait()
        dialling.cancel()
        await asyncio.wait({dialling})
        opened.set()
        await asyncio.wait_for(gone.wait(), websocket.CONNECT_TIMEOUT / 2)


async def test_a_grpc_status_without_a_close_says_as_much() -> None:
    async def connect(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        said = (("signet-code", "OVERLOADED"), ("retry-after-ms", "2100"))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "", said)

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(connect)
    front = grpc.aio.server()
    service = grpc.method_handlers_generic_handler("signet.v1.Messaging", {"Connect": handler})
    front.add_generic_rpc_handlers((service,))
    port = front.add_insecure_port("127.0.0.1:0")
    await front.start()
    stream = await grpc_stream.dial(f"127.0.0.1:{port}")
    (frame,) = await stream.receive()
    assert Code(frame.close.code) is Code.OVERLOADED
    assert frame.close.retry_after_ms == 2100
    with pytest.raises(StreamEnded):
        await stream.receive()
    await stream.close()
    await front.stop(0)


@pytest.mark.parametrize("dial", [websocket.dial, grpc_stream.dial], ids=["websocket", "grpc"])
async def test_a_door_that_hangs_up_before_it_answers_is_a_connection_error_at_once(
    dial: object,
) -> None:
    """As a load balancer does whose server has just died."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as door:
        address = f"127.0.0.1:{door.sockets[0].getsockname()[1]}"
        if dial is websocket.dial:
            address = f"ws://{address}/v1/connect"

        async def answer() -> None:
            stream = await dial(address)  # type: ignore[operator]
            await stream.receive()

        with pytest.raises((ConnectionError, StreamEnded)):
            await asyncio.wait_for(answer(), grpc_stream.CONNECT_TIMEOUT / 3)
