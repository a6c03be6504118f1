"""Everything in one process on the embedded defaults: keys, a gateway, a router, SQLite.

What may be relied upon: what was answered SENT is on the disk, so a kill -9 at any moment loses
nothing (P1). The parts are those of a cluster; only what joins them is plain calls.
"""

import asyncio
import gc
import math
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
from grpc import aio

from signet.adapters import open as adapters
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.users_directory import DirectoryUsers
from signet.clocks import boot_clock
from signet.core.drain import Order
from signet.data_folder import DataFolder
from signet.gateway.configured import gateway_config, resume_key
from signet.gateway.gateway import Gateway
from signet.keys.configured import keys_config
from signet.keys.server import KeysServer
from signet.keys.service import Keys
from signet.pod.listening import PortTaken, address, check_free
from signet.pod.pod import GC_THRESHOLD
from signet.pod.stores import refusing
from signet.ports.blobs import Blobs
from signet.ports.events import Events
from signet.ports.inbox import InboxStore, StoreUnavailable
from signet.ports.links import Routers
from signet.ports.push_registrations import PushRegistrations
from signet.push.worker import Worker
from signet.router.configured import recipients
from signet.router.in_process import InProcessRouters
from signet.router.router import Router
from signet.settings import Settings, key_of
from signet.telemetry.pages import Pages
from signet.v1 import group_pb2, keys_pb2, media_pb2, push_pb2

log = structlog.get_logger()

__all__ = ["Addresses", "PortTaken", "Standalone"]

GROUPS_SERVICE = group_pb2.DESCRIPTOR.services_by_name["Groups"].full_name  # and this
PUSH_SERVICE = push_pb2.DESCRIPTOR.services_by_name["Push"].full_name  # and this
MEDIA_SERVICE = media_pb2.DESCRIPTOR.services_by_name["Media"].full_name  # KeysServer adds it
KEYS_SERVICE = keys_pb2.DESCRIPTOR.services_by_name["Keys"].full_name


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server listens, and its process."""

    websocket: str  # ws://host:port/v1/connect
    grpc: str  # host:port
    rest: str  # http://host:port
    admin: str  # http://host:port
    pid: int


class Standalone:
    """`start`, then `stop`. `ended` is set when it must end by itself (L3).

    `open_store` and `wrap_routers` are where tests put what breaks on purpose.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        open_store: Callable[[Path], InboxStore] | None = None,
        wrap_routers: Callable[[Routers], Routers] = lambda routers: routers,
    ) -> None:
        self.settings = settings
        self.addresses: Addresses
        self.ended = asyncio.Event()
        self._open_store = open_store or (lambda path: open_inbox(path, settings.shards))
        self._wrap_routers = wrap_routers
        self._folder = DataFolder(settings.data)
        self._ready = False
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """All ports answer when it returns.

        Raises:
            FolderInUse: another server has the data.
            PortTaken: another program has a port.
            StoreUnavailable: the inboxes cannot be opened now.
        StoreRefused: the setting `push` cannot be.
            OtherShards: they are in another number of shards.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        gc.collect()
        gc.freeze()  # what is there now stays: later collections need not look at it
        gc.set_threshold(*GC_THRESHOLD)
        self._ready = True

    async def stop(self) -> None:
        """Send clients away, write what waits, give everything back."""
        self._ready = False
        if self.gateway is not None:
            await self.gateway.drain(Order(time.monotonic() + self.settings.drain_s))
        await self._stack.aclose()

    gateway: Gateway | None = None
    _router_not_ready: Callable[[], str] = staticmethod(lambda: "")

    # --- the parts, each before what needs it -------------------------------------------------

    async def _start(self) -> None:
        settings, stack = self.settings, self._stack
        self._folder.lock()
        stack.callback(self._folder.unlock)
        for name in ("websocket_port", "grpc_port", "rest_port", "admin_port"):
            check_free(settings.host, getattr(settings, name), name)
        try:
            store = self._open_store(self._folder.inbox)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the inboxes: {error}") from error
        stack.push_async_callback(store.close)
        directory = await adapters.open_directory(self._folder.directory_url)
        stack.push_async_callback(directory.close)
        presence = adapters.open_presence("memory:", boot_clock)
        events = adapters.open_events("log:", self._folder.path / "events")
        users = DirectoryUsers(directory)
        router = Router(
            store,
            users,
            presence,
            events,
            groups=directory,
            shards=settings.shards,
            alone=True,
            lease_s=math.inf,
            recipients=recipients(settings),
            lost=self.ended.set,
        )
        await router.start()
        self._router_not_ready = router.not_ready
        stack.push_async_callback(router.stop)
        await self._wake_devices(events, directory)
        limits = adapters.open_rate_limits("memory:")
        blobs = self._open_blobs()
        keys = Keys(directory, limits, router, events, keys_config(settings), blobs=blobs)
        await keys.ready()
        await self._listen(keys, self._wrap_routers(InProcessRouters(router)))

    async def _wake_devices(self, events: Events, registrations: PushRegistrations) -> None:
        """Where somebody is set up to do it. Raises StoreRefused."""
        if not self.settings.push:
            return
        with refusing("push"):
            providers = adapters.open_push(self.settings.push)
        self._stack.push_async_callback(providers.close)
        key = key_of(self.settings.push_key) or self._folder.key("push")
        worker = Worker(events, providers, registrations, time.time, key)
        await worker.start()
        self._stack.push_async_callback(worker.stop)

    def _open_blobs(self) -> Blobs | None:
        """A folder, if the settings do not say otherwise."""
        if self.settings.blobs == "none:":
            return None
        blobs = adapters.open_blobs(self.settings.blobs or f"file://{self._folder.blobs}")
        self._stack.push_async_callback(blobs.close)
        return blobs

    async def _listen(self, keys: Keys, routers: Routers) -> None:
        """Messaging and Keys share one gRPC port; REST and the pages have their own."""
        settings = self.settings
        servers: list[KeysServer] = []

        def add_keys(server: aio.Server) -> str:
            servers.append(
                KeysServer(
                    keys,
                    host=settings.host,
                    rest_port=settings.rest_port,
                    grpc=server,
                    proxies=settings.proxies,
                )
            )
            return KEYS_SERVICE

        config = gateway_config(settings, "standalone", resume_key(settings, self._folder))
        others = (MEDIA_SERVICE, PUSH_SERVICE, GROUPS_SERVICE)
        services = [add_keys, *map(_named, others)]
        gateway = Gateway(config, routers, keys.tokens, services=services)
        await gateway.start()
        self._stack.push_async_callback(gateway.stop)
        self.gateway = gateway
        await servers[0].start()
        self._stack.push_async_callback(servers[0].stop)
        pages = Pages(self._not_ready)
        admin = await pages.start(settings.host, settings.admin_port)
        self._stack.push_async_callback(pages.stop)
        ws, grpcs = ("wss", "grpcs://") if settings.public_tls_cert else ("ws", "")
        self.addresses = addresses = Addresses(
            websocket=f"{ws}://{address(gateway.websocket_address)}/v1/connect",
            grpc=f"{grpcs}{address(gateway.grpc_address)}",
            rest=f"http://{servers[0].rest}",
            admin=f"http://{address(admin)}",
            pid=os.getpid(),
        )
        keys.announce(
            settings.public_websocket or addresses.websocket, settings.public_grpc or addresses.grpc
        )

    def _not_ready(self) -> str:
        if not self._ready or self.gateway is None:
            return "starting or stopping"
        return self.gateway.not_ready() or self._router_not_ready()


def _named(service: str) -> Callable[[aio.Server], str]:
    """A service that is added already, for reflection."""
    return lambda _: service
