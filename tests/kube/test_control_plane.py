"""The lane of the control plane: what later tests rely upon."""

import json
import time

import pytest

from tests.support.lanes.kube import KubeApi, KubectlFailed
from tests.support.lanes.kube.programs import VERSION

pytestmark = pytest.mark.lane("kube-api")  # the nearest mark counts


def config_map(name: str, namespace: str) -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}


def pods(count: int, namespace: str) -> dict[str, object]:
    labels = {"app": "fleet"}
    container = {"name": "nothing", "image": "localhost/nothing"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "fleet", "namespace": namespace},
        "spec": {
            "replicas": count,
            "serviceName": "fleet",
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def test_it_is_the_version_that_the_lane_says(kube_api: KubeApi) -> None:
    assert json.loads(kube_api.kubectl("get", "--raw", "/version"))["gitVersion"] == f"v{VERSION}"


def test_what_is_applied_is_there_also_after_the_api_was_away(
    kube_api: KubeApi, kube_api_namespace: str
) -> None:
    kube_api.apply([config_map("kept", kube_api_namespace)])
    with kube_api.without_api(), pytest.raises(KubectlFailed, match="refused"):
        kube_api.kubectl("get", "configmap", "kept", "-n", kube_api_namespace)
    kept = kube_api.kubectl.get("configmap", "kept", "-n", kube_api_namespace)
    assert kept["data"] == {"a": "b"}


@pytest.mark.lane("kwok")
def test_pods_are_ready_on_nodes_that_run_nothing(
    kube_api: KubeApi, kube_api_namespace: str
) -> None:
    kube_api.fake_nodes(2)
    kube_api.apply([pods(20, kube_api_namespace)])
    deadline = time.monotonic() + 60
    ready = 0
    while ready < 20:
        assert time.monotonic() < deadline, f"{ready} are ready"
        found = kube_api.kubectl.get("statefulset", "fleet", "-n", kube_api_namespace)
        ready = found["status"].get("readyReplicas", 0)
    names = {"fake-0", "fake-1"}
    listed = kube_api.kubectl.get("pods", "-n", kube_api_namespace)["items"]
    assert {pod["spec"]["nodeName"] for pod in listed} == names
