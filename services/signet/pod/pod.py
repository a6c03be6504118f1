"""One service in one process: its stores, its record, its admin port, its end.

In the order of a start: the data folder, the stores, the service, the admin port, the record
(`joining`, then `active` when the service wants work). An end goes backwards, and the record first:
nobody is sent to a pod that is going.
"""

import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
from grpc import aio

from signet.clocks import unix_ms
from signet.core import drain
from signet.core.drain import Stage
from signet.core.ids import Incarnation
from signet.data_folder import DataFolder
from signet.pod.admin import Admin, Document
from signet.pod.leaving import Leaving
from signet.pod.listening import PortTaken, address, check_free
from signet.pod.rates import Rates
from signet.pod.reaching import Reaching
from signet.pod.record import Record
from signet.pod.same_shards import SameShards
from signet.pod.service import Service
from signet.pod.stores import Stores
from signet.pod.tls import PodTls
from signet.ports.members import Kind, Member, State
from signet.settings import BadSettings, Settings
from signet.telemetry.pages import Pages

log = structlog.get_logger()

# Frames are many, short-lived and without cycles: with Python's own threshold, a quarter of an
# owner's CPU goes into looking for cycles (tests/bench/bench_router.py).
GC_THRESHOLD = (50_000, 50, 1_000)
READY_LOOK = 0.05  # seconds between looks at whether a service that starts wants work
ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - this is what cannot be dialled
LOST = 6  # exit status of a process whose lease is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service that has started. `address` and `public` as in ports/members.Member.

    No `address` is the admin port's. `listens`: what it says about where it listens. `documents`:
    more pages of the admin port. `lacks`: what it needs besides, before it wants work; '' for none.
    """

    service: Service
    address: str = ""
    public: str = ""
    listens: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    lacks: Callable[[], str] = lambda: ""


class Pod:
    """What a service gets of its process. `start`, wait for `ended`, `stop`."""

    def __init__(
        self, settings: Settings, kind: Kind, die: Callable[[int], None] = os._exit
    ) -> None:
        self.settings, self.kind = settings, kind
        self.name = settings.name or f"{socket.gethostname()}-{kind}"
        self.incarnation = Incarnation(os.urandom(16))
        self.folder = DataFolder(settings.data)
        self.stack = AsyncExitStack()
        self.stores = Stores(settings, self.folder, f"{kind}-{self.name}", self.stack)
        self.members: SameShards
        self.tls: PodTls | None = None
        self._die = die
        self._started_ms = unix_ms()
        self._joined = False
        self._running: Running
        self._record: Record
        self._leaving: Leaving
        self._reaching: Reaching
        self._started = False
        self._others: Sequence[Member] = ()
        self._address = ""
        self.listens: dict[str, Any] = {}

    # --- start and end ------------------------------------------------------------------------

    async def start(self, build: "Build") -> None:
        """All ports answer when it returns; `listens` then says where.

        Raises:
            BadSettings, BadCertificates, FolderInUse, PortTaken, StoreRefused, OtherShards,
                OSError: as their names say; or what the service raises.
        """
        try:
            await self._start(build)
        except BaseException:
            await self.stack.aclose()
            raise
        gc.collect()
        gc.freeze()  # what is there now stays: later collections need not look at it
        gc.set_threshold(*GC_THRESHOLD)

    async def _start(self, build: "Build") -> None:
        check_reachable(self.settings)
        self.tls = PodTls.of(self.settings)
        self.folder.share()
        self.stack.callback(self.folder.unlock)
        for name in ("admin_port", "probe_port"):
            check_free(self.settings.host, getattr(self.settings, name), name)
        self.members = SameShards(self.stores.members(), self.settings.shards)
        running = self._running = await build(self)
        self.stack.push_async_callback(running.service.stop)
        self._record = Record(self.members, self._member)
        self._reaching = Reaching(self.stores.asked)
        self._rates = Rates(self.kind)
        self._leaving = Leaving(running.service, self._record.write, lambda: self._die(LOST))
        self._started = True
        self.stack.push_async_callback(self._leaving.close)
        port, pages = await self._serve_admin()
        self._address = running.address or self.advertised(port)
        self.listens = {
            "kind": self.kind.value,
            "name": self.name,
            **pages,
            **running.listens,
            "pid": os.getpid(),
        }
        await self._record.write()
        self.stack.push_async_callback(self._record.remove)
        self._record.keep()
        if self.tls is not None:
            self._keep(self.tls.watch(), "pod-tls")
        self._keep(self._rates.keep(), "pod-rates")
        self._keep(self._join(), "pod-join")
        self._keep(self._watch(), "pod-watch")
        self._keep(self._reaching.run(), "pod-reaching")

    async def _serve_admin(self) -> tuple[int, dict[str, str]]:
        """Its port, and what is said about where the pages are."""
        settings, tls = self.settings, self.tls.server if self.tls is not None else None
        pages = Pages(self.not_ready, api=Admin(self, self._running.documents), tls=tls)
        bound = await pages.start(settings.host, settings.admin_port)
        self.stack.push_async_callback(pages.stop)
        said = {"admin": f"{'https' if tls else 'http'}://{address(bound)}"}
        if settings.probe_port:
            probes = Pages(self.not_ready)
            where = address(await probes.start(settings.host, settings.probe_port))
            self.stack.push_async_callback(probes.stop)
            said["probe"] = f"http://{where}"
        return bound[1], said

    def _keep(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_failed)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)

    @property
    def ended(self) -> asyncio.Event:
        """Set when the pod has left, after a signal."""
        return self._leaving.ended

    async def stop(self) -> None:
        """Give everything back, the record first."""
        await self.stack.aclose()

    def lost(self) -> None:
        """The lease is over: this process ends now, and nothing follows from anything (L3)."""
        log.warning("another owner took over, or this process was stopped for too long; it ends")
        if self._started:
            self._leaving.happens(drain.Lost())
        else:
            self._die(LOST)

    # --- what others see ----------------------------------------------------------------------

    def bind(self, server: aio.Server, setting: str) -> int:
        """Let a gRPC server for other pods listen on the port of a setting; the port it got.

        Raises:
            PortTaken: another program listens there.
        """
        wanted = getattr(self.settings, setting)
        where = address((self.settings.host, wanted))
        try:
            if self.tls is not None:
                return server.add_secure_port(where, self.tls.grpc_server())
            return server.add_insecure_port(where)
        except RuntimeError:
            raise PortTaken(setting, wanted) from None

    @property
    def channels(self) -> Callable[[], grpc.ChannelCredentials] | None:
        """What calls of other pods show, at the time of a new channel; None: no TLS."""
        return self.tls.grpc_channel if self.tls is not None else None

    def advertised(self, port: int) -> str:
        """Where other pods dial a port of this one."""
        return address((self.settings.advertise or self.settings.host, port))

    def _member(self) -> Member:
        service, running = self._running.service, self._running
        return Member(
            self.kind,
            self.name,
            self._address,
            self._state(),
            self._started_ms,
            self.incarnation,
            public=running.public,
            load=service.load(),
            accepts=service.accepts() if self._stage is Stage.ACTIVE else 0.0,
            shards=0 if self.kind is Kind.PUSH else self.settings.shards,
        )

    @property
    def _stage(self) -> Stage:
        return self._leaving.life.stage

    def _state(self) -> State:
        if self._stage is not Stage.ACTIVE:
            return State.DRAINING
        return State.ACTIVE if self._joined else State.JOINING

    async def _join(self) -> None:
        """`active` as soon as the service wants work for the first time."""
        await self.members.list()  # who disagrees with the others about shards never joins them
        while self._service_not_ready():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(READY_LOOK)
        self._joined = True
        await self._record.write()

    async def _watch(self) -> None:
        async for members in self.members.watch():
            self._others = [m for m in members if (m.kind, m.name) != (self.kind, self.name)]
            if not self._survivors():
                self._leaving.happens(drain.Alone())

    def _survivors(self) -> bool:
        """Whether others of its kind take what it holds."""
        return any(m.kind is self.kind and m.state is State.ACTIVE for m in self._others)

    def not_ready(self) -> str:
        """Why it wants no work, '' when it does."""
        if self._stage is not Stage.ACTIVE:
            return "draining"
        return self._service_not_ready() or ("" if self._joined else "starting")

    def _service_not_ready(self) -> str:
        """Push does not divide users."""
        disagrees = self.members.differs if self.kind is not Kind.PUSH else ""
        return disagrees or self._running.service.not_ready() or self._running.lacks()

    # --- pod/admin.Controls -------------------------------------------------------------------

    async def describe(self) -> Mapping[str, Any]:
        """See pod/admin.Controls."""
        service, leaving = self._running.service, self._leaving
        return {
            "kind": self.kind.value,
            "name": self.name,
            "incarnation": self.incarnation.hex(),
            "stage": self._stage.value,
            "ending": leaving.life.ending,
            "deadline_s": round(leaving.left_s, 3),
            "not_ready": self.not_ready(),
            "load": service.load(),
            "accepts": service.accepts(),
            "listens": self.listens,
            "status": service.status(),
            "stores": self._reaching.shown(),
            "bundle": self.tls.bundle if self.tls is not None else "",
            "certificate": self.tls.certificate if self.tls is not None else "",
            "rates": self._rates.shown(),
            "misplaced": service.misplaced(),
            "members": [_shown(member) for member in await self.members.everybody()],
        }

    def drain(self, within_s: float | None, rate: float) -> bool:
        """See pod/admin.Controls."""
        if within_s is None:
            within_s = self.settings.leave_s
        return self._leaving.order(within_s, rate, ending=False, survivors=self._survivors())

    def rebalance(self) -> None:
        """See pod/admin.Controls."""
        self._running.service.rebalance()

    def undrain(self) -> bool:
        """See pod/admin.Controls."""
        return self._leaving.abort()

    def end(self, within_s: float) -> None:
        """A signal has come: leave, then end."""
        self._leaving.order(within_s, 0.0, ending=True, survivors=self._survivors())


def check_reachable(settings: Settings) -> None:
    """Others dial what a pod advertises. Raises BadSettings."""
    if not settings.advertise and settings.host in ANY_HOST:
        raise BadSettings(f"advertise (SIGNET_ADVERTISE): needed where host is {settings.host}")


Build = Callable[[Pod], Awaitable[Running]]
"""Starts a service; what it opens goes to `pod.stack`, but for the service itself."""


def _failed(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a task of the pod failed", exc_info=error)


def _shown(member: Member) -> dict[str, object]:
    return {
        "kind": member.kind.value,
        "name": member.name,
        "address": member.address,
        "public": member.public,
        "state": member.state.value,
        "incarnation": member.incarnation.hex(),
        "started_ms": member.started_ms,
        "load": member.load,
        "accepts": member.accepts,
        "shards": member.shards,
    }
