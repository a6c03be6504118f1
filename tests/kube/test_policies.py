"""The admission policies of the operator's chart, installed by Helm, on a real API server.

A control plane of its own: the policies hold for all of it.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from signet_operator import apply
from signet_operator.names import (
    API_VERSION,
    INSTANCE_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    POOL_KIND,
    TIER_LABEL,
)
from tests.kube.applying import writer
from tests.kube.crd_cases import POOLS, pool
from tests.support.kube_objects import Object, Refused, Resources, patch_secret
from tests.support.lanes.helm import Releases, chart
from tests.support.lanes.kube import KubeApi, KubectlFailed
from tests.support.lanes.kube.fixtures import namespace as a_namespace
from tests.support.lanes.kube.kubectl import Kubectl

pytestmark = pytest.mark.lane("kube-api")

SYSTEM = "signet-system"
OPERATOR = f"system:serviceaccount:{SYSTEM}:signet-operator"
DRAINED_FIRST = (
    "the pods of chat-gateway are drained before they go, so the Signet operator alone makes it"
    " smaller. Edit spec.gateway.replicas of the MessagingCluster chat; or scale the MessagingPool"
    " chat-gateway where its mode is external"
)


@pytest.fixture(scope="module")
def guarded(own_kube_api: KubeApi) -> KubeApi:
    """A control plane with the chart."""
    kube = own_kube_api
    kube.kubectl("create", "namespace", SYSTEM)
    Releases(kube.kubeconfig, SYSTEM).install(chart("signet-operator"), "signet")
    return kube


@pytest.fixture
def namespace(guarded: KubeApi) -> Iterator[str]:
    with a_namespace(guarded) as name:
        yield name


def stateful_set(replicas: int, namespace: str, tier: str = "gateway") -> Object:
    labels = {INSTANCE_LABEL: "chat", TIER_LABEL: tier} if tier else {"app": "other"}
    container = {"name": "signet", "image": "localhost/nothing"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": f"chat-{tier or 'other'}", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "serviceName": "chat",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def as_operator(kube: KubeApi) -> Kubectl:
    return Kubectl([*kube.kubectl.program, "--as", OPERATOR], kube.kubectl.kubeconfig)


def until_refused(kube: KubeApi, *command: str) -> str:
    """A policy holds a moment after it was made. What is tried changes nothing (a dry run)."""
    deadline = time.monotonic() + 30
    while True:
        try:
            kube.kubectl(*command, "--dry-run=server")
        except KubectlFailed as refused:
            return str(refused)
        assert time.monotonic() < deadline, "nothing was refused"


# --- StatefulSets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("scale", "statefulset/chat-gateway", "--replicas=1"),
        ("scale", "statefulset/chat-gateway", "--replicas=0"),
        ("patch", "statefulset/chat-gateway", "-p", '{"spec": {"replicas": 2}}'),
        ("patch", "statefulset/chat-gateway", "-p", '{"spec": {"replicas": null}}'),
        (
            "patch",
            "statefulset/chat-gateway",
            "--subresource=scale",
            "--type=merge",
            "-p",
            '{"spec": {"replicas": 1}}',
        ),
    ],
    ids=["scale", "scale to nothing", "patch", "patch away", "patch the scale"],
)
def test_nobody_but_the_operator_makes_a_stateful_set_smaller(
    command: tuple[str, ...], guarded: KubeApi, namespace: str
) -> None:
    guarded.apply([stateful_set(3, namespace)])
    assert DRAINED_FIRST in until_refused(guarded, *command, "-n", namespace)
    with pytest.raises(KubectlFailed) as refused:
        guarded.kubectl(*command, "-n", namespace)
    assert DRAINED_FIRST in str(refused.value)
    smaller = ("patch", "statefulset/chat-gateway", "-p", '{"spec": {"replicas": 2}}')
    as_operator(guarded)(*smaller, "-n", namespace)
    left = guarded.kubectl.get("statefulset", "chat-gateway", "-n", namespace)
    assert left["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    "command",
    [
        ("scale", "statefulset/chat-gateway", "--replicas=4"),
        ("label", "statefulset/chat-gateway", "team=chat"),
        ("delete", "statefulset/chat-gateway"),
    ],
    ids=["larger", "label", "delete"],
)
def test_everything_else_may_be_done_to_it(
    command: tuple[str, ...], guarded: KubeApi, namespace: str
) -> None:
    guarded.apply([stateful_set(3, namespace)])
    guarded.kubectl(*command, "-n", namespace)


def test_without_its_labels_it_is_still_ours(guarded: KubeApi, namespace: str) -> None:
    """The selector cannot be changed; labels of the object can."""
    made = stateful_set(3, namespace)
    made["metadata"]["labels"] = {MANAGED_BY_LABEL: MANAGER}
    guarded.apply([made])
    guarded.kubectl("label", "statefulset/chat-gateway", f"{MANAGED_BY_LABEL}-", "-n", namespace)
    with pytest.raises(KubectlFailed, match="drained before they go"):
        guarded.kubectl("scale", "statefulset/chat-gateway", "--replicas=1", "-n", namespace)


def test_other_peoples_stateful_sets_are_theirs(guarded: KubeApi, namespace: str) -> None:
    guarded.apply([stateful_set(3, namespace, tier="")])
    guarded.kubectl("scale", "statefulset/chat-other", "--replicas=0", "-n", namespace)


# --- pools ----------------------------------------------------------------------------------------


def pool_object(namespace: str, **changed: Any) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": POOL_KIND,
        "metadata": {"name": "chat-gateway", "namespace": namespace},
        "spec": dict(pool(**changed)),
    }


def pools(kube: KubeApi, namespace: str, user: str = "") -> Resources:
    return Resources(kube.kubeconfig, POOLS, namespace, user)


FIXED = (
    "spec.replicas follows spec.gateway.replicas of the MessagingCluster chat"
    " (autoscaling.mode fixed): edit that"
)
BUILTIN = (
    "spec.replicas is written by the autoscaler that is built in (autoscaling.mode builtin): edit"
    " spec.gateway.autoscaling of the MessagingCluster chat"
)
BOUNDS = (
    "spec.mode, spec.minReplicas and spec.maxReplicas follow spec.gateway.autoscaling of the"
    " MessagingCluster chat: edit that"
)


@pytest.mark.parametrize(("mode", "words"), [("fixed", FIXED), ("builtin", BUILTIN)])
def test_in_modes_of_the_operator_its_replicas_are_the_operators(
    mode: str, words: str, guarded: KubeApi, namespace: str
) -> None:
    people, operator = pools(guarded, namespace), pools(guarded, namespace, OPERATOR)
    people.create(pool_object(namespace, mode=mode))
    with pytest.raises(Refused) as refused:
        people.merge("chat-gateway", {"spec": {"replicas": 3}})
    assert words in str(refused.value)
    operator.merge("chat-gateway", {"spec": {"replicas": 3}})
    assert people.get("chat-gateway")["spec"]["replicas"] == 3


@pytest.mark.parametrize(("mode", "words"), [("fixed", FIXED), ("builtin", BUILTIN)])
def test_the_same_by_the_scale_subresource(
    mode: str, words: str, guarded: KubeApi, namespace: str
) -> None:
    people = pools(guarded, namespace)
    people.create(pool_object(namespace, mode=mode))
    scale = ("scale", "msgp/chat-gateway", "--replicas=3", "-n", namespace)
    assert words in until_refused(guarded, *scale)
    with pytest.raises(Refused) as refused:
        people.scale("chat-gateway", 0)
    assert words in str(refused.value)


def test_in_mode_external_anybody_scales(guarded: KubeApi, namespace: str) -> None:
    people = pools(guarded, namespace)
    people.create(pool_object(namespace))
    people.scale("chat-gateway", 3)
    people.merge("chat-gateway", {"spec": {"replicas": 0}})
    guarded.kubectl("scale", "msgp/chat-gateway", "--replicas=1", "-n", namespace)
    assert people.get("chat-gateway")["spec"]["replicas"] == 1


def test_a_pool_of_another_mode_beside_it_changes_nothing(guarded: KubeApi, namespace: str) -> None:
    """The pools of the namespace are the policy's parameters: each speaks for itself alone."""
    people = pools(guarded, namespace)
    people.create(pool_object(namespace))
    other = pool_object(namespace, tier="router", mode="fixed")
    other["metadata"]["name"] = "chat-router"
    people.create(other)
    until_refused(guarded, "scale", "msgp/chat-router", "--replicas=3", "-n", namespace)
    people.scale("chat-gateway", 3)


@pytest.mark.parametrize("change", [{"mode": "fixed"}, {"minReplicas": 2}, {"maxReplicas": 9}])
def test_whatever_else_a_pool_says_is_the_clusters(
    change: Object, guarded: KubeApi, namespace: str
) -> None:
    people, operator = pools(guarded, namespace), pools(guarded, namespace, OPERATOR)
    people.create(pool_object(namespace))
    with pytest.raises(Refused) as refused:
        people.merge("chat-gateway", {"spec": change})
    assert BOUNDS in str(refused.value)
    operator.merge("chat-gateway", {"spec": change})


def test_labels_of_a_pool_are_anybodys(guarded: KubeApi, namespace: str) -> None:
    people = pools(guarded, namespace)
    people.create(pool_object(namespace, mode="fixed"))
    people.merge("chat-gateway", {"metadata": {"labels": {"team": "chat"}}})


def test_an_autoscaler_of_kubernetes_is_told_which_field_is_wrong(
    guarded: KubeApi, namespace: str
) -> None:
    """In mode fixed a HorizontalPodAutoscaler says in its own conditions what to edit."""
    people = pools(guarded, namespace)
    people.create(pool_object(namespace, mode="fixed", replicas=5, maxReplicas=9))
    people.merge_status("chat-gateway", {"status": {"replicas": 5, "selector": "a=b"}})
    guarded.apply([autoscaler(namespace, most=3)])
    until(lambda: FIXED in str(conditions_of_autoscaler(guarded, namespace)))
    assert people.get("chat-gateway")["spec"]["replicas"] == 5


def test_an_autoscaler_of_kubernetes_scales_a_pool_of_mode_external(
    guarded: KubeApi, namespace: str
) -> None:
    people = pools(guarded, namespace)
    people.create(pool_object(namespace, replicas=5, maxReplicas=9))
    people.merge_status("chat-gateway", {"status": {"replicas": 5, "selector": "a=b"}})
    guarded.apply([autoscaler(namespace, most=3)])
    until(lambda: people.get("chat-gateway")["spec"]["replicas"] == 3)


def autoscaler(namespace: str, most: int) -> Object:
    """It needs no metrics to bring the replicas below its own maximum."""
    target = {"apiVersion": API_VERSION, "kind": POOL_KIND, "name": "chat-gateway"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": most},
    }


def conditions_of_autoscaler(kube: KubeApi, namespace: str) -> Any:
    found = kube.kubectl.get("hpa", "chat", "-n", namespace)
    return found.get("status", {}).get("conditions", [])


def until(holds: Any, within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)


# --- the operator's own secrets -------------------------------------------------------------------


SECRET_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def secret(name: str, namespace: str, *, ours: bool) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGER if ours else "people"},
        },
        "stringData": {"url": "postgresql://signet:word@db/signet"},
    }


def test_the_operator_makes_secrets_and_renews_them_and_reads_none(
    guarded: KubeApi, namespace: str
) -> None:
    operator = as_operator(guarded)
    operator.apply([secret("chat-gateway-tls", namespace, ours=True)])
    operator.apply([secret("chat-gateway-tls", namespace, ours=True)], "--force-conflicts")
    assert {
        verb: _may(guarded, verb, namespace) for verb in ("get", "list", "watch", "delete")
    } == {
        "get": "no",
        "list": "no",
        "watch": "no",
        "delete": "no",
    }


def _may(kube: KubeApi, verb: str, namespace: str) -> str:
    try:
        asked = ("auth", "can-i", verb, "secrets", "-n", namespace)
        return kube.kubectl(*asked, "--as", OPERATOR).strip()
    except KubectlFailed:  # kubectl's exit status for "no"
        return "no"


def test_a_patch_of_another_secret_answers_nothing(guarded: KubeApi, namespace: str) -> None:
    """An empty patch would hand out the whole of it."""
    guarded.apply([secret("stores", namespace, ours=False)])
    marked = {"metadata": {"labels": {MANAGED_BY_LABEL: MANAGER}}}
    for change in ({}, marked):
        with pytest.raises(Refused) as refused:
            patch_secret(guarded.kubeconfig, OPERATOR, namespace, "stores", change)
        assert "the operator writes no Secret that it has not made" in str(refused.value)
        assert "word" not in str(refused.value)


async def test_whether_a_secret_of_its_own_was_touched_is_seen_without_its_content(
    guarded: KubeApi, namespace: str
) -> None:
    guarded.apply([secret("stores", namespace, ours=False)])
    as_operator(guarded).apply([secret("chat-gateway-tls", namespace, ours=True)])
    async with writer(guarded, namespace, user=OPERATOR) as by:
        found = await by.calls.look_at("Secret", namespace, "chat-gateway-tls")
        assert set(found) == {"kind", "apiVersion", "metadata"}
        assert found["metadata"]["managedFields"]
        with pytest.raises(apply.Refused, match="writes no Secret that it has not made"):
            await by.calls.look_at("Secret", namespace, "stores")
        with pytest.raises(apply.Conflict):
            await by.calls.look_at("Secret", namespace, "nothing")


def test_the_operator_makes_no_secret_that_is_not_marked_as_its_own(
    guarded: KubeApi, namespace: str
) -> None:
    with pytest.raises(KubectlFailed, match="writes no Secret that it has not made"):
        as_operator(guarded).apply([secret("mine", namespace, ours=False)])


def test_secrets_of_people_are_theirs(guarded: KubeApi, namespace: str) -> None:
    guarded.apply([secret("stores", namespace, ours=False)])
    guarded.kubectl("delete", "secret", "stores", "-n", namespace)
