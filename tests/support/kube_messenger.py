"""A messenger on Kubernetes as its users have it: the operator by its chart, one MessagingCluster.

Clients are outside of the cluster: in the lane's network, from which NodePorts are reached.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from tests.support.lanes import helm
from tests.support.lanes.kube import Kube, KubectlFailed, images

Object = dict[str, Any]
T = TypeVar("T")

VERSION = "0.1.0"
SYSTEM, OPERATOR = "signet-system", "signet"
NODE_PORTS = {
    "clients": {"websocket": 30410, "grpc": 30411},
    "api": {"rest": 30412, "grpc": 30413},
}
PATIENCE_S = 240.0  # for what takes seconds on a quiet machine
SMALL = {"requests": {"cpu": "150m", "memory": "32Mi"}, "limits": {"memory": "1Gi"}}
STORES = ("inbox", "directory", "members", "presence", "limits", "events")
RATE = 2  # reconnects a second that a draining gateway may ask for


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


@contextmanager
def operator(kube: Kube) -> Iterator[helm.Releases]:
    """Installed by its chart, with the image of this working tree; both replicas are ready.

    The release is `OPERATOR`.
    """
    repository, _, tag = images.name("operator").rpartition(":")
    kube.kubectl("create", "namespace", SYSTEM)
    kube.await_account(SYSTEM)
    releases = helm.Releases(kube.kubectl.kubeconfig, SYSTEM)
    releases.install(
        helm.chart("signet-operator"),
        OPERATOR,
        {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "leader": {"leaseSeconds": 5},
            "reconcile": {"lookSeconds": 2},
        },
    )
    try:
        wait = ("rollout", "status", "-n", SYSTEM, "deploy", f"--timeout={PATIENCE_S:.0f}s")
        try:
            kube.kubectl(*wait, timeout_s=PATIENCE_S + 10)
        except KubectlFailed as late:
            raise NotYet(f"{late}\n{system(kube)}") from None
        yield releases
    finally:
        releases.uninstall(OPERATOR)
        releases.close()
        kube.kubectl("delete", "namespace", SYSTEM, "--wait=false")


def system(kube: Kube) -> str:
    """What the operators do and say."""
    pods = kube.kubectl("get", "pods", "-n", SYSTEM, "-o", "wide")
    return pods + kube.kubectl(
        "logs", "-n", SYSTEM, "-l", "app.kubernetes.io/name=signet-operator", "--tail=15"
    )


def leader(kube: Kube) -> str:
    """The operators' pod that holds the lease; '' nobody."""
    found = kube.kubectl.get("lease", "-n", SYSTEM)["items"]
    return str(found[0]["spec"].get("holderIdentity") or "") if found else ""


class Messenger:
    """The MessagingCluster `chat` of a namespace, and what is seen of it."""

    def __init__(self, kube: Kube, namespace: str, stores: Mapping[str, str]) -> None:
        self.kube, self.namespace, self._stores = kube, namespace, stores
        self.entrance = kube.nodes[0].address
        self.rest = f"http://{self.entrance}:{NODE_PORTS['api']['rest']}"

    # --- what is asked --------------------------------------------------------------------------

    def resource(self, **spec: Any) -> Object:
        """Small pods, stores from a Secret; `spec` wins."""
        repository = images.name("gateway").rpartition("-gateway")[0]
        ports = NODE_PORTS["clients"]
        tier = {"resources": SMALL, "drain": {"deadlineSeconds": 60, "ratePerSecond": RATE}}
        return {
            "apiVersion": "messaging.signet.dev/v1alpha1",
            "kind": "MessagingCluster",
            "metadata": {"name": "chat"},
            "spec": {
                "version": VERSION,
                "serverName": "chat.test",
                "shards": 64,
                "image": {"repository": repository, "tag": images.TAG, "pullPolicy": "Never"},
                "stores": {s: {"secretRef": {"name": "chat-stores", "key": s}} for s in STORES},
                "gateway": {"replicas": 3, **tier},
                "router": {"replicas": 2, "resources": SMALL, "drain": {"deadlineSeconds": 60}},
                "keys": {"replicas": 1, "resources": SMALL, "drain": {"deadlineSeconds": 30}},
                "push": {"replicas": 1, "resources": SMALL},
                "registration": {"registrationsAnHour": 100_000, "loginsAMinute": 100_000},
                "exposure": {
                    "serviceType": "NodePort",
                    "websocket": f"ws://{self.entrance}:{ports['websocket']}/v1/connect",
                    "grpc": f"{self.entrance}:{ports['grpc']}",
                },
                **spec,
            },
        }

    def create(self, **spec: Any) -> None:
        """The resource, and NodePorts that clients know (one messenger at a time)."""
        self._prepare()
        self.kube.kubectl.apply([self.resource(**spec)], "-n", self.namespace)
        try:
            for service, ports in NODE_PORTS.items():
                until(f"Service chat-{service}", partial(self.find, "service", f"chat-{service}"))
                self._pin(f"chat-{service}", ports)
        except NotYet as late:
            raise NotYet(f"{late}\n{self.told()}") from None

    @contextmanager
    def installed(self, **spec: Any) -> Iterator[helm.Releases]:
        """By its chart, as the release `chat`, which is uninstalled in the end."""
        self._prepare()
        releases = helm.Releases(self.kube.kubectl.kubeconfig, self.namespace)
        try:
            values = {"spec": self.resource(**spec)["spec"]}
            releases.install(helm.chart("signet"), "chat", values)
            yield releases
            releases.uninstall("chat")
        finally:
            releases.close()

    def _prepare(self) -> None:
        """The namespace, and the Secret with the stores."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "chat-stores"},
            "stringData": dict(self._stores),
        }
        self.kube.kubectl("create", "namespace", self.namespace)
        self.kube.await_account(self.namespace)
        self.kube.kubectl.apply([secret], "-n", self.namespace)

    def _pin(self, service: str, ports: Mapping[str, int]) -> None:
        """Node ports that are known; the operator lets them be, since it asks for none."""
        found = self.get("service", service)["spec"]
        wanted = [{**port, "nodePort": ports[port["name"]]} for port in found["ports"]]
        patch = json.dumps({"spec": {"ports": wanted}})
        self.kubectl("patch", "service", service, "--type=merge", "-p", patch)

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

    def events(self, reason: str) -> list[Object]:
        """Those of this namespace, the oldest first."""
        found = self.get("events.events.k8s.io")["items"]
        return [event for event in found if event.get("reason") == reason]

    def await_ready(self, gateways: int | None = None, within_s: float = PATIENCE_S) -> None:
        """All that is asked is there, and nothing is under way."""

        def settled() -> bool:
            asked = self.get("msgc", "chat")["metadata"]["generation"]
            ready, going = self.condition("Ready"), self.condition("Progressing")
            if (ready.get("status"), going.get("status")) != ("True", "False"):
                return False
            enough = gateways is None or len(self.pods("gateway")) == gateways
            return enough and ready.get("observedGeneration") == asked

        self.until("the messenger is ready", settled, within_s)

    def until(self, what: str, look: Callable[[], T], within_s: float = PATIENCE_S) -> T:
        """As `until`; what does not come is shown with all that is to be seen."""
        try:
            return until(what, look, within_s)
        except NotYet as late:
            raise NotYet(f"{late}\n{self.told()}") from None

    def told(self) -> str:
        """What a person would look at when something does not come."""
        parts = [
            self.kubectl("get", "msgc,msgp,sts,pods,jobs,hpa", "-o", "wide"),
            self.kubectl("get", "msgc", "chat", "--ignore-not-found", "-o", "jsonpath={.status}"),
            self.kubectl("get", "events.events.k8s.io"),
            self._said(),
            system(self.kube),
        ]
        return "\n".join(parts)

    def _said(self) -> str:
        """By pods that are not ready."""
        parts = []
        for tier in ("gateway", "router", "keys", "push"):
            for pod in self.pods(tier):
                states = pod.get("status", {}).get("containerStatuses") or ()
                if not all(state["ready"] for state in states):
                    name = pod["metadata"]["name"]
                    with suppress(KubectlFailed):  # it has not begun
                        parts.append(f"--- {name}\n{self.kubectl('logs', name, '--tail=10')}")
        return "\n".join(parts)
