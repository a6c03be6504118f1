"""A new template: a canary, then downwards; back if it fails."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from signet_operator.actions import (
    Action,
    DeletePod,
    DrainPod,
    SetPartition,
    SetTemplate,
    Tell,
)
from signet_operator.drain import health, rollout
from signet_operator.drain.look import Ordered
from signet_operator.drain.rollout import Roll, Template
from signet_operator.observed import Pod
from tests.unit.operator.looks import NEW, NOW, draining, empty, found, look, pod, report, rolled

WANTED = Template("h2", {"spec": {"containers": []}})
REVISIONS: Mapping[str, Mapping[str, Any]] = {
    "blue-gateway-old": {"$patch": "replace", "spec": {"old": True}},
    NEW: {"$patch": "replace", "spec": {"old": False}},
}


def new(ordinal: int, since: float = 60.0, **changed: Any) -> Pod:
    """A pod of the new revision, ready for so long."""
    return pod(ordinal, revision=NEW, ready_changed_at=NOW - since, **changed)


def broken(ordinal: int, trouble: str, age: float = 60.0, **changed: Any) -> Pod:
    """A new pod that does not run."""
    return pod(
        ordinal,
        revision=NEW,
        ready=False,
        trouble=trouble,
        created_at=NOW - age,
        ready_changed_at=NOW - age,
        report=None,
        **changed,
    )


def step(*pods: Pod, partition: int, wanted: Template = WANTED, **changed: Any) -> Roll:
    set_ = rolled(len(pods), partition)
    return rollout.step(look(*pods, set_=set_, target=3, **changed), wanted, REVISIONS)


def of(roll: Roll, kind: type[Action]) -> list[Any]:
    return [action for action in roll.actions if isinstance(action, kind)]


def test_template_partition_and_one_more_pod_are_one_write() -> None:
    roll = rollout.begin(look(pod(0), pod(1), pod(2)), WANTED)
    (write,) = of(roll, SetTemplate)
    assert (write.replicas, write.partition, write.template_hash) == (4, 3, "h2")
    assert (write.uid, write.resource_version) == ("set-gateway", "9")


def test_a_spec_that_is_taken_back_to_what_all_pods_have_needs_no_canary() -> None:
    there = replace(found(3), template_hash=f"{rollout.RETURNED}bad")
    same = Template("h1", {"spec": {"old": True}})
    before = {"blue-gateway-old": REVISIONS["blue-gateway-old"]}
    (write,) = rollout.begin(look(pod(0), pod(1), pod(2), set_=there), same, before).actions
    assert isinstance(write, SetTemplate)
    assert (write.replicas, write.partition, write.template_hash) == (3, 3, "h1")
    other = Template("h3", {"spec": {"old": False}})
    (write, _) = rollout.begin(look(pod(0), pod(1), pod(2), set_=there), other, before).actions
    assert isinstance(write, SetTemplate)
    assert write.replicas == 4


def test_a_tier_without_pods_gets_none_for_a_template() -> None:
    (write,) = of(rollout.begin(look(set_=found(0)), WANTED), SetTemplate)
    assert (write.replicas, write.partition) == (0, 0)


@pytest.mark.parametrize("since", [0.0, health.CANARY_S - 1])
def test_nothing_drains_before_the_canary_has_been_ready_for_a_while(since: float) -> None:
    roll = step(pod(0), pod(1), pod(2), new(3, since), partition=3)
    assert roll.actions == ()
    assert roll.waits == "blue-gateway-3 tries the new template"


def test_a_canary_that_is_worse_than_the_others_holds_the_rollout() -> None:
    lonely = new(3, report=report(stores_down=("inbox",)))
    assert step(pod(0), pod(1), pod(2), lonely, partition=3).actions == ()
    late = new(3, report=report(rates={"lag_ms": 900.0}))
    assert step(pod(0), pod(1), pod(2), late, partition=3).actions == ()


def test_a_store_that_is_away_for_all_is_not_the_canarys_fault() -> None:
    down = report(stores_down=("inbox",))
    old = [pod(n, report=down) for n in range(3)]
    assert of(step(*old, new(3, report=down), partition=3), DrainPod)


def test_then_the_highest_old_pod_drains_and_the_partition_stays() -> None:
    roll = step(pod(0), pod(1), pod(2), new(3), partition=3)
    assert [order.pod for order in of(roll, DrainPod)] == ["blue-gateway-2"]
    assert of(roll, SetPartition) == []


def test_the_partition_goes_down_to_a_pod_that_is_empty_and_no_further() -> None:
    roll = step(pod(0), pod(1), empty(2), new(3), partition=3)
    assert [write.partition for write in of(roll, SetPartition)] == [2]
    assert of(roll, DrainPod) == []


def test_each_is_ready_before_the_next_drains() -> None:
    starts = replace(new(2), ready=False)
    roll = step(pod(0), pod(1), starts, new(3), partition=2)
    assert roll.actions == ()
    assert roll.waits == "blue-gateway-2 is not ready yet"
    assert [o.pod for o in of(step(pod(0), pod(1), new(2), new(3), partition=2), DrainPod)] == [
        "blue-gateway-1"
    ]


def test_while_one_is_replaced_no_other_drains() -> None:
    ends = replace(empty(2), deleting=True)
    assert of(step(pod(0), pod(1), ends, new(3), partition=2), DrainPod) == []


def test_more_may_roll_together_if_more_may_drain_together() -> None:
    roll = step(pod(0), pod(1), pod(2), new(3), partition=3, together=2)
    assert [order.pod for order in of(roll, DrainPod)] == ["blue-gateway-2", "blue-gateway-1"]


def test_not_more_roll_together_than_the_others_can_carry() -> None:
    full = (pod(0, 390), pod(1, 390), pod(2, 390), new(3, load=30))
    roll = step(*full, partition=3, together=3)
    assert [order.pod for order in of(roll, DrainPod)] == ["blue-gateway-2"]


def test_a_canary_that_a_person_drains_proves_nothing() -> None:
    roll = step(pod(0), pod(1), pod(2), new(3, wants_drain=True), partition=3)
    assert roll.actions == ()


def test_a_drained_pod_that_kubernetes_leaves_is_deleted() -> None:
    roll = step(pod(0), pod(1), empty(2), new(3), partition=2)
    assert of(roll, DeletePod) == [DeletePod("blue-gateway-2", "gateway-2", force=False)]


def test_what_drains_is_finished_whatever_the_next_one_waits_for() -> None:
    starts = replace(new(3), ready=False)
    roll = step(pod(0), pod(1), empty(2), starts, partition=3)
    assert [write.partition for write in of(roll, SetPartition)] == [2]


def test_a_drain_that_ends_at_its_deadline_does_not_stop_the_rollout() -> None:
    late, over = draining(2, 5, 0.0), {"gateway-2": Ordered(NOW - 30.0, 50.0)}
    roll = step(pod(0), pod(1), late, new(3), partition=3, ordered=over)
    assert [write.partition for write in of(roll, SetPartition)] == [2]
    assert [tell.reason for tell in of(roll, Tell)] == ["DrainDeadline"]


@pytest.mark.parametrize(
    ("trouble", "changed"),
    [
        ("CrashLoopBackOff", {"restarts": 2}),
        ("ImagePullBackOff", {}),
        ("CreateContainerConfigError", {}),
        ("InvalidImageName", {}),
    ],
)
def test_a_pod_that_cannot_run_sends_all_back(trouble: str, changed: dict[str, Any]) -> None:
    roll = step(pod(0), pod(1), pod(2), broken(3, trouble, **changed), partition=3)
    (write,) = of(roll, SetTemplate)
    assert write.template == {"spec": {"old": True}}
    assert (write.template_hash, write.replicas, write.partition) == ("returned-from:h2", 4, 4)
    (told,) = of(roll, Tell)
    assert (told.reason, told.warning) == ("RolloutFailed", True)
    assert trouble in told.message


@pytest.mark.parametrize(
    "canary",
    [
        broken(3, "CrashLoopBackOff", restarts=1),
        broken(3, "ErrImagePull", age=5.0),
        broken(3, "", age=200.0, phase="Running"),
        broken(3, "Unschedulable", age=9_999.0, phase="Pending"),
    ],
    ids=["one restart", "a registry that is slow", "a slow start", "no room"],
)
def test_what_may_still_become_well_is_waited_for(canary: Pod) -> None:
    roll = step(pod(0), pod(1), pod(2), canary, partition=3)
    assert roll.actions == ()
    assert roll.waits != ""


def test_a_pod_that_is_not_ready_in_time_sends_all_back_unless_nobody_is() -> None:
    slow = broken(3, "", age=health.READY_S + 1, phase="Running")
    assert of(step(pod(0), pod(1), pod(2), slow, partition=3), SetTemplate)
    away = [pod(n, ready=False, ready_changed_at=NOW - 900) for n in range(3)]
    assert not of(step(*away, slow, partition=3), SetTemplate)


def test_a_crash_while_the_others_miss_a_store_too_is_no_failure_of_the_template() -> None:
    down = report(stores_down=("inbox",))
    old = [pod(n, report=down) for n in range(3)]
    crashes = broken(3, "CrashLoopBackOff", restarts=9)
    assert of(step(*old, crashes, partition=3), SetTemplate) == []
    assert of(step(*old, broken(3, "InvalidImageName"), partition=3), SetTemplate) != []


def test_a_hash_that_has_failed_is_not_tried_again_until_another_is_wanted() -> None:
    back = look(pod(0), set_=found(1, template_hash="returned-from:h2"))
    assert not rollout.due(back, WANTED)
    assert rollout.due(back, Template("h3", {}))
    assert rollout.due(look(pod(0)), WANTED)


def test_on_the_way_back_the_failed_pods_are_replaced_without_a_drain() -> None:
    set_ = found(
        4, template_hash="returned-from:h2", partition=4, current_revision="blue-gateway-x"
    )
    pods = (pod(0), pod(1), broken(2, "CrashLoopBackOff"), new(3))
    roll = rollout.step(look(*pods, set_=set_, target=4), WANTED, REVISIONS)
    assert [order.pod for order in of(roll, DrainPod)] == ["blue-gateway-3"]
    assert of(roll, SetTemplate) == []
    drained = (pod(0), pod(1), broken(2, "CrashLoopBackOff"), empty(3, revision=NEW))
    roll = rollout.step(look(*drained, set_=set_, target=4), WANTED, REVISIONS)
    assert [write.partition for write in of(roll, SetPartition)] == [2]


def test_the_way_back_turns_to_where_pods_are_ready() -> None:
    set_ = replace(rolled(3, 2), template_hash="returned-from:h2")
    pods = (pod(0), pod(1), broken(2, "CrashLoopBackOff", restarts=5))
    (write,) = of(rollout.step(look(*pods, set_=set_), WANTED, REVISIONS), SetTemplate)
    assert (write.template, write.template_hash) == ({"spec": {"old": True}}, "returned-from:h2")
    well = (pod(0), new(1), broken(2, "CrashLoopBackOff", restarts=5))
    assert of(rollout.step(look(*well, set_=set_), WANTED, REVISIONS), SetTemplate) == []


def test_where_every_pod_has_failed_all_go_back() -> None:
    set_ = found(
        2, template_hash="returned-from:h2", partition=2, current_revision="blue-gateway-x"
    )
    pods = (broken(0, "CrashLoopBackOff"), broken(1, "CrashLoopBackOff"))
    roll = rollout.step(look(*pods, set_=set_), WANTED, REVISIONS)
    assert [write.partition for write in of(roll, SetPartition)] == [0]
    assert of(roll, SetTemplate) == []


def test_something_else_may_be_asked_for_while_a_canary_finds_no_room() -> None:
    waits = broken(3, "Unschedulable", phase="Pending")
    roll = step(pod(0), pod(1), pod(2), waits, partition=3, wanted=Template("h3", {}))
    (write,) = of(roll, SetTemplate)
    assert (write.template, write.template_hash) == ({"spec": {"old": True}}, rollout.GIVEN_UP)


def test_a_template_written_past_us_reaches_nobody_and_is_put_right() -> None:
    pods = (pod(0), pod(1), pod(2))
    set_ = found(3, update_revision="blue-gateway-hand", template_hash="h2", drifted=True)
    roll = rollout.step(look(*pods, set_=set_), WANTED, REVISIONS)
    (write,) = of(roll, SetTemplate)
    assert (write.template, write.template_hash) == ({"spec": {"old": True}}, "h2")
    assert (write.replicas, write.partition) == (3, 3)


def test_a_settled_tier_is_guarded_by_its_partition() -> None:
    (write,) = rollout.guard(look(pod(0), pod(1), set_=found(2, partition=0)))
    assert isinstance(write, SetPartition)
    assert write.partition == 2
    assert rollout.guard(look(pod(0), pod(1))) == []
    unsure = found(2, partition=0, current_revision="blue-gateway-x")
    assert rollout.guard(look(pod(0), pod(1), set_=unsure)) == []


def test_paused_begins_no_drain_and_finishes_the_one_that_runs() -> None:
    assert step(pod(0), pod(1), pod(2), new(3), partition=3, paused=True).actions == ()
    roll = step(pod(0), pod(1), empty(2), new(3), partition=3, paused=True)
    assert [write.partition for write in of(roll, SetPartition)] == [2]


def test_nothing_is_concluded_before_kubernetes_has_seen_the_last_write() -> None:
    unseen = rolled(4, 3, observed_generation=2)
    pods = (pod(0), pod(1), pod(2), broken(3, "InvalidImageName"))
    roll = rollout.step(look(*pods, set_=unseen, target=3), WANTED, REVISIONS)
    assert roll.actions == ()
