"""Who finds no room for a handshake is told when to come, by an HTTP answer in its place (T2).

It costs no stream and no memory that lasts. Without TLS it is one write, before the request is read
or has even come; with TLS it takes a handshake, so those are bounded, and whoever comes beyond them
waits in the kernel's queue.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import cast

import structlog

from signet.core.errors import RULES, SignetError
from signet.core.limits import LINGER, MAX_TELLING
from signet.telemetry import metrics
from signet.v1.convert import milliseconds

log = structlog.get_logger()

_LINGERING = 2_048  # sockets that were told. Lower: in a storm slow ones see a reset, no answer.
_UNREAD = 16_384  # bytes of a request that are dropped, so that closing is no reset


def answer(why: SignetError) -> bytes:
    """The whole of it: the status of the code, and when to come in seconds and in milliseconds."""
    status = HTTPStatus(RULES[why.code].http)
    wait = milliseconds(why.retry_after_s)
    headers = {
        "Connection": "close",
        "Content-Length": "0",
        **({"Retry-After": str(-(-wait // 1000))} if wait else {}),
        "signet-code": why.code.name,
        "retry-after-ms": str(wait),
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


class TurningAway:
    """`why`: code and time for the next one. `ended` is called when there is room again."""

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        why: Callable[[], SignetError],
        ended: Callable[[], None],
        most: int = MAX_TELLING,
        lingering: int = _LINGERING,
    ) -> None:
        self._tls, self._why, self._ended = tls, why, ended
        self._most, self._most_lingering = most, lingering
        self._telling: set[asyncio.Task[None]] = set()
        self._lingering: deque[tuple[float, socket.socket]] = deque()

    @property
    def room(self) -> bool:
        """Whether one more may be accepted to be told."""
        return len(self._telling) < self._most

    def tell(self, accepted: socket.socket) -> None:
        """Answer, and end the connection. Never waits."""
        loop = asyncio.get_running_loop()
        if self._tls is None:
            self._write(accepted, loop.time())
            return
        task = loop.create_task(self._write_secure(accepted, self._tls))
        self._telling.add(task)
        task.add_done_callback(self._over)

    def _write(self, accepted: socket.socket, now: float) -> None:
        try:
            accepted.send(answer(self._why()))  # its buffer is empty: nothing is left over
            accepted.shutdown(socket.SHUT_WR)
        except OSError:
            _count(told=False)
            accepted.close()
            return
        _count(told=True)
        self._lingering.append((now + LINGER, accepted))
        if len(self._lingering) > self._most_lingering:
            _close(self._lingering.popleft()[1])

    async def _write_secure(self, accepted: socket.socket, tls: ssl.SSLContext) -> None:
        teller = _Teller(lambda: answer(self._why()))
        try:
            async with asyncio.timeout(2 * LINGER):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: teller,
                    accepted,
                    ssl=tls,
                    ssl_handshake_timeout=LINGER,
                    ssl_shutdown_timeout=LINGER,
                )
                await teller.gone.wait()
        except Exception as error:
            log.debug("one that was turned away did not hear it", reason=type(error).__name__)
        finally:
            teller.abort()
            _count(told=teller.told)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        self._ended()

    def sweep(self, now: float) -> None:
        """Close those who had time to read their answer. Call it now and then."""
        while self._lingering and self._lingering[0][0] <= now:
            _close(self._lingering.popleft()[1])

    async def stop(self) -> None:
        """End all of them."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)
        while self._lingering:
            _close(self._lingering.popleft()[1])


class _Teller(asyncio.Protocol):
    """Writes the answer when TLS stands, and closes."""

    def __init__(self, said: Callable[[], bytes]) -> None:
        self._said = said
        self._transport: asyncio.WriteTransport | None = None
        self.told = False
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._said())
        self._transport.close()
        self.told = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _close(told: socket.socket) -> None:
    """What came meanwhile is dropped first: closing over it would be a reset, maybe unread."""
    with suppress(OSError):
        told.recv(_UNREAD, socket.MSG_DONTWAIT)
    told.close()


def _count(*, told: bool) -> None:
    metrics.TURNED_AWAY.labels("yes" if told else "no").inc()
