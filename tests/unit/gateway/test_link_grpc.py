"""A gateway whose router is elsewhere: the road of a message, and a link that breaks on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from signet.core.ids import ShardId
from signet.core.link import Detach, ToRouter
from signet.gateway.link_grpc import GrpcLink, GrpcRouters
from signet.router.link_server import OPTIONS, LinkServer
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import BOB, World
from tests.support.lanes import free_port
from tests.support.opening import Open
from tests.support.streams import greet, send


class LinkPort:
    """Where a router serves links; the port stays the same when it is opened again."""

    def __init__(self, here: World) -> None:
        self._links = LinkServer(here.router)
        self.address = f"127.0.0.1:{free_port()}"

    async def open(self) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        self._links.add_to(self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def cut(self) -> None:
        """Every link breaks, without a word."""
        await self._server.stop(0)


@pytest.fixture
async def port(here: World) -> AsyncIterator[LinkPort]:
    made = LinkPort(here)
    await made.open()
    yield made
    await made.cut()


@asynccontextmanager
async def far_gateway(here: World, port: LinkPort) -> AsyncIterator[World]:
    """A second gateway, linked over gRPC."""
    async with here.another_gateway(links=GrpcRouters(), routers=(port.address,)) as far:
        yield far


async def test_a_message_crosses_a_link_over_grpc(
    here: World, port: LinkPort, open_stream: Open
) -> None:
    async with (
        far_gateway(here, port) as far,
        open_stream(far) as alice,
        open_stream(here) as bob,
    ):
        await greet(far, alice)
        await greet(here, bob, BOB)
        await alice.send(send(BOB, 1, b"across"))
        assert (await alice.until("answer")).answer.HasField("sent")
        item = (await bob.until("item")).item
        assert item.envelope.content == b"across"
        await bob.send(pb.ClientFrame(ack=pb.Ack(up_to=item.position)))
        receipt = (await alice.until("item")).item
        assert list(receipt.delivered.message_ids) == [(1).to_bytes(16, "big")]


async def test_a_link_that_breaks_is_not_noticed_by_streams_and_loses_nothing(
    here: World, port: LinkPort, open_stream: Open
) -> None:
    async with (
        far_gateway(here, port) as far,
        open_stream(far) as alice,
        open_stream(far) as bob,
    ):
        await greet(far, alice)
        await greet(far, bob, BOB)
        for ordinal in range(1, 4):
            await alice.send(send(BOB, ordinal, b"%d" % ordinal, base=1))
        await port.cut()
        for ordinal in range(4, 7):
            await alice.send(send(BOB, ordinal, b"%d" % ordinal, base=1))
        await port.open()
        answered = [(await alice.until("answer")).answer for _ in range(6)]
        assert [answer.ordinal for answer in answered] == [1, 2, 3, 4, 5, 6]
        assert all(answer.HasField("sent") for answer in answered)
        shown: dict[int, bytes] = {}
        while len(shown) < 6:
            item = (await bob.until("item")).item
            shown.setdefault(item.position.seq, item.envelope.content)
        assert [shown[seq] for seq in sorted(shown)] == [b"1", b"2", b"3", b"4", b"5", b"6"]


async def test_a_router_that_is_not_there_is_a_connection_error() -> None:
    with pytest.raises(ConnectionError):
        await GrpcRouters().open(
            f"127.0.0.1:{free_port()}", "gateway-0", lambda _: None, lambda: None
        )


async def test_losing_a_link_is_told_once_and_what_is_submitted_then_is_dropped(
    here: World, port: LinkPort
) -> None:
    lost: list[bool] = []
    gone = asyncio.Event()

    def tell() -> None:
        lost.append(True)
        gone.set()

    link = await GrpcRouters().open(port.address, "gateway-9", lambda _: None, tell)
    await port.cut()
    async with asyncio.timeout(30):
        await gone.wait()
    link.submit([ToRouter(ShardId(0), Detach(1))])
    assert link.pending == 0
    await link.close()
    assert lost == [True]
    await port.open()


async def test_a_link_that_cannot_be_opened_for_another_reason_is_tried_again(
    here: World, port: LinkPort
) -> None:
    """Certificates that are just being replaced must not cost the link for ever."""
    failing = [OSError("half a certificate")]

    class Failing(GrpcRouters):
        async def open(self, *args: Any) -> GrpcLink:
            if failing:
                raise failing.pop()
            return await super().open(*args)

    async with here.another_gateway(links=Failing(), routers=(port.address,)) as far:
        async with asyncio.timeout(30):
            while not far.gateway.hub.owners.ready:
                await asyncio.sleep(0.01)


async def test_a_frame_that_cannot_be_written_costs_the_link_and_not_its_silence(
    port: LinkPort,
) -> None:
    """What is sent after it would wait, and the router would still say what it holds."""
    lost = asyncio.Event()
    link = await GrpcRouters().open(port.address, "g", lambda _: None, lost.set)
    try:
        link.submit([ToRouter(ShardId(-1), Detach(1))])
        async with asyncio.timeout(30):
            await lost.wait()
    finally:
        await link.close()
