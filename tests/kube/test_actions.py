"""Actions on a real API server: done once, in order, and only on what was decided on."""

from collections.abc import Sequence
from typing import Any

import pytest

from signet_operator import names
from signet_operator.actions import (
    Action,
    DeletePod,
    DrainPod,
    RebalancePod,
    RunMigration,
    Scale,
    SetPartition,
    SetPoolReplicas,
    SetTemplate,
    Tell,
    UndrainPod,
)
from signet_operator.apply import Done, NotLeader, Writer
from signet_operator.apply.events import AGAIN_S
from signet_operator.desired import template
from signet_operator.names import Tier
from tests.kube.applying import OneCluster, by, crds, writer
from tests.support.lanes.kube import KubeApi

__all__ = ["by", "crds"]
pytestmark = pytest.mark.lane("kube-api")
NOW = 1_800_000_000.0
SET = "blue-gateway"
ANOTHER = "00000000-0000-0000-0000-000000000000"


class Heard:
    """apply/actions.Orders: pods that hear everything, or nothing."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.orders: list[tuple[Any, ...]] = []
        self._deaf = deaf

    async def drain(self, pod: str, uid: str, deadline_s: float, rate: float) -> None:
        if self._deaf:
            raise OSError("no route")
        self.orders.append(("drain", pod, uid, deadline_s, rate))

    async def undrain(self, pod: str, uid: str) -> None:
        self.orders.append(("undrain", pod, uid))

    async def rebalance(self, pod: str, uid: str) -> None:
        if self._deaf:
            raise OSError("no route")
        self.orders.append(("rebalance", pod, uid))


@pytest.fixture
async def blue(kube_api: KubeApi, kube_api_namespace: str, by: Writer) -> OneCluster:
    made = OneCluster.create(kube_api, kube_api_namespace)
    await made.settle(by)
    return made


async def perform(
    by: Writer, blue: OneCluster, *actions: Action, now: float = NOW, heard: Heard | None = None
) -> Done:
    return await by.actions.perform(blue.spec, actions, heard or Heard(), now)


def marks(found: Any) -> tuple[str, str]:
    return found["metadata"]["uid"], found["metadata"]["resourceVersion"]


def gateways(blue: OneCluster) -> Any:
    return blue.get("statefulset", SET)


async def test_a_scale_is_done_on_what_it_was_decided_on_and_on_nothing_else(
    blue: OneCluster, by: Writer
) -> None:
    uid, version = marks(gateways(blue))
    blue.by_hand("annotate", "statefulset", SET, "somebody=was-here")  # it has changed since
    late = await perform(by, blue, Scale(Tier.GATEWAY, SET, uid, version, 1))
    assert (late.performed, late.late) == (0, True)
    _, version = marks(gateways(blue))
    other = await perform(by, blue, Scale(Tier.GATEWAY, SET, ANOTHER, version, 1))
    assert (other.performed, other.late) == (0, True)
    assert gateways(blue)["spec"]["replicas"] == 2
    assert await perform(by, blue, Scale(Tier.GATEWAY, SET, uid, version, 1)) == Done(1)
    assert gateways(blue)["spec"]["replicas"] == 1


async def test_steps_of_one_plan_follow_each_other_on_the_same_object(
    blue: OneCluster, by: Writer
) -> None:
    uid, version = marks(gateways(blue))
    done = await perform(
        by,
        blue,
        SetPartition(Tier.GATEWAY, SET, uid, version, 1),
        Scale(Tier.GATEWAY, SET, uid, version, 4),
    )
    assert done == Done(2)
    spec = gateways(blue)["spec"]
    assert (spec["replicas"], spec["updateStrategy"]["rollingUpdate"]["partition"]) == (4, 1)


async def test_a_template_is_replaced_as_a_whole_and_noted(blue: OneCluster, by: Writer) -> None:
    found = gateways(blue)
    made = template(blue.spec, Tier.GATEWAY)
    del made["spec"]["topologySpreadConstraints"]
    made["metadata"]["annotations"] = {"new": "one"}
    uid, version = marks(found)
    done = await perform(
        by, blue, SetTemplate(Tier.GATEWAY, SET, uid, version, made, "a hash", 3, 2)
    )
    assert done == Done(1)
    after = gateways(blue)
    assert after["metadata"]["annotations"][names.TEMPLATE_HASH] == "a hash"
    assert after["spec"]["replicas"] == 3
    assert after["spec"]["updateStrategy"]["rollingUpdate"] == {
        **found["spec"]["updateStrategy"].get("rollingUpdate", {}),
        "partition": 2,
    }
    assert after["spec"]["template"]["metadata"]["annotations"] == {"new": "one"}
    assert "topologySpreadConstraints" not in after["spec"]["template"]["spec"]
    await blue.settle(by)
    assert gateways(blue)["spec"] == after["spec"]


async def test_a_write_that_is_late_ends_a_plan_and_a_deaf_pod_does_not(
    blue: OneCluster, by: Writer
) -> None:
    heard = Heard(deaf=True)
    orders: Sequence[Action] = (
        UndrainPod("blue-gateway-0", "uid"),
        DrainPod("blue-gateway-1", "uid", 60, 5.0),
        RebalancePod("blue-gateway-2", "uid"),
        SetPoolReplicas(Tier.GATEWAY, SET, 3),
    )
    done = await perform(by, blue, *orders, heard=heard)
    assert done == Done(2, "DrainPod blue-gateway-1: no route")
    assert heard.orders == [("undrain", "blue-gateway-0", "uid")]
    assert blue.get("msgp", SET)["spec"]["replicas"] == 3
    uid, _ = marks(gateways(blue))
    late = Scale(Tier.GATEWAY, SET, uid, "1", 1)
    done = await perform(by, blue, late, SetPoolReplicas(Tier.GATEWAY, SET, 4))
    assert (done.performed, done.late) == (0, True)
    assert blue.get("msgp", SET)["spec"]["replicas"] == 3


async def test_a_pool_is_written_by_a_manager_of_its_own(blue: OneCluster, by: Writer) -> None:
    assert await perform(by, blue, SetPoolReplicas(Tier.GATEWAY, SET, 3)) == Done(1)
    found = blue.kube.kubectl.get("msgp", SET, "-n", blue.namespace, "--show-managed-fields")
    assert found["spec"]["replicas"] == 3
    owners = {
        entry["manager"]
        for entry in found["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }
    assert owners == {names.REPLICAS_MANAGER}


async def test_a_pod_is_deleted_by_its_uid(blue: OneCluster, by: Writer) -> None:
    blue.by_hand("run", "lost", "--image=localhost/nothing")
    uid, _ = marks(blue.get("pod", "lost"))
    late = await perform(by, blue, DeletePod("lost", ANOTHER, force=True))
    assert late.late
    assert await perform(by, blue, DeletePod("lost", uid, force=True)) == Done(1)
    assert "lost" not in {item["metadata"]["name"] for item in blue.by_kind("pods")}
    assert await perform(by, blue, DeletePod("lost", uid, force=True)) == Done(1)  # gone already


async def test_a_migration_is_one_job_however_often_it_is_asked_for(
    blue: OneCluster, by: Writer
) -> None:
    for _ in range(2):
        assert await perform(by, blue, RunMigration("0.1")) == Done(1)
    [job] = blue.by_kind("jobs")
    assert job["metadata"]["name"] == "blue-migrate-0-1"
    assert job["metadata"]["labels"][names.SCHEMA_LABEL] == "0.1"


async def test_an_event_is_said_once(blue: OneCluster, by: Writer) -> None:
    told = Tell("Scaled", "to 3")
    later = NOW + AGAIN_S + 1
    for now in (NOW, NOW + 1, later):
        assert await perform(by, blue, told, now=now) == Done(1)
    warning = Tell("LostPod", "its node is gone", warning=True, pod="blue-gateway-0")
    assert await perform(by, blue, warning) == Done(1)
    events = blue.by_kind("events.events.k8s.io")
    found = [event for event in events if event["reason"] in {"Scaled", "LostPod"}]
    assert sorted((e["reason"], e["note"], e["type"]) for e in found) == [
        ("LostPod", "its node is gone", "Warning"),
        ("Scaled", "to 3", "Normal"),
        ("Scaled", "to 3", "Normal"),
    ]
    [of_pod] = [e for e in found if e["reason"] == "LostPod"]
    assert of_pod["regarding"]["kind"] == "Pod"
    assert "to 3" in blue.by_hand("describe", "messagingcluster", "blue")


async def test_who_does_not_lead_tells_pods_nothing_either(
    blue: OneCluster, kube_api: KubeApi
) -> None:
    heard = Heard()
    async with writer(kube_api, blue.namespace, leads=lambda: False) as late:
        told = (DrainPod("blue-gateway-0", "uid", 60, 0.0), RebalancePod("blue-gateway-0", "uid"))
        for action in (*told, RunMigration("0.1")):
            with pytest.raises(NotLeader):
                await perform(late, blue, action, heard=heard)
    assert heard.orders == []
    assert blue.by_kind("jobs") == []


# --- status ------------------------------------------------------------------------------------


def status(ready: str, load: int, message: str = "") -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "AsTheySay",
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {"conditions": [condition], "tiers": {"gateway": {"connections": load}}}


async def test_status_is_written_when_a_condition_turns_and_else_seldom(
    blue: OneCluster, by: Writer
) -> None:
    async def write(now: float, said: dict[str, Any], memory: dict[str, Any] | None = None) -> bool:
        return await by.statuses.cluster(blue.spec, said, memory or {}, {}, now)

    def read() -> Any:
        return blue.get("messagingcluster", "blue")["status"]

    before = blue.get("messagingcluster", "blue")["metadata"]["generation"]
    assert await write(0.0, status("False", 10))
    assert not await write(1.0, status("False", 10))
    assert not await write(2.0, status("False", 20, "other words"))
    assert await write(3.0, status("True", 30))
    assert not await write(17.0, status("True", 40))
    assert await write(18.1, status("True", 40))
    assert read()["tiers"]["gateway"]["connections"] == 40
    assert await write(19.0, status("True", 40), {"surge": {"gateway": 3}})
    assert read()["memory"] == {"surge": {"gateway": 3}}
    assert await write(20.0, status("True", 40), {})
    assert "surge" not in read().get("memory", {})  # what is noted no more is not kept
    assert by.statuses.noted(blue.spec.uid) == {}
    assert blue.get("messagingcluster", "blue")["metadata"]["generation"] == before
