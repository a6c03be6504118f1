"""A cluster of processes under chaos: pods, the lines between them, and the stores they share.

Clients come through doors, one before each gateway and one before all; pods reach a router through
a proxy that speaks the Link service (`links`). With a network namespace of our own, iptables parts
pods from each other and from their stores; without one, the proxies hold back all that is sent to
a router.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from signet.cluster.child import DidNotStart
from signet.cluster.cluster import Cluster, NotReady
from signet.cluster.parts import Phase
from signet.ports.members import Kind as Pods
from tests.faults.chaos.doors import LOOPBACK, Behind, Door, Where
from tests.faults.chaos.faults import Fault, Kind, Part, Way
from tests.faults.chaos.links import LinkProxy
from tests.faults.chaos.partition import inside, partition, possible
from tests.faults.chaos.stores import Stores
from tests.faults.chaos.system import LIMITS_OFF, LINES, break_lines
from tests.support.lanes.server import free_port

COUNTS = {Pods.GATEWAY: 2, Pods.ROUTER: 3, Pods.KEYS: 2, Pods.PUSH: 1}
ROUTERS_HOST = "127.0.0.2"  # at which the proxies listen, on the ports of their routers
SHARDS = 128  # each costs a light-weight transaction at every change of its owner
LEAVES = 5  # seconds that a pod has after SIGTERM
READY_WITHIN = 15.0  # seconds: what is broken beside it may keep it from being ready for longer
PARTED_FROM_STORES = 0.5  # of the partitions, where stores are servers
GRACE = 30  # seconds from SIGTERM to kill -9
ENDS = {Kind.KILL: Way(2, 0.0, 0.0, 10.0), Kind.TERM: Way(2, 0.0, 0.0, 10.0)}
LEASE = Way(1, 5.0, 8.0, 4.0)  # longer than a lease: two owners at once, for a moment
FRAMES = {kind: Way(0.7, 1.0, 4.0, 2.0) for kind in (Kind.DROP, Kind.REPEAT, Kind.REORDER)}
PARTED = {Kind.PARTITION: Way(1, 2.0, 8.0, 3.0)}
OF_PODS: Mapping[Pods, Mapping[Kind, Way]] = {
    Pods.GATEWAY: {**ENDS, Kind.STOP: Way(1, 0.5, 4.0, 3.0), **PARTED},
    Pods.ROUTER: {**ENDS, Kind.STOP: LEASE, **PARTED},
    Pods.KEYS: {**ENDS, Kind.STOP: Way(0.5, 0.5, 4.0, 3.0)},
    Pods.PUSH: ENDS,
}


class ManyProcesses:
    """See `System`."""

    def __init__(self, folder: Path, stores: Stores, seed: int) -> None:
        self._stores, self._chance = stores, random.Random(seed)
        self._cluster: Cluster
        self._folder = folder
        self._links = {name: free_port() for name in _names(Pods.ROUTER)}
        self._proxies: dict[str, LinkProxy] = {}
        self._doors = {
            (name, what): Door(self._pod_behind(name, what))
            for name in _names(Pods.GATEWAY)
            for what in ("websocket", "grpc")
        }
        self._entrances = {
            what: Door(self._all_behind(Pods.GATEWAY, what)) for what in ("websocket", "grpc")
        }
        self._rest = Door(self._all_behind(Pods.KEYS, "rest"))
        self._parted = 0
        self._stubborn: list[str] = []
        self._one_of: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # --- what there is ------------------------------------------------------------------------

    @property
    def parts(self) -> Sequence[Part]:
        pods = [Part(name, OF_PODS[kind]) for kind in COUNTS for name in _names(kind)]
        doors = [Part(f"lines of {name}", LINES) for name in _names(Pods.GATEWAY)]
        links = [Part(f"links of {name}", {**LINES, **FRAMES}) for name in self._links]
        return [*pods, *doors, *links, *self._stores.parts]

    @property
    def server(self) -> str:
        return f"http://{LOOPBACK}:{self._rest.port}"

    def _pod_behind(self, name: str, what: str) -> Behind:
        def where() -> list[Where]:
            address = self._cluster.pod(name).addresses.get(what, "")
            return [_where(str(address))] if address else []

        return where

    def _all_behind(self, kind: Pods, what: str) -> Behind:
        def where() -> list[Where]:
            pods = [self._pod_behind(name, what)() for name in self._cluster.of(kind)]
            return [one for pod in pods for one in pod]

        return where

    # --- start and end ------------------------------------------------------------------------

    async def start(self) -> None:
        for door in (*self._doors.values(), *self._entrances.values(), self._rest):
            await door.open()
        for name, port in self._links.items():
            proxy = LinkProxy(ROUTERS_HOST, port, f"{LOOPBACK}:{port}", self._chance)
            self._proxies[name] = proxy
            await proxy.start()
        urls = await self._stores.start()
        self._cluster = Cluster(
            self._folder / "cluster",
            COUNTS,
            stores=urls,
            settings={
                **LIMITS_OFF,
                "SIGNET_SHARDS": str(SHARDS),
                "SIGNET_LEAVE_S": str(LEAVES),
                "SIGNET_DRAIN_S": "1",
            },
            settings_of=self._settings_of,
        )
        await self._cluster.start()

    def _settings_of(self, name: str) -> dict[str, str]:
        """Where others reach this pod: at a proxy, or a door."""
        if name in self._links:
            port = str(self._links[name])
            return {"SIGNET_LINK_PORT": port, "SIGNET_ADVERTISE": ROUTERS_HOST}
        doors = {what: self._doors.get((name, what)) for what in self._entrances}
        if not name.startswith((Pods.GATEWAY, Pods.KEYS)):
            return {}
        at = {what: (doors[what] or door).port for what, door in self._entrances.items()}
        return {
            "SIGNET_PUBLIC_WEBSOCKET": f"ws://{LOOPBACK}:{at['websocket']}/v1/connect",
            "SIGNET_PUBLIC_GRPC": f"{LOOPBACK}:{at['grpc']}",
        }

    async def stop(self) -> None:
        await self._cluster.close()
        await self._stores.stop()
        for proxy in self._proxies.values():
            await proxy.stop()
        for door in (*self._doors.values(), *self._entrances.values(), self._rest):
            await door.close()

    # --- breaking -----------------------------------------------------------------------------

    async def suffer(self, fault: Fault) -> float:
        what, _, of = fault.part.partition(" of ")
        if fault.part in self._cluster.names:
            return await self._pod(fault)
        if what == "lines":
            lines = [door for (name, _), door in self._doors.items() if name == of]
            await break_lines(lines, fault)
        elif what == "links":
            await self._link(self._proxies[of], fault)
        else:
            return await self._stores.suffer(fault)
        return time.monotonic()

    async def _pod(self, fault: Fault) -> float:
        cluster, name = self._cluster, fault.part
        match fault.kind:
            case Kind.KILL | Kind.TERM:
                return await self._end(fault)
            case Kind.STOP:
                cluster.pause(name)
                await asyncio.sleep(fault.lasts)
                cluster.resume(name)
            case _:
                await self._part(name, fault.lasts)
        ended = time.monotonic()
        await self._up(name)
        return ended

    async def _end(self, fault: Fault) -> float:
        """P6 is of any one pod: the next of a kind ends when the last is back, however busy it is.

        One that does not end by SIGTERM is killed, as on Kubernetes, and named in the notes.
        """
        name = fault.part
        async with self._one_of[name.rpartition("-")[0]]:
            if fault.kind is Kind.KILL:
                await self._cluster.kill(name)
            elif not await self._cluster.stop(name, within=GRACE):
                self._stubborn.append(name)
            ended = time.monotonic()
            await self._up(name)
            with contextlib.suppress(NotReady):
                await self._cluster.ready(name, within=READY_WITHIN)
        return ended

    async def _up(self, name: str) -> None:
        """Until the process runs again, however often it has to be started."""
        while self._cluster.pod(name).phase is not Phase.RUNNING:
            try:
                await self._cluster.up(name)
            except DidNotStart:
                await asyncio.sleep(1)

    async def _part(self, name: str, seconds: float) -> None:
        """Gateways from a router, routers from all who come to them; both from their stores."""
        self._parted += 1
        if not inside():
            proxies = [self._proxies.get(name) or self._chance.choice(list(self._proxies.values()))]
            await break_lines(proxies, Fault(0.0, Kind.STALL, name, seconds))
            return
        links, stores = list(self._links.values()), self._stores.ports
        of_others = links if name in self._links else [self._chance.choice(links)]
        of_stores = [stores[kind] for kind in (name.rpartition("-")[0], "any") if kind in stores]
        ports = of_others
        if of_stores and self._chance.random() < PARTED_FROM_STORES:
            ports = list(self._chance.choice(of_stores))
        async with partition(self._cluster.pod(name).pid, ports):
            await asyncio.sleep(seconds)

    async def _link(self, proxy: LinkProxy, fault: Fault) -> None:
        """What lost, repeated or mixed up frames breaks at the end, as links do that lose any."""
        if fault.kind in LINES:
            await break_lines([proxy], fault)
            return
        proxy.trouble(fault.kind)
        await asyncio.sleep(fault.lasts)
        proxy.flow()
        proxy.cut()

    def notes(self) -> list[str]:
        how = "by iptables in a network namespace of our own"
        if not inside():
            how = f"by the links' proxies (no namespace of our own: {possible()})"
        frames = sum(proxy.troubled for proxy in self._proxies.values())
        again = {name: self._cluster.pod(name).restarts for name in self._cluster.names}
        return [
            f"partitions: {self._parted}, {how}; link frames troubled: {frames}",
            f"processes started again: {json.dumps(again)}",
            *(f"{name} did not end within {GRACE} s of SIGTERM" for name in self._stubborn),
        ]


def _names(kind: Pods) -> list[str]:
    return [f"{kind}-{number}" for number in range(COUNTS[kind])]


def _where(address: str) -> Where:
    host, _, port = address.partition("://")[2].partition("/")[0].rpartition(":")
    if "://" not in address:
        host, _, port = address.rpartition(":")
    return host or LOOPBACK, int(port)
