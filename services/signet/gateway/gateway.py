"""A gateway: both transports, one hub, links to routers. Owns open streams, and nothing else."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from signet.clocks import unix_ms
from signet.core.drain import Order
from signet.core.errors import Code
from signet.core.session import Input
from signet.gateway.config import GatewayConfig
from signet.gateway.departure import Departure
from signet.gateway.grpc_server import GrpcServer, Service
from signet.gateway.hub import Hub
from signet.gateway.neighbours import public_address
from signet.gateway.websocket import WebSocketServer
from signet.ports.links import Routers
from signet.ports.members import Kind, Member, Members, State
from signet.ports.tokens import VerificationKeys

log = structlog.get_logger()


class Gateway:
    """See pod/service.Service; `start` before all, `drain` if there is time, `stop`.

    `services` are further gRPC services on the gateway's port. With `members` the routers and the
    other gateways are those of the list, and `config.name` is the name of one's own record; None is
    one process: the routers of `config`, and nobody to drain to. `chance` is uniform in [0, 1).
    """

    def __init__(
        self,
        config: GatewayConfig,
        routers: Routers,
        keys: VerificationKeys,
        *,
        services: Sequence[Service] = (),
        members: Members | None = None,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = unix_ms,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.hub = Hub(config, routers, keys, clock, now_ms)
        self._websocket = WebSocketServer(self.hub)
        self._grpc = GrpcServer(self.hub, services)
        self._config, self._members = config, members
        self._chance = chance
        self._following: asyncio.Task[None] | None = None
        self._departure: Departure | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and open the links.

        Raises:
            OSError: a port is taken.
        """
        self.hub.start()
        if self._members is None:
            self.hub.owners.follow(self._config.routers)
        else:
            self.hub.owners.follow((), {})
            self._following = asyncio.create_task(self._follow(self._members))
        await self._websocket.start()
        await self._grpc.start()

    async def _follow(self, members: Members) -> None:
        """The list is a hint: what it says changes links and rings, never who owns what (L6)."""
        async for there in members.watch():
            try:
                self._see(there)
            except Exception:
                log.exception("a members' list was not followed")

    def _see(self, members: Sequence[Member]) -> None:
        routers = [m for m in members if m.kind is Kind.ROUTER and m.address]
        active = {m.name: m.address for m in routers if m.state is State.ACTIVE}
        self.hub.owners.follow([m.address for m in routers], active)
        self.hub.neighbours.see(members, self.hub.clock())

    @property
    def websocket_address(self) -> tuple[str, int]:
        """Host and port that are bound."""
        return self._websocket.address

    @property
    def grpc_address(self) -> tuple[str, int]:
        """Host and port that are bound."""
        return self._grpc.address

    # --- what the pod asks (pod/service.Service) ----------------------------------------------

    def not_ready(self) -> str:
        """Why it wants no new streams, '' when it does."""
        if self.hub.refusing is not None:
            return "draining"
        return "" if self.hub.owners.ready else "no router answers"

    def load(self) -> int:
        """Open streams."""
        return len(self.hub.sessions)

    def accepts(self) -> float:
        """How many moved streams a second it takes now; 0 while it drains, is full or overrun."""
        if self.not_ready():
            return 0.0
        return self.hub.admission.accepts(self.hub.clock())

    def misplaced(self) -> int:
        """Streams that are to be told of their own gateway, or looked at for it."""
        return self.hub.strays.waiting

    def rebalance(self) -> None:
        """Tell those who belong elsewhere once more."""
        self.hub.strays.again()

    def status(self) -> dict[str, object]:
        """For people and the operator; no user data."""
        hub, leaving = self.hub, self._departure
        return {
            "streams": self.load(),
            "accepts": self.accepts(),
            "routers": hub.owners.links,
            "held_sends": len(hub.owners.held),
            "skew": round(hub.neighbours.skew(self.load()), 3),
            "drain": leaving.status() if leaving is not None else None,
            "rebalance": {"mode": self._rebalance(), "asked": hub.strays.asked},
        }

    def _rebalance(self) -> str:
        others = self.hub.neighbours.active.values()
        if not others:
            return "alone"
        named = any(public_address(m, t) for m in others for t in ("websocket", "grpc"))
        if not named:
            return "off: no other gateway has a public address"
        return "moving" if self.hub.strays.waiting else "even"

    async def drain(self, order: Order) -> None:
        """Ask every stream to move, as fast as the others accept; at the deadline close the rest.

        With no other gateway all are closed at once, and told when to come back. Called again while
        it runs, the same drain goes on under the new order.
        """
        await self._refuse(Code.DRAINING if self.hub.neighbours.active else Code.NO_SURVIVOR)
        if self._departure is None or self._leaving is None or self._leaving.done():
            self._departure = Departure(self.hub, self.hub.neighbours, order, self._chance)
            self._leaving = asyncio.create_task(self._departure.run())
        else:
            self._departure.order(order)
        await asyncio.wait({self._leaving})
        if not self._leaving.cancelled():
            self._leaving.result()

    async def _refuse(self, code: Code) -> None:
        """Streams that come now are sent away by name, health checks fail; listening goes on."""
        self.hub.refusing = code
        self.hub.neighbours.leave(self.hub.clock())
        await self._grpc.serving(False)

    async def undrain(self) -> None:
        """Ask nobody any more, and take streams again. Who was asked may still go."""
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.wait({self._leaving})
        self._departure = self._leaving = None
        self.hub.refusing = None
        self.hub.neighbours.stay(self.hub.clock())
        for session in list(self.hub.sessions.values()):
            session.happens(Input.STAY)
        await self._grpc.serving(True)

    async def stop(self) -> None:
        """End what is left, by name; then close all. Nothing is held any more."""
        for task in (self._following, self._leaving):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self.hub.refusing = self.hub.refusing or Code.DRAINING
        for session in list(self.hub.sessions.values()):
            session.happens(Input.LEAVE)
        await self._websocket.stop()
        await self._grpc.stop()
        await self.hub.owners.close()
        self.hub.stop()
