"""One operator's looks, on the API in memory and pods that one server stands for."""

import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from signet_operator import names
from signet_operator.apply import Writer
from signet_operator.cache import Cache, Key
from signet_operator.look import Budget, Looker
from signet_operator.names import Tier
from signet_operator.observe import Object
from signet_operator.pods import Address, Pods
from signet_operator.spec import ClusterSpec
from tests.bench.fleet_pods import FleetPods
from tests.support.api_in_memory import ApiInMemory
from tests.support.crds import stored

NAMESPACE = "chat"
BLUE: Key = (NAMESPACE, "blue")
OWN = "signet-system"  # the operator's namespace


@dataclass
class OneOperator:
    """`now` is the clock of everything. A look sees what the API has: no watch is late."""

    api: ApiInMemory
    cache: Cache
    pods: Pods
    writer: Writer
    budget: Budget
    looker: Looker
    now: float = 1_800_000_000.0
    asked: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str = "blue", uid: str = "", **spec: Any) -> str:
        """A person makes or changes a cluster; its UID."""
        made = stored(name, NAMESPACE, **spec)
        before = self.api.objects.get(_cluster(name))
        kept: Object = before["metadata"] if before else {"uid": uid or f"uid-of-{name}"}
        made["metadata"] |= {"uid": kept["uid"], "generation": kept.get("generation", 0) + 1}
        status = {"status": before["status"]} if before and "status" in before else {}
        self.api.put({**made, **status})
        return str(kept["uid"])

    async def look(
        self, name: str = "blue", *, after: float = 5.0, told: bool = True
    ) -> float | None:
        """One look, some seconds after the last. `told`: the watches have brought all there is."""
        self.now += after
        if told:
            self.api.tell(self.cache)
        return await self.looker((NAMESPACE, name))

    async def settle(self, name: str = "blue") -> None:
        """The tables are there, and all that is made once."""
        await self.look(name)
        for job in self._of("Job", name):
            job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
        for _ in range(3):
            await self.look(name)

    def run_pods(self, name: str = "blue", tiers: tuple[Tier, ...] = tuple(Tier)) -> list[str]:
        """Two pods of each tier, ready; their UIDs."""
        return [
            self.api.put(_pod(name, tier, ordinal))["metadata"]["uid"]
            for tier in tiers
            for ordinal in range(2)
        ]

    def writes(self, since: int = 0) -> list[tuple[str, str, str]]:
        """What was written, dry runs left out: verb, kind, name."""
        return [one[:3] for one in self.api.sent[since:] if not one[3]]

    def _of(self, kind: str, name: str) -> list[dict[str, Any]]:
        return [
            obj
            for obj in self.api.objects.values()
            if obj["kind"] == kind
            and (obj["metadata"].get("labels") or {}).get(names.INSTANCE_LABEL) == name
        ]


@asynccontextmanager
async def operating() -> AsyncIterator[OneOperator]:
    """An operator that leads, from its start to its end."""
    api, budget = ApiInMemory(OWN), Budget(2)
    cache = Cache(lambda: one.now)
    served = FleetPods(lambda: one.now, random.Random(1))
    await served.start()
    pods = Pods(lambda: one.now)

    def address(spec: ClusterSpec, pod: Object, _tls: ssl.SSLContext | None) -> Address:
        meta = pod["metadata"]
        return Address(meta["uid"], served.url.format(namespace=spec.namespace, pod=meta["name"]))

    writer = Writer(
        api,  # type: ignore[arg-type]
        lambda: True,
        call_s=5.0,
        instance="one",
        namespace=OWN,
    )
    looker = Looker(
        cache,
        pods,
        writer,
        operator_class="default",
        address=address,
        leads=lambda: True,
        budget=budget,
        look_s=30.0,
        clock=lambda: one.now,
    )
    one = OneOperator(api, cache, pods, writer, budget, looker)
    try:
        yield one
    finally:
        await pods.close()
        await served.stop()


def _cluster(name: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{NAMESPACE}/{names.CLUSTERS}/{name}"


def _pod(cluster: str, tier: Tier, ordinal: int) -> Mapping[str, Any]:
    labels = {
        names.NAME_LABEL: "signet",
        names.INSTANCE_LABEL: cluster,
        names.TIER_LABEL: str(tier),
        "controller-revision-hash": "one",
    }
    name = f"{cluster}-{tier}-{ordinal}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"nodeName": "node"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
