"""Fewer pods: drained first, from the top, at the survivors' pace, if they can carry it."""

from dataclasses import replace

from signet_operator.actions import Action, DrainPod, Scale, Tell
from signet_operator.drain.asked import bring_back, drain_asked
from signet_operator.drain.look import Ordered
from signet_operator.drain.scale_in import ScaleIn, scale_in
from tests.unit.operator.looks import NOW, draining, empty, found, look, pod, report, silent


def drains(step: ScaleIn) -> list[str]:
    return [action.pod for action in step.actions if isinstance(action, DrainPod)]


def sizes(step: ScaleIn) -> list[int]:
    return [action.replicas for action in step.actions if isinstance(action, Scale)]


def kinds(actions: list[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


def test_the_top_ordinal_drains_first_and_nothing_shrinks_yet() -> None:
    step = scale_in(look(pod(0), pod(1), pod(2), target=1), 1)
    assert drains(step) == ["blue-gateway-2"]
    assert sizes(step) == []


def test_so_many_drain_together_as_may_and_no_more() -> None:
    step = scale_in(look(*(pod(n, 50) for n in range(5)), target=1, together=2), 1)
    assert drains(step) == ["blue-gateway-4", "blue-gateway-3"]
    going = (pod(0), pod(1, 50), pod(2, 50), draining(3, 50), draining(4, 50))
    assert "blue-gateway-2" not in drains(scale_in(look(*going, target=1, together=2), 1))


def test_a_pod_that_drains_for_another_reason_counts_in_the_budget() -> None:
    step = scale_in(look(draining(0), pod(1), pod(2), target=2), 2)
    assert drains(step) == []


def test_only_an_unbroken_run_of_empty_pods_at_the_top_is_taken_away() -> None:
    step = scale_in(look(pod(0), empty(1), pod(2), empty(3), empty(4), target=1), 1)
    assert sizes(step) == [3]


def test_an_old_word_of_being_empty_is_not_believed() -> None:
    old = replace(empty(1), report=replace(report(0), stage=empty(1).stage, at=NOW - 60))
    assert sizes(scale_in(look(pod(0), old, target=1), 1)) == []


def test_the_shrink_carries_what_it_was_decided_on() -> None:
    step = scale_in(look(pod(0), empty(1), target=1), 1)
    assert step.actions[0] == Scale(pod(0).tier, "blue-gateway", "set-gateway", "9", 1)


def test_a_pod_that_never_ran_is_taken_away_at_once() -> None:
    waits = pod(1, ready=False, phase="Pending", trouble="Unschedulable", report=None)
    assert sizes(scale_in(look(pod(0), waits, target=1), 1)) == [1]


def test_survivors_that_cannot_carry_it_keep_everybody_and_it_is_said() -> None:
    step = scale_in(look(pod(0, 300), pod(1, 300), pod(2, 300), target=2), 2)
    assert step.actions == ()
    assert step.blocked == (
        "3 pods are needed for what is there now (connections),"
        " and 2 of the 2 that would stay are ready"
    )


def test_a_survivor_that_is_not_ready_carries_nothing() -> None:
    step = scale_in(look(pod(0, 300), pod(1, 0, ready=False), pod(2, 300), target=2), 2)
    assert step.blocked.endswith("1 of the 2 that would stay are ready")


def test_a_scale_in_that_has_begun_goes_on_under_a_little_more_load() -> None:
    pods = (pod(0, 420), draining(1, 10))
    assert scale_in(look(*pods, target=1), 1).blocked == ""
    assert scale_in(look(pod(0, 420), pod(1, 10), target=1), 1).blocked != ""


def test_survivors_are_asked_for_no_more_than_they_take() -> None:
    (order,) = scale_in(look(pod(0), pod(1), target=1), 1).actions
    assert order == DrainPod("blue-gateway-1", "gateway-1", 60, 50.0)
    step = scale_in(look(pod(0), pod(1), pod(2), target=1, together=2), 1)
    assert [a.rate for a in step.actions if isinstance(a, DrainPod)] == [25.0, 25.0]
    (capped,) = scale_in(look(pod(0), pod(1), target=1, rate=20), 1).actions
    assert isinstance(capped, DrainPod)
    assert capped.rate == 20.0


def test_a_drain_follows_what_the_survivors_take_and_keeps_its_deadline() -> None:
    order = {"gateway-1": Ordered(NOW + 40.0, 100.0)}
    full = pod(0, report=report(accepts=10.0))
    (again,) = scale_in(look(full, draining(1), target=1, ordered=order), 1).actions
    assert again == DrainPod("blue-gateway-1", "gateway-1", 40, 10.0)
    same = {"gateway-1": Ordered(NOW + 40.0, 55.0)}
    assert scale_in(look(pod(0), draining(1), target=1, ordered=same), 1).actions == ()


def test_a_stuck_drain_ends_at_its_deadline_and_it_is_said() -> None:
    order = {"gateway-1": Ordered(NOW - 30.0, 50.0)}
    step = scale_in(look(pod(0), draining(1, 12, 0.0), target=1, ordered=order), 1)
    assert sizes(step) == [1]
    (told,) = [action for action in step.actions if isinstance(action, Tell)]
    assert (told.reason, told.warning, told.pod) == ("DrainDeadline", True, "blue-gateway-1")
    assert "12 were still on it" in told.message


def test_a_drain_has_its_whole_time_also_if_its_pod_says_nothing() -> None:
    order = {"gateway-1": Ordered(NOW + 5.0, 50.0)}
    step = scale_in(look(pod(0), silent(1), target=1, ordered=order), 1)
    assert sizes(step) == []


def test_a_pod_that_has_restarted_drains_anew() -> None:
    order = {"gateway-1": Ordered(NOW - 30.0, 50.0)}
    step = scale_in(look(pod(0), pod(1), target=1, ordered=order), 1)
    assert [a.deadline_s for a in step.actions if isinstance(a, DrainPod)] == [60]
    assert sizes(step) == []


def test_paused_finishes_the_drain_that_runs_and_begins_none() -> None:
    step = scale_in(look(pod(0), pod(1), empty(2), target=1, paused=True), 1)
    assert (drains(step), sizes(step)) == ([], [2])
    assert scale_in(look(pod(0), pod(1), target=1, paused=True), 1).actions == ()


def test_need_that_rises_brings_back_who_has_not_ended_and_replaces_who_has() -> None:
    back = bring_back(look(pod(0), draining(1), empty(2)), frozenset())
    assert kinds(back) == ["UndrainPod", "DeletePod"]
    assert bring_back(look(pod(0), draining(1)), frozenset({"gateway-1"})) == []
    assert bring_back(look(pod(0), draining(1), empty(2), paused=True), frozenset()) == []


def test_whom_a_signal_has_asked_is_left_alone() -> None:
    ends = draining(1)
    assert ends.report is not None
    ends = replace(ends, report=replace(ends.report, ending=True))
    assert bring_back(look(pod(0), ends), frozenset()) == []


def test_a_pod_with_the_annotation_is_drained_and_stays() -> None:
    seen = look(pod(0), pod(1, wants_drain=True), pod(2))
    assert [a.pod for a in drain_asked(seen, 1) if isinstance(a, DrainPod)] == ["blue-gateway-1"]
    assert drain_asked(look(pod(0), empty(1, wants_drain=True)), 1) == []
    assert bring_back(look(pod(0), empty(1, wants_drain=True)), frozenset()) == []


def test_what_persons_ask_for_stays_in_the_budget() -> None:
    seen = look(*(pod(n, wants_drain=True) for n in range(3)), set_=found(3))
    assert len(drain_asked(seen, seen.slots)) == 1
