"""A client that never reads (S6): closed by what is pending, not by memory running out."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from signet.core.errors import Code
from signet.gateway import Gateway
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, World, world
from tests.support.streams import GrpcStream, Stream, WebSocketStream, code_of, greet, send

LIMITS = {
    "too much is pending": {"max_pending": 1 << 20},
    "no progress": {"progress_timeout": 0.3, "max_pending": 1 << 30},
}


def with_a_small_window(here: World, transport: str) -> Stream:
    """A reader whose own buffers take next to nothing."""
    if transport == "grpc":
        options = {"grpc.http2.lookahead_bytes": 65_536, "grpc.http2.bdp_probe": 0}
        return GrpcStream(here.target, *options.items())
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(here.gateway.websocket_address)
    return WebSocketStream(here.url, sock=sock, max_queue=1)


async def flood(stream: Stream) -> None:
    """Six megabytes for those who are attached, outside the inbox's window (M9)."""
    for number in range(1, 201):
        fleeting = send(BOB, 0, bytes(30_000), base=0, fleeting=True)
        fleeting.send.message_id = number.to_bytes(16, "big")
        await stream.send(fleeting)


async def closed(gateway: Gateway) -> None:
    """Wait until Bob's stream is over for the gateway."""
    while len(gateway.hub.sessions) > 1:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS.keys())
async def test_a_client_that_does_not_read_is_closed_by_name(
    tmp_path: Path, transport: str, limits: dict[str, Any]
) -> None:
    made = world(tmp_path, send_burst=1000, **limits)
    async with made as here, GrpcStream(here.target) as alice:
        here.users.written.add((BOB, ALICE))  # she is no stranger to him (M10)
        await greet(here, alice)
        async with with_a_small_window(here, transport) as bob:
            await greet(here, bob, BOB)
            await flood(alice)
            async with asyncio.timeout(30):
                await closed(here.gateway)
            close, _ = await bob.end()
            assert code_of(close) is Code.SLOW_READER
        await alice.send(pb.ClientFrame(heartbeat=pb.Heartbeat()))
        await alice.until("heartbeat")  # nobody else was harmed
