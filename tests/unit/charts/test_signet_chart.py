"""What the chart of a messenger makes of its values."""

from typing import Any

import pytest

from signet_operator import names
from signet_operator.names import Tier
from signet_operator.reading import read
from tests.support.crds import STORES, defaulted, schema
from tests.support.lanes.helm import HelmFailed, chart, lint, render

pytestmark = pytest.mark.lane("helm")

CHART = "signet"
Object = dict[str, Any]
SPEC = {"serverName": "chat.example", "stores": STORES}
DEV = {"dev": {"enabled": True}}
DEV_STORES = ("cassandra", "kafka", "postgres", "valkey")


def objects(kind: str, values: Object, release: str = "chat") -> list[Object]:
    return [found for found in render(CHART, values, release) if found["kind"] == kind]


def cluster(values: Object, release: str = "chat") -> Object:
    (found,) = objects(names.CLUSTER_KIND, values, release)
    return found


def test_lint_finds_nothing() -> None:
    assert lint(chart(CHART), {"spec": SPEC}) == []
    assert lint(chart(CHART), DEV) == []


def test_the_spec_is_the_clusters_as_it_is() -> None:
    asked = {**SPEC, "gateway": {"replicas": 5}, "shards": 64}
    made = cluster({"spec": asked})
    assert made["metadata"]["name"] == "chat"
    assert made["spec"] == {**asked, "version": "0.1.0"}


def test_the_version_may_be_said() -> None:
    assert cluster({"spec": {**SPEC, "version": "0.2.0"}})["spec"]["version"] == "0.2.0"


def test_without_dev_there_is_nothing_but_the_cluster_and_its_test() -> None:
    kinds = {found["kind"] for found in render(CHART, {"spec": SPEC}, "chat")}
    assert kinds == {names.CLUSTER_KIND, "Pod"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "spec.serverName must be said"),
        ({"spec": {"serverName": "chat.example"}}, "spec.stores must name the stores"),
        ({"spec": {**SPEC, "gatway": {"replicas": 3}}}, "gatway"),
        ({"spec": {**SPEC, "gateway": {"replicas": "3"}}}, "replicas"),
        ({"spec": {**SPEC, "gateway": {"pod": {"hostNetwork": True}}}}, "hostNetwork"),
        ({"spec": {**SPEC, "limits": {"sendRate": 0}}}, "sendRate"),
        ({"name": "A-Cluster", "spec": SPEC}, "name"),
        ({"dev": {"enable": True}}, "enable"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(values: Object, words: str) -> None:
    with pytest.raises(HelmFailed, match=words):
        render(CHART, values)


# --- for trying out ------------------------------------------------------------------------------


def test_dev_brings_every_store_that_a_cluster_needs() -> None:
    made = cluster(DEV)
    stores = made["spec"]["stores"]
    assert set(stores) >= set(STORES)
    stored = defaulted(made, schema("messagingclusters"))
    stored["metadata"] |= {"uid": "u", "generation": 1}
    assert set(read(stored).tiers) == set(Tier)


def test_a_store_that_is_named_is_taken_instead() -> None:
    ours = {"secretRef": {"name": "real", "key": "url"}}
    stores = cluster({**DEV, "spec": {"stores": {"inbox": ours}}})["spec"]["stores"]
    assert stores["inbox"] == ours
    assert stores["members"] == {"url": "redis://chat-dev-valkey:6379/0"}


def test_every_url_of_dev_is_a_service_and_its_port() -> None:
    doors = {
        f"{found['metadata']['name']}:{port['port']}"
        for found in objects("Service", DEV)
        for port in found["spec"]["ports"]
    }
    assert doors == {
        "chat-dev-cassandra:9042",
        "chat-dev-kafka:9092",
        "chat-dev-postgres:5432",
        "chat-dev-valkey:6379",
    }
    for store in cluster(DEV)["spec"]["stores"].values():
        at = store["url"].split("://")[1].split("/")[0].split("?")[0].rpartition("@")[2]
        assert at in doors


def test_a_dev_store_is_one_pod_that_is_chosen_by_its_service_and_by_no_policy_of_ours() -> None:
    sets = {found["metadata"]["name"]: found for found in objects("StatefulSet", DEV)}
    assert sorted(sets) == [f"chat-dev-{store}" for store in DEV_STORES]
    for service in objects("Service", DEV):
        found = sets[service["metadata"]["name"]]
        labels = found["spec"]["template"]["metadata"]["labels"]
        assert found["spec"]["replicas"] == 1
        assert service["spec"]["selector"] == found["spec"]["selector"]["matchLabels"] == labels
        assert names.TIER_LABEL not in labels


def test_dev_stores_have_no_password_and_let_in_the_messengers_pods_alone() -> None:
    for policy in objects("NetworkPolicy", DEV):
        (rule,) = policy["spec"]["ingress"]
        (peer,) = rule["from"]
        assert peer["podSelector"]["matchLabels"] == {
            names.NAME_LABEL: "signet",
            names.INSTANCE_LABEL: "chat",
        }
    assert len(objects("NetworkPolicy", DEV)) == len(DEV_STORES)


def test_dev_stores_run_as_nobody_and_see_no_variables_of_services() -> None:
    for found in objects("StatefulSet", DEV):
        pod = found["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["enableServiceLinks"] is False
        (container,) = pod["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_helm_test_asks_with_the_image_of_keys() -> None:
    image = {"repository": "r.example/signet", "tag": "7"}
    (pod,) = objects("Pod", {"spec": {**SPEC, "image": image}})
    assert pod["spec"]["containers"][0]["image"] == "r.example/signet-keys:7"
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
