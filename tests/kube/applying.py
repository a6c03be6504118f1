"""One cluster on a real API server, and what this operator's `Writer` does with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from kubernetes.aio import client, config

from signet_operator import desired
from signet_operator.apply import Key, Refusal, Unavailable, Writer, Written
from signet_operator.observe import Children, observe
from signet_operator.observed import Observed
from signet_operator.reading import read
from signet_operator.spec import ClusterSpec
from tests.support.crds import CRDS, cluster
from tests.support.lanes.kube import KubeApi, KubectlFailed

CALL_S = 30.0  # of a busy machine
LIVE_KINDS = ("MessagingPool", "StatefulSet")


def install(kube: KubeApi) -> None:
    """The CRDs, if they are not there yet."""
    kube.kubectl("apply", "--server-side", "-f", str(CRDS), "--force-conflicts")
    kube.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    deadline = time.monotonic() + 60
    for kind in ("messagingclusters", "messagingpools"):
        while not _listed(kube, kind):  # "storage is (re)initializing", for a moment
            assert time.monotonic() < deadline


def _listed(kube: KubeApi, kind: str) -> bool:
    try:
        kube.kubectl("get", kind, "-A")
    except KubectlFailed:
        return False
    return True


@pytest.fixture(scope="module", autouse=True)
def crds(kube_api: KubeApi) -> None:
    """In a module that imports it: its resources can be made."""
    install(kube_api)


@pytest.fixture
def blue(kube_api: KubeApi, kube_api_namespace: str) -> "OneCluster":
    """A cluster that nobody has looked at yet."""
    return OneCluster.create(kube_api, kube_api_namespace)


@pytest.fixture
async def by(kube_api: KubeApi, kube_api_namespace: str) -> AsyncIterator[Writer]:
    """The operator's writer; its own namespace is the cluster's."""
    async with writer(kube_api, kube_api_namespace) as made:
        yield made


@asynccontextmanager
async def writer(
    kube: KubeApi,
    namespace: str,
    leads: Callable[[], bool] = lambda: True,
    call_s: float = CALL_S,
    user: str = "",
) -> AsyncIterator[Writer]:
    """As a process of its own would have one; by default it may do everything."""
    made = client.Configuration()
    await config.load_kube_config(str(kube.kubeconfig), client_configuration=made)  # type: ignore[no-untyped-call]
    api = client.ApiClient(made)
    if user:
        api.set_default_header("Impersonate-User", user)  # type: ignore[no-untyped-call]
    try:
        yield Writer(api, leads, call_s=call_s, instance="test", namespace=namespace)
    finally:
        await api.close()  # type: ignore[no-untyped-call]


@dataclass
class OneCluster:
    """`spec` is as the API server has defaulted it. `kube` changes things by hand."""

    kube: KubeApi
    namespace: str
    resource: Mapping[str, Any]
    spec: ClusterSpec

    @staticmethod
    def create(kube: KubeApi, namespace: str, **spec: Any) -> "OneCluster":
        kube.apply([cluster("blue", namespace, **spec)])
        made = kube.kubectl.get("messagingcluster", "blue", "-n", namespace)
        return OneCluster(kube, namespace, made, read(made))

    def change(self, **spec: Any) -> None:
        """By a person."""
        changed = OneCluster.create(self.kube, self.namespace, **spec)
        self.resource, self.spec = changed.resource, changed.spec

    async def live(self, by: Writer) -> dict[Key, Any]:
        return dict(await by.objects.survey(self.spec))

    def seen(self, live: Mapping[Key, Any]) -> Observed:
        """As if the stores had their tables."""
        found = {kind: tuple(o for k, o in live.items() if k[0] == kind) for kind in LIVE_KINDS}
        children = Children(pools=found["MessagingPool"], sets=found["StatefulSet"])
        return replace(observe(self.resource, children, {}), schema="0.1")

    async def apply(self, by: Writer) -> Written | Refusal:
        """One look, as far as objects go."""
        live = await self.live(by)
        seen = self.seen(live)
        return await by.objects.apply(self.spec, desired.objects(self.spec, seen), live)

    async def settle(self, by: Writer) -> None:
        """Until there is nothing to do; what was made by a create is then applied once."""
        for _ in range(3):
            done = await self.apply(by)
            assert isinstance(done, Written), done
            if done == Written():
                return
        raise AssertionError(f"it does not settle: {done}")

    async def settle_when_it_answers(self, by: Writer) -> None:
        """An API that has just started refuses for a moment: its caches are not filled."""
        async with asyncio.timeout(CALL_S):
            while True:
                try:
                    return await self.settle(by)
                except Unavailable:
                    await asyncio.sleep(0.5)

    def get(self, kind: str, name: str) -> Any:
        return self.kube.kubectl.get(kind, name, "-n", self.namespace)

    def by_kind(self, kind: str) -> list[Any]:
        found: list[Any] = self.kube.kubectl.get(kind, "-n", self.namespace)["items"]
        return found

    def by_hand(self, *arguments: str, given: str = "") -> str:
        return self.kube.kubectl(*arguments, "-n", self.namespace, given=given)
