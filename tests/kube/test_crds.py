"""The CRDs on a real API server: every rule, defaults, scale, server-side apply."""

from collections.abc import Iterator
from typing import Any

import pytest

from signet_operator.names import API_VERSION, CLUSTER_KIND, POOL_KIND, Tier
from signet_operator.reading import read
from signet_operator.spec import Autoscaling, Drain
from tests.kube.crd_cases import CASES, CLUSTERS, POOLS, Case, pool
from tests.support.crds import CRDS, cluster, nodes, schema, stored
from tests.support.kube_objects import Object, Refused, Resources
from tests.support.lanes.kube import KubeApi, KubectlFailed

lane = pytest.mark.lane("kube-api")


@pytest.fixture(scope="session")
def with_crds(kube_api: KubeApi) -> KubeApi:
    kube_api.kubectl("apply", "--server-side", "-f", str(CRDS), "--force-conflicts")
    kube_api.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    return kube_api


@pytest.fixture(scope="session")
def shared_namespace(with_crds: KubeApi) -> str:
    """For what is only tried."""
    with_crds.kubectl("create", "namespace", "tried")
    return "tried"


@pytest.fixture
def clusters(with_crds: KubeApi, kube_api_namespace: str) -> Resources:
    return Resources(with_crds.kubeconfig, CLUSTERS, kube_api_namespace)


@pytest.fixture
def pools(with_crds: KubeApi, kube_api_namespace: str) -> Resources:
    return Resources(with_crds.kubeconfig, POOLS, kube_api_namespace)


def pool_object(name: str, spec: Any) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": POOL_KIND,
        "metadata": {"name": name},
        "spec": dict(spec),
    }


def resource(case: Case, name: str, spec: Any) -> Object:
    if case.plural == POOLS:
        return pool_object(name, spec)
    made = cluster(name, **spec)
    del made["metadata"]["namespace"]
    return made


@pytest.fixture(scope="session")
def apis(with_crds: KubeApi, shared_namespace: str) -> dict[str, Resources]:
    return {
        plural: Resources(with_crds.kubeconfig, plural, shared_namespace)
        for plural in (CLUSTERS, POOLS)
    }


@pytest.fixture
def before(request: pytest.FixtureRequest, apis: dict[str, Resources]) -> Iterator[None]:
    """What the case's objects are a change of."""
    case: Case = request.getfixturevalue("case")
    if case.before is None:
        yield
        return
    name = case.name or "chat"
    apis[case.plural].create(resource(case, name, case.before))
    yield
    apis[case.plural].delete(name)


def test_every_rule_has_a_case() -> None:
    rules = {
        (plural, path, rule["message"])
        for plural in (CLUSTERS, POOLS)
        for path, part in nodes(schema(plural))
        for rule in part.get("x-kubernetes-validations", ())
    }
    covered = {
        rule
        for rule in rules
        for case in CASES
        if (case.plural, case.path) == rule[:2] and case.words in rule[2]
    }
    assert rules - covered == set()
    assert len(covered) > 40


@lane
@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_accepts_and_refuses_with_its_message(
    case: Case, apis: dict[str, Resources]
) -> None:
    api, name = apis[case.plural], case.name or "chat"
    good = resource(case, name, case.accepted)
    bad = resource(case, case.refused_name or name, case.refused)
    if case.before is None:
        api.create(good, tried=True)
        with pytest.raises(Refused) as refused:
            api.create(bad, tried=True)
    else:
        api.merge(name, good, tried=True)
        with pytest.raises(Refused) as refused:
            api.merge(name, bad, tried=True)
    assert case.words in str(refused.value)


@lane
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"gateway": {"replicas": 0}}, "should be greater than or equal to 1"),
        ({"gateway": {"replicas": 1001}}, "should be less than or equal to 1000"),
        ({"gateway": {"topology": {"zones": "Sometimes"}}}, "Unsupported value"),
        ({"gateway": {"resources": {"requests": {"cpu": "a lot"}}}}, "should match"),
        ({"version": "latest"}, "should match"),
        ({"image": {"digests": {"keys": "sha256:abc"}}}, "should match"),
        ({"stores": {"inbox": {"url": "cassandra://c/signet"}}}, "spec.stores.directory: Required"),
        ({"exposure": {"wildcard": "chat.example"}}, "should match"),
        ({"certificates": {"lifetimeSeconds": 90.5}}, "must be of type integer"),
    ],
)
def test_what_the_schema_refuses(
    spec: dict[str, Any], words: str, apis: dict[str, Resources]
) -> None:
    with pytest.raises(Refused) as refused:
        apis[CLUSTERS].create(cluster(namespace="tried", **spec), tried=True)
    assert words in str(refused.value)


@lane
def test_host_network_service_accounts_and_privileges_are_nothing_that_a_pod_may_be_given(
    apis: dict[str, Resources],
) -> None:
    asked = {"hostNetwork": True, "serviceAccountName": "root", "securityContext": {}}
    made = apis[CLUSTERS].create(cluster(namespace="tried", gateway={"pod": asked}), tried=True)
    assert made["spec"]["gateway"]["pod"] == {}


@lane
def test_twenty_lines_become_a_whole_cluster(clusters: Resources) -> None:
    made = clusters.create(cluster(namespace=clusters.namespace))
    assert made["spec"] == stored()["spec"]  # the API server fills in what the tests' own does
    spec = read(made)
    assert spec.tiers[Tier.GATEWAY].autoscaling == Autoscaling()
    assert spec.tiers[Tier.ROUTER].drain == Drain()
    assert spec.generation == 1


@lane
def test_status_is_written_apart_from_the_spec_and_keeps_what_the_operator_notes(
    clusters: Resources,
) -> None:
    clusters.create(cluster(namespace=clusters.namespace))
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "AllReady",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {"conditions": [ready], "memory": {"rolled": {"gateway": 3}}, "observedGeneration": 1}
    clusters.merge_status("chat", {"status": status, "spec": {"serverName": "other.example"}})
    made = clusters.get("chat")
    assert made["status"] == status
    assert made["spec"]["serverName"] == "chat.example"
    assert made["metadata"]["generation"] == 1


@lane
def test_kubectl_scales_a_pool_and_an_autoscaler_reads_it(
    pools: Resources, with_crds: KubeApi
) -> None:
    pools.create(pool_object("chat-gateway", pool()))
    selector = "messaging.signet.dev/tier=gateway"
    pools.merge_status("chat-gateway", {"status": {"replicas": 2, "selector": selector}})
    with_crds.kubectl("scale", "msgp/chat-gateway", "--replicas=3", "-n", pools.namespace)
    scale = with_crds.kubectl.get(
        "msgp", "chat-gateway", "-n", pools.namespace, "--subresource=scale"
    )
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": selector}


@lane
def test_an_autoscaler_may_write_0(pools: Resources) -> None:
    pools.create(pool_object("chat-gateway", pool()))
    pools.scale("chat-gateway", 0)
    assert pools.get("chat-gateway")["spec"]["replicas"] == 0


@lane
def test_what_was_applied_is_owned_and_others_are_told(
    clusters: Resources, with_crds: KubeApi
) -> None:
    asked = cluster(namespace=clusters.namespace, gateway={"replicas": 3})
    with_crds.kubectl.apply([asked], "--field-manager=people")
    other = cluster(namespace=clusters.namespace, gateway={"replicas": 4})
    with pytest.raises(KubectlFailed, match=r"conflict.*\n?.*gateway.replicas"):
        with_crds.kubectl.apply([other], "--field-manager=others")
    with_crds.kubectl.apply([asked], "--field-manager=people")
    assert clusters.get("chat")["spec"]["gateway"]["replicas"] == 3


@lane
def test_a_pools_replicas_stay_when_another_manager_owned_them_first(
    pools: Resources, with_crds: KubeApi
) -> None:
    """fixed → external: the operator applies the pool without them; an autoscaler wrote last."""
    where = {"namespace": pools.namespace}
    asked = pool_object("chat-gateway", pool())
    asked["metadata"] |= where
    without = {**asked, "spec": {k: v for k, v in asked["spec"].items() if k != "replicas"}}
    with_crds.kubectl.apply([without], "--field-manager=signet-operator")
    only = {**asked, "spec": {"replicas": 2}}
    manager = "--field-manager=signet-operator-replicas"
    with_crds.kubectl.apply([only], manager, "--validate=false")
    pools.scale("chat-gateway", 3)
    with_crds.kubectl.apply([without], "--field-manager=signet-operator")
    assert pools.get("chat-gateway")["spec"]["replicas"] == 3


@lane
def test_kubectl_shows_what_a_person_looks_for(clusters: Resources, with_crds: KubeApi) -> None:
    clusters.create(cluster(namespace=clusters.namespace))
    clusters.merge_status("chat", {"status": {"phase": "Ready", "ready": "7/7"}})
    shown = with_crds.kubectl("get", "msgc", "-n", clusters.namespace)
    assert shown.split()[:5] == ["NAME", "VERSION", "PHASE", "PODS", "GATEWAYS"]
    assert "7/7" in shown
    explained = with_crds.kubectl("explain", f"{CLUSTER_KIND.lower()}.spec.gateway.drain")
    assert "deadlineSeconds" in explained
