"""Three gateways become one under load, whoever asks: first they are empty, then they are gone.

Where the cluster itself asks: test_operators.py, in which operators die or are late besides.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.kube_messenger import Messenger
from tests.support.kube_metrics import MetricsApi
from tests.support.kube_people import people
from tests.support.kube_sight import Sight, drained_at_its_pace, watched

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(420)]


@pytest.fixture
def external(chat: Messenger) -> Iterator[Messenger]:
    """Its gateways are others' to scale."""
    scaling = {"mode": "external", "minReplicas": 1, "maxReplicas": 3}
    chat.patch({"gateway": {"autoscaling": scaling}})
    chat.await_ready(gateways=3)
    yield chat
    chat.patch({"gateway": {"autoscaling": {"mode": "fixed"}, "replicas": 3}})


async def scaled_in(chat: Messenger, folder: Path, ask: Callable[[], object]) -> Sight:
    """From three to one, while people talk; they lose nothing."""
    async with people(chat, folder) as some:
        await some.talk_on()
        with watched(chat) as sight:
            await some.meanwhile(ask)
            await some.meanwhile(lambda: chat.await_ready(gateways=1))
            await some.talk_on()
    return sight


async def test_by_kubectl_scale(external: Messenger, tmp_path: Path) -> None:
    def ask() -> None:
        external.kubectl("scale", "msgp", "chat-gateway", "--replicas=1")

    drained_at_its_pace(await scaled_in(external, tmp_path, ask))


async def test_by_an_autoscaler_of_kubernetes(external: Messenger, tmp_path: Path) -> None:
    with MetricsApi(external.kube) as metrics:
        metrics.memory_mib = 300  # of all gateways together
        external.kube.kubectl.apply([autoscaler()], "-n", external.namespace)
        try:
            external.until("the autoscaler sees them", lambda: able(external))

            def ask() -> None:
                metrics.memory_mib = 90

            drained_at_its_pace(await scaled_in(external, tmp_path, ask))
        finally:
            external.kubectl("delete", "hpa", "gateways")


def autoscaler() -> dict[str, object]:
    """A pod for each 100 MiB."""
    resource = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "gateways"},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "messaging.signet.dev/v1alpha1",
                "kind": "MessagingPool",
                "name": "chat-gateway",
            },
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": resource}],
        },
    }


def able(chat: Messenger) -> bool:
    """Whether it has metrics of the pods, by its own word."""
    text = chat.kubectl("get", "hpa", "gateways", "-o", "jsonpath={.status.conditions}")
    said = {one["type"]: one["status"] for one in json.loads(text or "[]")}
    return said.get("ScalingActive") == "True"
