"""Takes connections off the kernel's queue, at a bounded rate (T2).

A storm waits in that queue, which is bounded too, and costs what runs already nothing: beyond the
rate nothing is accepted. While all handshakes are taken the queue waits for them to end; where they
do not, for their clients are slow or strangers, those behind are turned away and told when to come.
Nobody is closed here without a word; only the kernel drops packets when its queue is full.

Whoever gave up while it waited costs no handshake: else a gateway that is slow works for those who
are gone, until the others give up as well.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import structlog
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in its stubs

from signet.core.buckets import Bucket
from signet.core.errors import SignetError
from signet.core.limits import ACCEPT_BURST, BACKLOG
from signet.gateway.admission import Patience
from signet.gateway.certificate import Certificate
from signet.gateway.config import GatewayConfig
from signet.gateway.kernel_queue import KernelQueue, has_left
from signet.gateway.turning_away import TurningAway
from signet.telemetry import metrics
from signet.telemetry.listening import listen

log = structlog.get_logger()

_WITHOUT_FILES = 0.2  # seconds of pause when no more sockets can be opened


class Acceptor:
    """`unopened`: connections that have not finished the WebSocket handshake.

    `why`: what one that is turned away is told.
    """

    def __init__(
        self,
        config: GatewayConfig,
        protocol: Callable[[], WSProtocol],
        certificate: Certificate | None,
        why: Callable[[], SignetError],
    ) -> None:
        self._config, self._protocol = config, protocol
        self._tls = certificate.context if certificate else None
        self._taking: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()  # a handshake
        self._away = TurningAway(self._tls, why, self._ended.set)
        self._patience = Patience(config.max_handshakes, config.hello_timeout)
        self.unopened = 0

    @property
    def address(self) -> tuple[str, int]:
        """What it is bound to."""
        bound: tuple[str, int] = self._socket.getsockname()[:2]
        return bound

    def start(self) -> None:
        """Raises OSError where the port is taken."""
        config = self._config
        self._socket = listen(config.websocket_host, config.websocket_port, BACKLOG)
        self._socket.setblocking(False)
        self._tasks = [
            asyncio.create_task(self._accept(), name="gateway-accept"),
            asyncio.create_task(self._look(), name="gateway-accept-look"),
        ]

    async def stop(self) -> None:
        """No more connections; those in their handshake are ended."""
        if self._tasks:
            tasks = [*self._tasks, *self._taking]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._away.stop()
            self._socket.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        bucket = Bucket(ACCEPT_BURST, loop.time())
        while True:
            wait = bucket.take(loop.time(), ACCEPT_BURST, self._config.accept_rate)
            await asyncio.sleep(wait)  # at least one turn: what is open goes on between two
            if wait or not await self._room(loop.time()):
                continue
            try:
                accepted, _ = await loop.sock_accept(self._socket)
            except OSError as error:
                log.warning("a connection was not accepted", reason=error.strerror)
                await asyncio.sleep(_WITHOUT_FILES)
                continue
            if has_left(accepted):
                metrics.ACCEPT_LEFT.inc()
                accepted.close()
                continue
            if self.unopened >= self._config.max_handshakes:
                self._away.tell(accepted)
                continue
            self.unopened += 1
            task = loop.create_task(self._take(accepted))
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)

    async def _room(self, now: float) -> bool:
        """Whether to accept now: for a handshake, or to turn away. Waits a moment where not."""
        if self.unopened < self._config.max_handshakes:
            return True
        wait = self._patience.full(now)
        if not wait and self._away.room:
            return True
        self._ended.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait or self._patience.window):
                await self._ended.wait()
        return False

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
            self._patience.ended()
            self._ended.set()

    async def _look(self) -> None:
        """Each tick: what the kernel has dropped, and who was told long enough ago."""
        queue, dropped = KernelQueue(self._socket), 0
        while True:
            await asyncio.sleep(self._config.tick)
            self._away.sweep(asyncio.get_running_loop().time())
            waiting, drops = queue.look()
            metrics.ACCEPT_WAITING.set(waiting)
            metrics.ACCEPT_DROPS.inc(drops - dropped)
            dropped = drops
