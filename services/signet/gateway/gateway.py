"""A gateway: both transports, one hub, links to routers. Owns open streams, and nothing else."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from signet.core.errors import Code, SignetError
from signet.core.limits import BACKOFF_CAP
from signet.core.session import Input
from signet.gateway.config import GatewayConfig
from signet.gateway.grpc_server import GrpcServer, Service
from signet.gateway.hub import Hub
from signet.gateway.websocket import WebSocketServer
from signet.ports.links import Routers
from signet.ports.tokens import VerificationKeys


class Gateway:
    """`start`, `drain` if there is time, `stop`.

    `services` are further gRPC services on the gateway's port. `chance` is uniform in [0, 1).
    """

    def __init__(
        self,
        config: GatewayConfig,
        routers: Routers,
        keys: VerificationKeys,
        *,
        services: Sequence[Service] = (),
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.hub = Hub(config, routers, keys, clock, now_ms)
        self._websocket = WebSocketServer(self.hub)
        self._grpc = GrpcServer(self.hub, services)
        self._config = config
        self._chance = chance

    async def start(self) -> None:
        """Listen, and open the links.

        Raises:
            OSError: a port is taken.
        """
        self.hub.start()
        self.hub.owners.follow(self._config.routers)
        await self._websocket.start()
        await self._grpc.start()

    @property
    def websocket_address(self) -> tuple[str, int]:
        """Host and port that are bound."""
        return self._websocket.address

    @property
    def grpc_address(self) -> tuple[str, int]:
        """Host and port that are bound."""
        return self._grpc.address

    def follow_routers(self, addresses: Sequence[str]) -> None:
        """The routers that there are now, by the members' list."""
        self.hub.owners.follow(addresses)

    def not_ready(self) -> str:
        """Why it wants no new streams, '' when it does."""
        if self.hub.refusing is not None:
            return "draining"
        return "" if self.hub.owners.ready else "no router answers"

    async def drain(self, period: float, *, survivors: bool = True) -> None:
        """Ask every stream to move, spread over `period` seconds; then close what is left.

        With no survivors all are closed at once, and told when to come back.
        """
        code = Code.DRAINING if survivors else Code.NO_SURVIVOR
        self.hub.refusing = SignetError(code)
        self._websocket.stop_listening()
        self._grpc.stop_listening()
        if survivors and period > 0:
            await self._move(period)
        for session in list(self.hub.sessions.values()):
            if survivors:
                session.happens(Input.LEAVE)
            else:
                session.end(code, retry_after_s=min(period, BACKOFF_CAP) * self._chance())

    async def _move(self, period: float) -> None:
        """Half of the period to say it, at random moments; half for the last to move."""
        loop = asyncio.get_running_loop()
        for session in list(self.hub.sessions.values()):
            loop.call_later(self._chance() * period / 2, session.happens, Input.DRAIN)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.hub.wait_empty(), period)

    async def stop(self) -> None:
        """End what is left, by name; then close all. Nothing is held any more."""
        self.hub.refusing = self.hub.refusing or SignetError(Code.DRAINING)
        for session in list(self.hub.sessions.values()):
            session.happens(Input.LEAVE)
        await self._websocket.stop()
        await self._grpc.stop()
        await self.hub.owners.close()
        self.hub.stop()
