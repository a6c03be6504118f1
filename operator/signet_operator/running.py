"""The parts of a running operator, put together: lease, watches, looks, pages."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from functools import partial

import kopf
import structlog

from signet.telemetry.pages import Pages
from signet_operator import handlers, health, kube
from signet_operator.apply import Refused, Unavailable, Writer
from signet_operator.cache import Cache, Key
from signet_operator.leader import KubernetesLease, Leader
from signet_operator.look import Budget, Looker
from signet_operator.pods import PodRefused, Pods, address_of
from signet_operator.reconciler import Reconciler
from signet_operator.settings import OperatorSettings

log = structlog.get_logger()

NOBODY: Key = ("", "")  # no cluster has this key: a look at it sweeps up after those that are gone
STOP_S = 5.0  # kopf's watches are given so long to end


class Operator:
    """`start`, then `watching` ends only when something is wrong; `stop`."""

    def __init__(
        self,
        settings: OperatorSettings,
        registry: kopf.OperatorRegistry,
        lost: Callable[[str], None],
    ) -> None:
        self._settings, self._registry, self._lost = settings, registry, lost
        self._cache = Cache()
        self._stop = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._reconciler: Reconciler
        self.watching: asyncio.Task[None]

    async def start(self) -> None:
        """Begin to watch, and to ask for the lease. Raises OSError: the port is taken."""
        settings, loop = self._settings, asyncio.get_running_loop()
        lease = KubernetesLease(
            kube.lease_api(), settings.namespace, settings.lease, settings.lease_s / 3
        )

        def gained() -> None:
            loop.call_soon_threadsafe(self._wake_all)

        leader = Leader(
            lease,
            settings.name,
            settings.lease_s,
            lost=self._lost,
            gained=gained,
        )
        pods = Pods(time.time)
        self._stack.push_async_callback(pods.close)
        api = await kube.api()
        self._stack.push_async_callback(api.close)
        writer = Writer(
            api,
            lambda: leader.leads,
            call_s=settings.call_s,
            instance=settings.name,
            namespace=settings.namespace,
            refuses=(PodRefused,),
        )
        looker = Looker(
            self._cache,
            pods,
            writer,
            operator_class=settings.operator_class,
            address=partial(address_of, template=settings.admin_url),
            leads=lambda: leader.leads,
            budget=Budget(settings.rollout_budget),
            look_s=settings.look_s,
        )
        self._reconciler = Reconciler(looker, settings.concurrency, expected=(Unavailable, Refused))
        self._stack.callback(leader.stop)
        self._stack.push_async_callback(self._reconciler.close)
        await self._serve(lambda: leader.leads)
        leader.start()
        self._watch()

    async def stop(self) -> None:
        """No more looks, the lease given back, the watches ended."""
        self._stop.set()
        await asyncio.wait([self.watching], timeout=STOP_S)
        self.watching.cancel()
        await self._stack.aclose()

    def _wake_all(self) -> None:
        log.info("leads", clusters=len(self._cache.clusters()))
        for key in (*self._cache.clusters(), NOBODY):
            self._reconciler.wake(key)

    def _wake(self, key: Key) -> None:
        if key[1]:
            self._reconciler.wake(key)

    def _watch(self) -> None:
        handlers.register(self._registry, self._cache, self._wake)
        configured = kopf.OperatorSettings()
        handlers.configure(configured, self._settings.call_s)
        watched = self._settings.watched
        self.watching = asyncio.create_task(
            kopf.operator(
                registry=self._registry,
                settings=configured,
                # else kopf asks for the name of its user, and 10001 has none
                identity=self._settings.name,  # type: ignore[arg-type]
                namespaces=watched,
                clusterwide=not watched,
                stop_flag=self._stop,
            ),
            name="kopf",
        )

    async def _serve(self, leads: Callable[[], bool]) -> None:
        health.gauge(leads, lambda: self._cache.of_class(self._settings.operator_class))
        pages = Pages(health.not_ready(lambda: self._cache.filled), health.REGISTRY)
        await pages.start(self._settings.host, self._settings.port)
        self._stack.push_async_callback(pages.stop)
