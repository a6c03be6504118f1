"""The link over gRPC (`signet.internal.v1.Link/Open`), to routers in other processes.

See ports/links.Routers. What gathers while a batch is written is the next batch.
"""

import asyncio
from collections.abc import Callable, Sequence

import grpc
import structlog

from signet.core import limits
from signet.core.link import Submit, ToRouter
from signet.internal.v1 import link_pb2 as pb
from signet.internal.v1 import link_pb2_grpc
from signet.internal.v1.convert import BadFrame, from_router_batch, to_router_batch
from signet.ports.links import Deliver

log = structlog.get_logger()

_CONNECT_TIMEOUT = 2.0  # seconds. Lower: a busy router counts as dead.
_SMALL = 128  # bytes of a frame besides its contents
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # a link has a connection of its own
    ("grpc.max_receive_message_length", limits.LINK_BATCH_BYTES),
    ("grpc.max_send_message_length", limits.LINK_BATCH_BYTES),
    ("grpc.enable_retries", 0),  # a stream that broke is opened anew, by the uplink
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
)


class GrpcRouters:
    """Opens links by `host:port`. `credentials` gives those that count now; None: no TLS."""

    def __init__(self, credentials: Callable[[], grpc.ChannelCredentials] | None = None) -> None:
        self._credentials = credentials

    async def open(
        self, address: str, gateway: str, deliver: Deliver, lost: Callable[[], None]
    ) -> "GrpcLink":
        """See ports/links.Routers. Raises ConnectionError."""
        shown = self._shown()
        if shown is None:
            channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        else:
            channel = grpc.aio.secure_channel(address, shown, options=_OPTIONS)
        try:
            await asyncio.wait_for(channel.channel_ready(), _CONNECT_TIMEOUT)
            call = link_pb2_grpc.LinkStub(channel).Open()
            await call.write(to_router_batch((), gateway))
        except (TimeoutError, grpc.aio.AioRpcError) as error:
            await channel.close()
            raise ConnectionError(f"{address} does not answer") from error
        except BaseException:
            await channel.close()
            raise
        return GrpcLink(channel, call, deliver, lost, lambda: self._shown() is not shown)

    def _shown(self) -> grpc.ChannelCredentials | None:
        return self._credentials() if self._credentials is not None else None


class GrpcLink:
    """See ports/links.Link. Two tasks a router, whatever the number of streams."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: "grpc.aio.StreamStreamCall[pb.GatewayBatch, pb.RouterBatch]",
        deliver: Deliver,
        lost: Callable[[], None],
        outdated: Callable[[], bool],
    ) -> None:
        self._channel, self._call = channel, call
        self._outdated = outdated
        self._deliver, self._lost = deliver, lost
        self._waiting: list[ToRouter] = []
        self._wake = asyncio.Event()
        self._over = False
        self.pending = 0
        self._tasks = [
            asyncio.create_task(self._read(), name="gateway-link-read"),
            asyncio.create_task(self._write(), name="gateway-link-write"),
        ]

    def submit(self, frames: Sequence[ToRouter]) -> None:
        if self._over:
            return
        self._waiting.extend(frames)
        self.pending += sum(map(_size, frames))
        self._wake.set()
        if self.pending > limits.LINK_PENDING:
            log.warning("a router does not take what is sent; the link is given up")
            self._end()

    @property
    def outdated(self) -> bool:
        return self._outdated()

    async def close(self) -> None:
        """What was handed over goes out first, if the router takes it."""
        if not self._over:
            self._over = True
            self._wake.set()
            await asyncio.wait(self._tasks[1:], timeout=limits.LINGER)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._call.cancel()
        await self._channel.close()
        # A call that is still referred to keeps the connection open: here, from the tasks' frames,
        # until the next collection of cycles, which is rare (pod.GC_THRESHOLD).
        self._tasks.clear()
        del self._call

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._waiting.clear()
            self._wake.set()
            self._lost()

    async def _read(self) -> None:
        try:
            async for batch in self._call:
                if self._over:
                    return
                self._deliver(from_router_batch(batch))
        except grpc.aio.AioRpcError as error:
            log.info("a link ended", reason=error.code().name)
        except BadFrame as error:
            log.error("a router sent what cannot be", reason=str(error))
        except Exception:
            log.exception("a batch was not handled")
        finally:
            self._end()

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while frames := self._batch():
                    await self._call.write(to_router_batch(frames))
                    self.pending -= sum(map(_size, frames))
                if self._over:
                    await self._call.done_writing()
                    return
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the router is gone
        except Exception:
            log.exception("a batch could not be written")
        finally:
            self._end()

    def _batch(self) -> list[ToRouter]:
        """All that waits, within half of what a batch may have; at least one frame."""
        size = count = 0
        for frame in self._waiting:
            size += _size(frame)
            if count and size > limits.LINK_BATCH_BYTES // 2:
                break
            count += 1
        frames, self._waiting = self._waiting[:count], self._waiting[count:]
        return frames


def _size(frame: ToRouter) -> int:
    if isinstance(frame.body, Submit):
        return _SMALL * (1 + frame.body.send.parts) + frame.body.send.size
    return _SMALL
