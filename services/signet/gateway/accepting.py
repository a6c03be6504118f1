"""Takes connections off the kernel's queue, at a bounded rate (T2).

A storm waits in that queue, which is bounded too, and costs what runs already nothing: beyond the
rate nothing is accepted. With so many in their handshake the queue waits for them a moment, so that
those behind are told when to come; where none of them ends, what comes is closed at once.
"""

import asyncio
import socket
from collections.abc import Callable

import structlog
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in its stubs

from signet.core.buckets import Bucket
from signet.core.limits import ACCEPT_BURST, BACKLOG
from signet.gateway.certificate import Certificate
from signet.gateway.config import GatewayConfig

log = structlog.get_logger()

_FULL_PART = 0.1  # of hello_timeout that the queue waits for handshakes. Raise: strangers hold it.
_WITHOUT_FILES = 0.2  # seconds of pause when no more sockets can be opened


class Acceptor:
    """`unopened`: connections that have not finished the WebSocket handshake."""

    def __init__(
        self,
        config: GatewayConfig,
        protocol: Callable[[], WSProtocol],
        certificate: Certificate | None,
    ) -> None:
        self._config, self._protocol = config, protocol
        self._tls = certificate.context if certificate else None
        self._taking: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()  # a handshake
        self._stuck = False  # none of the handshakes has ended in time
        self.unopened = 0

    @property
    def address(self) -> tuple[str, int]:
        """What it is bound to."""
        bound: tuple[str, int] = self._socket.getsockname()[:2]
        return bound

    def start(self) -> None:
        """Raises OSError where the port is taken."""
        where = (self._config.websocket_host, self._config.websocket_port)
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self._socket = socket.create_server(where, family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._task = asyncio.create_task(self._accept(), name="gateway-accept")

    async def stop(self) -> None:
        """No more connections; those in their handshake are ended."""
        if self._task is not None:
            tasks = [self._task, *self._taking]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._socket.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        bucket = Bucket(ACCEPT_BURST, loop.time())
        while True:
            wait = bucket.take(loop.time(), ACCEPT_BURST, self._config.accept_rate)
            await asyncio.sleep(wait)  # at least one turn: what is open goes on between two
            if wait or not await self._room():
                continue
            try:
                accepted, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                log.warning("a connection was not accepted", reason=error.strerror)
                await asyncio.sleep(_WITHOUT_FILES)
                continue
            if self.unopened >= self._config.max_handshakes:
                accepted.close()
                continue
            self.unopened += 1
            task = loop.create_task(self._take(accepted))
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)

    async def _room(self) -> bool:
        """Whether to accept now. Waits where there are too many handshakes, but once only."""
        if self.unopened < self._config.max_handshakes:
            self._stuck = False
        elif not self._stuck:
            self._ended.clear()
            try:
                async with asyncio.timeout(self._config.hello_timeout * _FULL_PART):
                    await self._ended.wait()
            except TimeoutError:
                self._stuck = True
            return False
        return True

    async def _take(self, accepted: socket.socket) -> None:
        """Both handshakes; whoever does not finish them in time is a stranger."""
        protocol = self._protocol()  # with TLS, uvloop returns a protocol of its own
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            patience = self._config.hello_timeout if self._tls else None
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, accepted, ssl=self._tls, ssl_handshake_timeout=patience
            )
            await protocol.wait_until_handshake_complete()
        except Exception as error:
            log.debug("a handshake failed", reason=type(error).__name__)
        finally:
            self.unopened -= 1
            self._ended.set()
