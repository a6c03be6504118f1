"""Objects into a real API server: nothing twice, nothing by halves, nothing that is not ours."""

import json
from dataclasses import replace
from typing import Any

import pytest

from signet_operator.apply import NotLeader, Refusal, Unavailable, Writer, Written
from signet_operator.apply.kinds import APPLIED
from signet_operator.names import STATEFUL, Tier
from tests.kube.applying import OneCluster, blue, by, crds, writer
from tests.support.lanes.kube import KubeApi

__all__ = ["blue", "by", "crds"]
pytestmark = pytest.mark.lane("kube-api")

WILD = {"wildcard": "*.pods.chat.example"}


def versions(live: Any) -> dict[Any, str]:
    return {key: obj["metadata"]["resourceVersion"] for key, obj in live.items()}


async def test_all_is_made_and_belongs_to_the_cluster(blue: OneCluster, by: Writer) -> None:
    await blue.settle(by)
    live = await blue.live(by)
    kinds = {kind for kind, _ in live}
    assert kinds == {
        "ConfigMap", "Deployment", "MessagingPool", "NetworkPolicy", "PodDisruptionBudget",
        "Service", "ServiceAccount", "StatefulSet",
    }  # fmt: skip
    assert {o["metadata"]["ownerReferences"][0]["uid"] for o in live.values()} == {blue.spec.uid}
    assert {kind for kind, _ in live} <= set(APPLIED)


async def test_what_is_as_it_is_wanted_is_not_written_again(
    blue: OneCluster, by: Writer, kube_api: KubeApi
) -> None:
    await blue.settle(by)
    live, sent = await blue.live(by), dict(by.calls.sent)
    for _ in range(3):
        assert await blue.apply(by) == Written()
    assert by.calls.sent == sent  # not even tried
    assert versions(await blue.live(by)) == versions(live)
    async with writer(kube_api, blue.namespace) as next_life:
        assert await blue.apply(next_life) == Written()
        assert next_life.calls.sent == {}


async def test_what_was_changed_by_hand_is_put_right_and_nothing_else(
    blue: OneCluster, by: Writer
) -> None:
    await blue.settle(by)
    port = [{"op": "replace", "path": "/spec/ports/0/port", "value": 1}]
    blue.by_hand("patch", "service", "blue-api", "--type=json", "-p", json.dumps(port))
    blue.by_hand("label", "serviceaccount", "blue", "theirs=stays")
    blue.by_hand("delete", "pdb", "blue-gateway")
    budget = {"spec": {"maxUnavailable": 5}}
    blue.by_hand("patch", "pdb", "blue-router", "--type=merge", "-p", json.dumps(budget))
    done = await blue.apply(by)
    assert isinstance(done, Written)
    assert set(done.applied) == {
        ("Service", "blue-api"),
        ("PodDisruptionBudget", "blue-gateway"),
        ("PodDisruptionBudget", "blue-router"),
    }
    assert [p["port"] for p in blue.get("service", "blue-api")["spec"]["ports"]] == [7402, 7401]
    assert blue.get("pdb", "blue-router")["spec"]["maxUnavailable"] == 1
    assert blue.get("serviceaccount", "blue")["metadata"]["labels"]["theirs"] == "stays"
    assert await blue.apply(by) == Written()


async def test_one_object_that_is_refused_keeps_all_from_being_written(
    blue: OneCluster, by: Writer
) -> None:
    await blue.settle(by)
    live = versions(await blue.live(by))
    push = replace(blue.spec.tiers[Tier.PUSH], overrides={"priorityClassName": "Not Allowed"})
    blue.spec = replace(
        blue.spec,
        tiers={**blue.spec.tiers, Tier.PUSH: push},
        network_policy=False,
        settings={**blue.spec.settings, "log_level": "debug"},
    )
    refused = await blue.apply(by)
    assert isinstance(refused, Refusal)
    assert (refused.kind, refused.name) == ("Deployment", "blue-push")
    assert "priorityClassName" in refused.why
    assert versions(await blue.live(by)) == live


async def test_a_kind_that_is_not_installed_is_said_by_name(blue: OneCluster, by: Writer) -> None:
    blue.change(monitoring={"podMonitor": True})
    refused = await blue.apply(by)
    assert str(refused) == "PodMonitor blue: its kind is not installed in this cluster"
    assert await blue.live(by) == {}


async def test_only_our_own_objects_of_this_cluster_are_pruned(
    blue: OneCluster, by: Writer
) -> None:
    blue.change(exposure=WILD)
    await blue.settle(by)
    mine = blue.get("service", "blue-gateway-0")
    assert blue.get("service", "blue-gateway-16")
    meta = mine["metadata"]
    labels, owners = meta["labels"], meta["ownerReferences"]
    another = [{**owners[0], "uid": "00000000-0000-0000-0000-000000000000"}]
    for name, marks in {
        "unlabelled": {"ownerReferences": owners},
        "unowned": {"labels": labels},
        "of-another": {"labels": labels, "ownerReferences": another},
    }.items():
        spec = {"ports": [{"port": 1}], "selector": {"a": "b"}}
        theirs = {"apiVersion": "v1", "kind": "Service", "spec": spec}
        metadata = {"name": name, "namespace": blue.namespace, **marks}
        blue.kube.apply([{**theirs, "metadata": metadata}])
    blue.change(exposure={})
    done = await blue.apply(by)
    assert isinstance(done, Written)
    assert set(done.pruned) == {("Service", f"blue-gateway-{number}") for number in range(17)}
    left = {item["metadata"]["name"] for item in blue.by_kind("services")}
    assert {"unlabelled", "unowned", "blue-gateway", "blue-api", "blue-clients"} <= left
    assert not [name for name in left if name.startswith("blue-gateway-")]


async def test_settings_that_pods_still_name_are_not_pruned(blue: OneCluster, by: Writer) -> None:
    await blue.settle(by)
    before = [name for kind, name in await blue.live(by) if kind == "ConfigMap"]
    for level in ("debug", "warning", "error"):
        blue.change(logs={"level": level})
        done = await blue.apply(by)
        assert isinstance(done, Written)
        assert done.pruned == ()
    assert len([1 for kind, _ in await blue.live(by) if kind == "ConfigMap"]) == len(before) + 3


async def test_a_pool_keeps_its_number_through_every_change_of_mode(
    blue: OneCluster, by: Writer
) -> None:
    await blue.settle(by)
    assert blue.get("msgp", "blue-gateway")["spec"]["replicas"] == 2
    scaling = {"mode": "external", "maxReplicas": 9}
    blue.change(gateway={"autoscaling": scaling})
    await blue.settle(by)
    pool = blue.get("msgp", "blue-gateway")["spec"]
    assert (pool["replicas"], pool["mode"]) == (2, "external")
    blue.by_hand("scale", "msgp", "blue-gateway", "--replicas=7")
    assert await blue.apply(by) == Written()
    assert blue.get("msgp", "blue-gateway")["spec"]["replicas"] == 7
    blue.change(gateway={"autoscaling": {**scaling, "mode": "builtin"}})
    await blue.settle(by)
    assert blue.get("msgp", "blue-gateway")["spec"]["replicas"] == 7


async def test_what_actions_move_is_not_moved_back(blue: OneCluster, by: Writer) -> None:
    await blue.settle(by)
    for tier in STATEFUL:
        blue.by_hand("scale", "statefulset", f"blue-{tier}", "--replicas=5")
    assert await blue.apply(by) == Written()
    blue.change(logs={"level": "debug"}, gateway={"drain": {"deadlineSeconds": 60}})
    before = blue.get("statefulset", "blue-gateway")["spec"]
    await blue.settle(by)
    assert blue.get("statefulset", "blue-gateway")["spec"] == before


async def test_whoever_does_not_lead_writes_nothing(blue: OneCluster, kube_api: KubeApi) -> None:
    async with writer(kube_api, blue.namespace, leads=lambda: False) as late:
        with pytest.raises(NotLeader):
            await blue.apply(late)
        assert late.calls.sent == {}
        assert await blue.live(late) == {}


async def test_an_api_that_is_away_is_said_in_time(blue: OneCluster, by: Writer) -> None:
    with blue.kube.without_api(), pytest.raises(Unavailable):
        await blue.apply(by)
    await blue.settle_when_it_answers(by)
