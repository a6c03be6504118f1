"""A proxy before one router that speaks the Link service: frames and links can be broken in it.

Every other pod reaches the router through it (the router advertises a host of its own, at which
the proxy has the router's port). What a link never does, it does here: it loses frames, repeats
them, lets them overtake each other. What links do as well: they break, and they stand still.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from signet.internal.v1 import link_pb2 as pb
from signet.router.link_server import OPTIONS
from tests.faults.chaos.faults import Kind

OPEN = "/signet.internal.v1.Link/Open"
SHARE = 0.1  # of the frames that are troubled
TROUBLED_UP = frozenset({"send", "ack", "read", "presence", "watch"})
TROUBLED_DOWN = frozenset({"answer", "push", "holding"})
"""An attachment, its answer and its end are lost with their link alone."""


class LinkProxy:
    """`start` it before the router; it waits for it. `trouble` and `cut` are the faults."""

    def __init__(self, host: str, port: int, target: str, chance: random.Random) -> None:
        self._where, self._target, self._chance = f"{host}:{port}", target, chance
        self._server: grpc.aio.Server | None = None
        self._channel: grpc.aio.Channel | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._trouble: Kind | None = None
        self._calls: set[Any] = set()
        self.troubled = 0  # frames, so far

    async def start(self) -> None:
        options = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        backoff = [("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        self._channel = grpc.aio.insecure_channel(self._target, options=[*options, *backoff])
        self._server = grpc.aio.server(options=[*OPTIONS, ("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handlers(self._open, self._ask),))
        if not self._server.add_insecure_port(self._where):
            raise OSError(f"{self._where} cannot be had")
        await self._server.start()

    async def stop(self) -> None:
        self.flow()
        if self._server is not None:
            await self._server.stop(0)
        if self._channel is not None:
            await self._channel.close()

    # --- breaking -----------------------------------------------------------------------------

    def cut(self) -> None:
        """All links and calls end with an error, at both ends."""
        calls, self._calls = self._calls, set()
        for call in calls:
            call.cancel()

    def stall(self) -> None:
        """Nothing passes until `flow`."""
        self._flowing.clear()

    def slow(self, seconds: float) -> None:
        """Every batch comes so much later, in order."""
        self._delay = seconds

    def trouble(self, kind: Kind) -> None:
        """DROP, REPEAT or REORDER some frames until `flow`."""
        self._trouble = kind

    def flow(self) -> None:
        """Everything as it should be."""
        self._flowing.set()
        self._delay, self._trouble = 0.0, None

    # --- carrying -----------------------------------------------------------------------------

    async def _open(self, batches: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """One link."""
        assert self._channel is not None
        opened: Any = self._channel.stream_stream(OPEN)
        call = opened(self._up(batches))
        self._calls.add(call)
        try:
            async for batch in call:
                yield await self._pass(batch, pb.RouterBatch, TROUBLED_DOWN)
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            if call in self._calls and isinstance(error, asyncio.CancelledError):
                raise  # it is the gateway that has gone
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the link is cut")
        finally:
            self._calls.discard(call)
            call.cancel()

    async def _up(self, batches: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for batch in batches:
            yield await self._pass(batch, pb.GatewayBatch, TROUBLED_UP)

    async def _pass(self, batch: bytes, made: Any, troubled: frozenset[str]) -> bytes:
        if self._delay:
            await asyncio.sleep(self._delay)
        await self._flowing.wait()
        if self._trouble is None:
            return batch
        frames = made.FromString(batch)
        kept = self._break(list(frames.frames), troubled)
        del frames.frames[:]
        frames.frames.extend(kept)
        return bytes(frames.SerializeToString())

    def _break(self, frames: list[Any], troubled: frozenset[str]) -> list[Any]:
        kept: list[Any] = []
        late: list[Any] = []
        for frame in frames:
            if frame.WhichOneof("body") not in troubled or self._chance.random() > SHARE:
                kept.append(frame)
                continue
            self.troubled += 1
            match self._trouble:
                case Kind.REPEAT:
                    kept += [frame, frame]
                case Kind.REORDER:
                    late.append(frame)  # overtaken by the rest of its batch
        return [*kept, *late]

    async def _ask(self, method: str, request: bytes, context: Any) -> bytes:
        """Anything else: one question, one answer."""
        assert self._channel is not None
        if self._delay:
            await asyncio.sleep(self._delay)
        await self._flowing.wait()
        asked: Any = self._channel.unary_unary(method)
        call = asked(request, timeout=context.time_remaining())
        self._calls.add(call)
        try:
            return bytes(await call)
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            if call in self._calls and isinstance(error, asyncio.CancelledError):
                raise
            code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
            await context.abort(code or grpc.StatusCode.UNAVAILABLE, "the line is cut")
            raise AssertionError("abort raises") from None
        finally:
            self._calls.discard(call)


class _Handlers(grpc.GenericRpcHandler):
    """Bytes in, bytes out, whatever the method."""

    def __init__(
        self,
        link: Callable[[AsyncIterator[bytes], Any], AsyncIterator[bytes]],
        ask: Callable[[str, bytes, Any], Awaitable[bytes]],
    ) -> None:
        self._link, self._ask = link, ask

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = str(handler_call_details.method)
        if method == OPEN:
            return grpc.stream_stream_rpc_method_handler(self._link)

        async def ask(request: bytes, context: Any) -> bytes:
            return await self._ask(method, request, context)

        return grpc.unary_unary_rpc_method_handler(ask)
