"""The stream over gRPC (grpc.aio): `signet.v1.Messaging/Connect`, with reflection and health.

Messages go through as bytes: the session parses them, and what owners serialised once is sent as
it is. The task that grpc.aio has for each stream reads; writing takes a task only while there is
something to write.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from signet.core import limits
from signet.core.addresses import FORWARDED, host_of_peer
from signet.core.errors import RULES, Code, SignetError
from signet.core.session import Input
from signet.gateway.hub import Hub
from signet.gateway.session import Session
from signet.pod.listening import address
from signet.v1 import convert, messaging_pb2

log = structlog.get_logger()

MESSAGING = messaging_pb2.DESCRIPTOR.services_by_name["Messaging"].full_name
_HIGH_WATER = 64 * limits.KIB  # bytes pending from which a reader is watched (S6)
# Up to here a frame that is too large gets a named Close; beyond, gRPC itself ends the stream with
# the same status while it reads.
_READ_MOST = 2 * limits.MAX_FRAME
_STATUS_AFTER = 0.25  # seconds. Lower: clients that write just then may not see their Close
_OPTIONS = (
    ("grpc.max_receive_message_length", _READ_MOST),
    ("grpc.compression_enabled_algorithms_bitset", 1),  # identity: nothing is inflated here
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)

Service = Callable[[grpc.aio.Server], str]
"""Adds a service to the server before it starts; returns its full name, for reflection."""

Context = Any  # grpc.aio.ServicerContext of bytes


class GrpcServer:
    """See edge.Listening. `services` share the port."""

    def __init__(self, hub: Hub, services: Sequence[Service] = ()) -> None:
        self._hub = hub
        self._services = services
        self._server: grpc.aio.Server | None = None
        self._health = health.aio.HealthServicer()
        self._port = 0
        self._edges: set[GrpcEdge] = set()

    @property
    def address(self) -> tuple[str, int]:
        return self._hub.config.grpc_host, self._port

    async def start(self) -> None:
        config = self._hub.config
        server = self._server = grpc.aio.server(options=_OPTIONS)
        connect: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(
            self._connect
        )
        handler = grpc.method_handlers_generic_handler(MESSAGING, {"Connect": connect})
        server.add_generic_rpc_handlers((handler,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [MESSAGING, health.SERVICE_NAME, *(add(server) for add in self._services)]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
        try:
            self._port = self._listen(server, address((config.grpc_host, config.grpc_port)))
        except RuntimeError as error:
            raise OSError(str(error)) from error
        await server.start()
        await self.serving(True)

    def _listen(self, server: grpc.aio.Server, at: str) -> int:
        certificate = self._hub.certificate
        if certificate is None:
            return server.add_insecure_port(at)
        return server.add_secure_port(at, certificate.credentials())

    async def _set_health(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        for name in ("", MESSAGING):
            await self._health.set(name, status)

    async def serving(self, serving: bool) -> None:
        """What health says; streams that come all the same are closed by the hub, by name."""
        status = health_pb2.HealthCheckResponse
        await self._set_health(status.SERVING if serving else status.NOT_SERVING)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(limits.LINGER if self._edges else 0)

    async def _connect(self, requests: AsyncIterator[bytes], context: Context) -> None:
        edge = GrpcEdge(self._hub, context)
        self._edges.add(edge)
        try:
            await edge.run(requests)
        finally:
            self._edges.discard(edge)


class GrpcEdge:
    """One stream: an Edge for its session."""

    __slots__ = (
        "_context", "_ended", "_hub", "_pending", "_reading", "_session", "_waiting", "_writing",
    )  # fmt: skip

    def __init__(self, hub: Hub, context: Context) -> None:
        self._hub, self._context = hub, context
        self._session: Session | None = None
        self._waiting: list[bytes] = []
        self._pending = 0
        self._writing: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[Any] | None = None
        self._ended: tuple[Code, float] | None = None

    # --- the stream's own task ----------------------------------------------------------------

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """Read until either side ends it; then write what is left, and the status."""
        self._reading = asyncio.current_task()
        try:
            self._open()
            async for data in requests:  # what comes behind our Close is dropped by the session
                if self._session is not None:
                    self._session.receive(data)
            if self._session is not None:
                self._session.happens(Input.BYE)  # the client's half-close
        except asyncio.CancelledError:
            if self._ended is None:
                raise
        finally:
            self._reading = None
            if self._session is not None:
                self._session.happens(Input.LOST)
            self._session = None  # it leads back here: without a cycle both are freed at once
        await self._end()

    def _open(self) -> None:
        try:
            self._session = self._hub.open(self, "grpc", self._address())
        except SignetError as error:
            self._hub.closed(error.code)
            frame = convert.close_frame(error.code, error.retry_after_s, error.detail)
            self.finish(frame, error.code, error.retry_after_s)

    def _address(self) -> str:
        """Where it comes from: what a proxy of ours says, else the peer."""
        metadata = self._context.invocation_metadata() or ()
        values = [value for name, value in metadata if name == FORWARDED and isinstance(value, str)]
        return self._hub.addresses.proxies.caller(host_of_peer(self._context.peer()), values)

    async def _end(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=limits.LINGER)
            self._writing.cancel()
        if self._ended is not None:
            code, retry_after_s = self._ended
            retry_after = str(convert.milliseconds(retry_after_s))
            self._context.set_trailing_metadata(
                (("signet-code", code.name), ("retry-after-ms", retry_after))
            )
            self._context.set_code(grpc.StatusCode[RULES[code].grpc])
            self._context.set_details(code.name)

    # --- to the client ------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return self._pending

    def write(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._pending += len(frame)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())
        if self._pending > _HIGH_WATER and self._session is not None:
            self._hub.paused(self._session)

    async def _write(self) -> None:
        while self._waiting:
            frames, self._waiting = self._waiting, []
            for frame in frames:
                try:
                    await self._context.write(frame)
                except Exception:  # grpc's own, of several kinds: the stream is gone
                    self._waiting.clear()
                    return
                self._pending -= len(frame)
        if self._session is not None:
            self._hub.resumed(self._session)

    def finish(self, frame: bytes, code: Code, retry_after_s: float) -> None:
        """The status follows when the client has read the Close and ends its half, or a bit later.

        Not at once: a client's library whose write meets the status forgets what it has not read.
        """
        self.write(frame)
        self._ended = (code, retry_after_s)
        if self._reading is not None:
            asyncio.get_running_loop().call_later(_STATUS_AFTER, self._stop_reading)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
