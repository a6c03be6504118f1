"""A messenger on Kubernetes as its users have it: the operator by its chart, one MessagingCluster.

Clients are outside of the cluster: in the lane's network, from which NodePorts are reached.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.faults.chaos.crowd import Crowd
from tests.faults.chaos.ledger import Count, Ledger
from tests.support.lanes import helm
from tests.support.lanes.kube import Kube, images

Object = dict[str, Any]
T = TypeVar("T")

VERSION = "0.1.0"
SYSTEM = "signet-system"
NODE_PORTS = {
    "clients": {"websocket": 30410, "grpc": 30411},
    "api": {"rest": 30412, "grpc": 30413},
}
PATIENCE_S = 240.0  # for what takes seconds on a quiet machine
SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "1Gi"}}


class NotYet(AssertionError):
    """What was waited for did not come."""


def until(what: str, look: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """What `look` has found, as soon as it is something. Raises NotYet."""
    over = time.monotonic() + within_s
    while time.monotonic() < over:
        if found := look():
            return found
        time.sleep(0.5)
    raise NotYet(f"{what}: not within {within_s:.0f} s")


def install_operator(kube: Kube, values: Mapping[str, Any] | None = None) -> helm.Releases:
    """By its chart, with the image of this working tree; both replicas are ready."""
    repository, _, tag = images.name("operator").rpartition(":")
    kube.kubectl("create", "namespace", SYSTEM)
    kube.await_account(SYSTEM)
    releases = helm.Releases(kube.kubectl.kubeconfig, SYSTEM)
    releases.install(
        helm.chart("signet-operator"),
        "signet",
        {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "leader": {"leaseSeconds": 5},
            "reconcile": {"lookSeconds": 2},
            "logs": {"level": "info"},
            **(values or {}),
        },
    )
    kube.kubectl(
        "rollout", "status", "-n", SYSTEM, "deploy", "--timeout=240s", timeout_s=PATIENCE_S + 10
    )
    return releases


class Messenger:
    """The MessagingCluster `chat` of a namespace, and what is seen of it."""

    def __init__(self, kube: Kube, namespace: str, stores: Mapping[str, str]) -> None:
        self.kube, self.namespace, self._stores = kube, namespace, stores
        self.entrance = kube.nodes[0].address

    # --- what is asked --------------------------------------------------------------------------

    def resource(self, **spec: Any) -> Object:
        """Small pods, stores from a Secret; `spec` wins."""
        repository = images.name("gateway").rpartition("-gateway")[0]
        ports = NODE_PORTS["clients"]
        stores = ("inbox", "directory", "members", "presence", "limits", "events")
        tier = {"resources": SMALL, "drain": {"deadlineSeconds": 60}}
        return {
            "apiVersion": "messaging.signet.dev/v1alpha1",
            "kind": "MessagingCluster",
            "metadata": {"name": "chat"},
            "spec": {
                "version": VERSION,
                "serverName": "chat.test",
                "shards": 64,
                "image": {"repository": repository, "tag": images.TAG, "pullPolicy": "Never"},
                "stores": {s: {"secretRef": {"name": "chat-stores", "key": s}} for s in stores},
                "gateway": {"replicas": 3, **tier},
                "router": {"replicas": 2, **tier},
                "keys": {"replicas": 2, **tier},
                "push": {"replicas": 1, "resources": SMALL},
                "registration": {"perHour": 100_000, "loginsPerMinute": 100_000},
                "exposure": {
                    "serviceType": "NodePort",
                    "websocket": f"ws://{self.entrance}:{ports['websocket']}/v1/connect",
                    "grpc": f"{self.entrance}:{ports['grpc']}",
                },
                **spec,
            },
        }

    def create(self, **spec: Any) -> None:
        """The Secret, the resource, and NodePorts that clients know."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "chat-stores"},
            "stringData": dict(self._stores),
        }
        self.kube.kubectl.apply([secret, self.resource(**spec)], "-n", self.namespace)
        for service, ports in NODE_PORTS.items():
            until(f"Service chat-{service}", partial(self.find, "service", f"chat-{service}"))
            self._pin(f"chat-{service}", ports)

    def _pin(self, service: str, ports: Mapping[str, int]) -> None:
        found = self.get("service", service)["spec"]
        wanted = [{**port, "nodePort": ports[port["name"]]} for port in found["ports"]]
        # from any node: pods move
        patch = {"spec": {"ports": wanted}}
        self.kubectl("patch", "service", service, "--type=merge", "-p", json.dumps(patch))

    def patch(self, spec: Mapping[str, Any]) -> None:
        """Change the resource."""
        change = json.dumps({"spec": spec})
        self.kubectl("patch", "msgc", "chat", "--type=merge", "-p", change)

    # --- what is seen ---------------------------------------------------------------------------

    def kubectl(self, *arguments: str, timeout_s: float = 60.0) -> str:
        return self.kube.kubectl("-n", self.namespace, *arguments, timeout_s=timeout_s)

    def get(self, *what: str) -> Any:
        return self.kube.kubectl.get("-n", self.namespace, *what)

    def find(self, kind: str, name: str) -> Any:
        """None: it is not there."""
        text = self.kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def condition(self, kind: str) -> Object:
        """Empty: nothing is said of it."""
        found = (self.get("msgc", "chat").get("status") or {}).get("conditions") or ()
        return next((c for c in found if c["type"] == kind), {})

    def pods(self, tier: str) -> list[Object]:
        selector = f"app.kubernetes.io/instance=chat,messaging.signet.dev/tier={tier}"
        return list(self.get("pods", "-l", selector)["items"])

    def await_ready(self, within_s: float = PATIENCE_S) -> None:
        """All that is asked is there, and nothing is under way."""

        def settled() -> bool:
            asked = self.get("msgc", "chat")["metadata"]["generation"]
            ready, going = self.condition("Ready"), self.condition("Progressing")
            return (ready.get("status"), going.get("status")) == ("True", "False") and (
                ready.get("observedGeneration") == asked
            )

        try:
            until("the messenger is ready", settled, within_s)
        except NotYet as late:
            raise NotYet(f"{late}\n{self.told()}") from None

    def told(self) -> str:
        """What a person would look at when something does not come."""
        parts = [
            self.kubectl("get", "msgc,msgp,sts,pods,jobs", "-o", "wide"),
            self.kubectl("get", "msgc", "chat", "-o", "jsonpath={.status.conditions}"),
            self.kubectl("get", "events.events.k8s.io"),
            self.kube.kubectl("logs", "-n", SYSTEM, "-l", "app.kubernetes.io/name", "--tail=15"),
        ]
        return "\n".join(parts)

    # --- people ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def people(
        self, folder: Path, count: int = 12, rate: float = 8.0
    ) -> AsyncIterator["People"]:
        """They talk until the end of the block, outside of the cluster."""
        ledger = Ledger()
        with self.kube.network.entered():
            crowd = Crowd(
                people=count,
                processes=1,
                rate=rate,
                restarts=0.0,
                seed=7,
                folder=folder,
                server=f"http://{self.entrance}:{NODE_PORTS['api']['rest']}",
                ledger=ledger,
            )
            try:
                await crowd.enter()
                await crowd.greet()
                yield People(crowd, ledger)
            finally:
                await crowd.kill()


class People:
    """Those of one test."""

    def __init__(self, crowd: Crowd, ledger: Ledger) -> None:
        self.crowd, self.ledger = crowd, ledger

    def talk(self) -> None:
        self.crowd.talk()

    async def meanwhile(self, work: Callable[[], T]) -> T:
        """Do what blocks, while they talk."""
        return await asyncio.to_thread(work)

    async def end(self, patience_s: float = PATIENCE_S) -> Count:
        """They stop, catch up, say farewell. What it amounts to; nothing was lost."""
        await self.crowd.quiet()
        await self.crowd.caught_up(patience_s)
        await self.crowd.farewell()
        assert await self.crowd.caught_up(patience_s), self.ledger.missing()[:5]
        count = self.ledger.count(time.monotonic())
        assert count.good, [str(o) for o in self.ledger.offences(time.monotonic())][:5]
        assert not self.crowd.unexpected, self.crowd.unexpected[:5]
        return count
