"""One look at one cluster: see it, plan, do it, say so. Decides nothing itself.

The writes are those of `Writer` (apply.py); everything before them only reads.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import structlog

from signet_operator import desired, plan
from signet_operator.actions import Action, Plan
from signet_operator.cache import Cache, Key
from signet_operator.health import LOOK_SECONDS, LOOKS
from signet_operator.observe import Children, Object, observe
from signet_operator.observed import Observed
from signet_operator.pods import Address, Pods
from signet_operator.reading import read
from signet_operator.spec import ClusterSpec

log = structlog.get_logger()


class Writer(Protocol):
    """What changes the cluster. Each write asks first whether this process still leads (E2)."""

    async def ensure(self, spec: ClusterSpec, objects: tuple[Object, ...]) -> str:
        """Apply what is to be there after a dry run of all; why it was refused, '' if it was not.

        What is there already as it is to be costs no request.
        """
        ...

    async def perform(
        self, spec: ClusterSpec, actions: tuple[Action, ...], addresses: Mapping[str, Address]
    ) -> None:
        """In order, up to the first that fails; the next look derives the rest again."""
        ...

    async def say(self, spec: ClusterSpec, cluster: Object, made: Plan) -> None:
        """Write status where it differs, and not more often than it may."""
        ...


class Budget:
    """How many clusters may roll at once that nobody asked to: this operator is newer (plan.py).

    A cluster rolls while its memory says so, in its status or, sooner, in what was planned last.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rolls: dict[Key, bool] = {}

    def noted(self, key: Key, memory: Mapping[str, object]) -> None:
        """What a plan has noted for itself."""
        self._rolls[key] = bool(memory.get("surge"))

    def left(self, key: Key, cache: Cache) -> int:
        """How many more may begin, this one included."""
        others = (other for other in cache.clusters() if other != key)
        return self._most - sum(self._rolls.get(other, _rolls(cache, other)) for other in others)


def _rolls(cache: Cache, key: Key) -> bool:
    status = (cache.cluster(key) or {}).get("status") or {}
    return bool((status.get("memory") or {}).get("surge"))


class Looker:
    """Reconciler's `look`."""

    def __init__(
        self,
        cache: Cache,
        pods: Pods,
        writer: Writer,
        *,
        operator_class: str,
        address: Callable[[ClusterSpec, Object], Address],
        leads: Callable[[], bool],
        budget: Budget,
        look_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache, self._pods, self._writer = cache, pods, writer
        self._class, self._address, self._leads = operator_class, address, leads
        self._budget, self._look_s, self._clock = budget, look_s, clock

    async def __call__(self, key: Key) -> float | None:
        """In how many seconds to look again; None: not by itself."""
        cluster = self._cache.cluster(key)
        if cluster is None or not self._leads() or "deletionTimestamp" in cluster["metadata"]:
            return None
        spec = read(cluster)
        if spec.operator_class != self._class:
            return None
        with LOOK_SECONDS.time():
            try:
                again = await self._look(key, spec, cluster)
            except BaseException:
                LOOKS.labels("failed").inc()
                raise
        LOOKS.labels("done").inc()
        return again

    async def _look(self, key: Key, spec: ClusterSpec, cluster: Object) -> float:
        children = self._cache.children(key)
        addresses = self._addresses(spec, children)
        reports = await self._pods.look(addresses.values())
        seen = observe(cluster, children, reports)
        refused = await self._writer.ensure(spec, desired.objects(spec, seen))
        made = self._plan(key, spec, replace(seen, refused=refused))
        if not refused:
            named = {name: addresses[uid] for name, uid in _uids(children) if uid in addresses}
            await self._writer.perform(spec, made.actions, named)
        await self._writer.say(spec, cluster, made)
        return min(made.wake_in, self._look_s)

    def _plan(self, key: Key, spec: ClusterSpec, seen: Observed) -> Plan:
        made = plan.plan(spec, seen, self._clock(), budget=self._budget.left(key, self._cache))
        self._budget.noted(key, made.memory)
        return made

    def _addresses(self, spec: ClusterSpec, children: Children) -> dict[str, Address]:
        """By UID, of the pods that have an address."""
        return {
            pod["metadata"]["uid"]: self._address(spec, pod)
            for pod in children.pods
            if (pod.get("status") or {}).get("podIP")
        }


def _uids(children: Children) -> list[tuple[str, str]]:
    return [(pod["metadata"]["name"], pod["metadata"]["uid"]) for pod in children.pods]
