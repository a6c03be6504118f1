"""The link over gRPC (`signet.internal.v1.Link/Open`), for gateways in other processes.

All that waits goes into one batch, in both directions; what gathers while a batch is written is the
next one. A gateway that does not read what is sent to it loses its link, and attaches again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import grpc
import structlog

from signet.core import limits
from signet.core.link import Push, ToGateway
from signet.internal.v1 import link_pb2 as pb
from signet.internal.v1 import link_pb2_grpc
from signet.internal.v1.convert import BadFrame, from_gateway_batch, to_gateway_batch
from signet.router.router import Router

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[pb.GatewayBatch, pb.RouterBatch]

log = structlog.get_logger()

OPTIONS = (
    ("grpc.max_receive_message_length", limits.LINK_BATCH_BYTES),
    ("grpc.max_send_message_length", limits.LINK_BATCH_BYTES),
    ("grpc.compression_enabled_algorithms_bitset", 1),  # identity: ciphertext does not compress
    ("grpc.keepalive_time_ms", 10_000),  # a gateway whose node is gone says nothing
    ("grpc.keepalive_timeout_ms", 3_000),
)
"""Of a router's server."""


class Outgoing:
    """Frames on their way to one gateway. Bounded: beyond LINK_PENDING bytes it is over."""

    def __init__(self) -> None:
        self._waiting: list[ToGateway] = []
        self._bytes = 0
        self._wake = asyncio.Event()
        self.over = False

    def put(self, frames: Sequence[ToGateway]) -> None:
        """See ports/links.Deliver."""
        self._waiting.extend(frames)
        self._bytes += sum(len(frame.frame) for frame in frames if isinstance(frame, Push))
        if self._bytes > limits.LINK_PENDING:
            self.end()
        self._wake.set()

    def end(self) -> None:
        """Nothing more goes out."""
        self.over = True
        self._wake.set()

    async def take(self) -> list[ToGateway]:
        """All that waits, within one batch's bytes; empty when it is over."""
        while not self.over and not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        if self.over:
            return []
        if self._bytes <= limits.LINK_BATCH_BYTES // 2:
            frames, self._waiting, self._bytes = self._waiting, [], 0
            return frames
        return self._some()

    def _some(self) -> list[ToGateway]:
        size = count = 0
        for frame in self._waiting:
            if size > limits.LINK_BATCH_BYTES // 2:
                break
            size += len(frame.frame) if isinstance(frame, Push) else 0
            count += 1
        frames = self._waiting[:count]
        del self._waiting[:count]
        self._bytes -= size
        return frames


class LinkServer(link_pb2_grpc.LinkServicer):
    """Serves one router's links. Add it with `add_to`, before the server starts."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def add_to(self, server: grpc.aio.Server) -> str:
        """Returns the service's full name."""
        link_pb2_grpc.add_LinkServicer_to_server(self, server)
        return pb.DESCRIPTOR.services_by_name["Link"].full_name

    async def Open(  # noqa: N802 - gRPC's name
        self, request_iterator: AsyncIterator[pb.GatewayBatch], context: "Context"
    ) -> AsyncIterator[pb.RouterBatch]:
        """One link: the first batch names the gateway. Its sessions end with it."""
        first = await anext(request_iterator, None)
        if first is None or not first.gateway:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first batch has no name")
        outgoing = Outgoing()
        number = self._router.open(first.gateway, outgoing.put)
        reading = asyncio.create_task(self._read(number, first, request_iterator, outgoing))
        log.info("a gateway's link is open", gateway=first.gateway)
        try:
            while frames := await outgoing.take():
                yield to_gateway_batch(frames)
        finally:
            reading.cancel()
            self._router.close(number)
            log.info("a gateway's link is closed", gateway=first.gateway)

    async def _read(
        self,
        number: int,
        first: pb.GatewayBatch,
        batches: AsyncIterator[pb.GatewayBatch],
        outgoing: Outgoing,
    ) -> None:
        try:
            self._router.take(number, from_gateway_batch(first))
            async for batch in batches:
                self._router.take(number, from_gateway_batch(batch))
        except BadFrame as error:
            log.warning("a link is given up: the gateway sent what cannot be", reason=str(error))
        finally:
            outgoing.end()
