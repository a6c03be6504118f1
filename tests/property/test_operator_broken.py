"""Plans with one thought taken out: each is found out by the world that the properties use."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from signet_operator.actions import (
    Action,
    DeletePod,
    DrainPod,
    Plan,
    RebalancePod,
    Scale,
    SetPartition,
    SetTemplate,
    UndrainPod,
)
from signet_operator.drain.rollout import RETURNED, Template
from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Observed, Stage
from signet_operator.spec import ClusterSpec
from tests.support.operating import Planner, World, cluster, planned, steady, with_gateways

Change = Callable[[Observed, list[Action]], list[Action]]

pytestmark = pytest.mark.timeout(600)  # many days in virtual time


def changing(change: Change) -> Planner:
    """The plan, its actions changed."""

    def planner(
        spec: ClusterSpec, seen: Observed, now: float, templates: Mapping[Tier, Template]
    ) -> Plan:
        made = planned(spec, seen, now, templates)
        return replace(made, actions=tuple(change(seen, list(made.actions))))

    return planner


def _pods(seen: Observed) -> dict[str, int]:
    return {pod.name: pod.ordinal for pod in seen.pods[Tier.GATEWAY]}


def shrinks_before_empty(seen: Observed, actions: list[Action]) -> list[Action]:
    found, at = seen.sets[Tier.GATEWAY], _pods(seen)
    drains = [a for a in actions if isinstance(a, DrainPod) and a.pod in at]
    return [
        *actions,
        *(
            Scale(Tier.GATEWAY, found.name, found.uid, found.resource_version, at[a.pod])
            for a in drains
            if at[a.pod] == found.replicas - 1
        ),
    ]


def has_no_budget(seen: Observed, actions: list[Action]) -> list[Action]:
    first = next((a for a in actions if isinstance(a, DrainPod)), None)
    if first is None or first.pod not in _pods(seen):
        return actions
    pods = [pod for pod in seen.pods[Tier.GATEWAY] if pod.ordinal > 0]
    return [*actions, *(DrainPod(p.name, p.uid, first.deadline_s, first.rate) for p in pods)]


def has_no_partition(_seen: Observed, actions: list[Action]) -> list[Action]:
    return [replace(a, partition=0) if isinstance(a, SetTemplate) else a for a in actions]


def lowers_before_the_drain(seen: Observed, actions: list[Action]) -> list[Action]:
    found, at = seen.sets[Tier.GATEWAY], _pods(seen)
    return [
        SetPartition(Tier.GATEWAY, found.name, found.uid, found.resource_version, at[a.pod])
        if isinstance(a, DrainPod) and at.get(a.pod, found.replicas) < found.partition
        else a
        for a in actions
    ]


def lowers_all_at_once(_seen: Observed, actions: list[Action]) -> list[Action]:
    return [replace(a, partition=0) if isinstance(a, SetPartition) else a for a in actions]


def tries_without_a_canary(_seen: Observed, actions: list[Action]) -> list[Action]:
    return [replace(a, replicas=a.partition) if isinstance(a, SetTemplate) else a for a in actions]


def forgets_what_has_failed(_seen: Observed, actions: list[Action]) -> list[Action]:
    return [
        replace(a, template_hash="before")
        if isinstance(a, SetTemplate) and a.template_hash.startswith(RETURNED)
        else a
        for a in actions
    ]


def never_brings_back(_seen: Observed, actions: list[Action]) -> list[Action]:
    return [a for a in actions if not isinstance(a, UndrainPod | DeletePod)]


def forces_whoever_is_away(seen: Observed, actions: list[Action]) -> list[Action]:
    away = [pod for pod in seen.pods[Tier.GATEWAY] if not pod.node_reachable]
    return [*(DeletePod(pod.name, pod.uid, force=True) for pod in away), *actions]


def takes_draining_for_empty(
    spec: ClusterSpec, seen: Observed, now: float, templates: Mapping[Tier, Template]
) -> Plan:
    pods = {
        tier: tuple(
            replace(pod, report=replace(pod.report, stage=Stage.EMPTY))
            if pod.report and pod.stage is Stage.DRAINING
            else pod
            for pod in found
        )
        for tier, found in seen.pods.items()
    }
    return planned(spec, replace(seen, pods=pods), now, templates)


def forgets_the_time_of_drains(
    spec: ClusterSpec, seen: Observed, now: float, templates: Mapping[Tier, Template]
) -> Plan:
    memory = (
        {**seen.memory, "drains": {uid: [now - 60, 0.0] for uid in seen.memory["drains"]}}
        if (seen.memory.get("drains"))
        else seen.memory
    )
    return planned(spec, replace(seen, memory=memory), now, templates)


def forgets_who_was_asked_to_rebalance(
    spec: ClusterSpec, seen: Observed, now: float, templates: Mapping[Tier, Template]
) -> Plan:
    memory = {key: value for key, value in seen.memory.items() if key != "rebalanced"}
    return planned(spec, replace(seen, memory=memory), now, templates)


def never_rebalances(_seen: Observed, actions: list[Action]) -> list[Action]:
    return [a for a in actions if not isinstance(a, RebalancePod)]


BROKEN: dict[str, Planner] = {
    change.__name__: changing(change)
    for change in (
        shrinks_before_empty,
        has_no_budget,
        has_no_partition,
        lowers_before_the_drain,
        lowers_all_at_once,
        tries_without_a_canary,
        forgets_what_has_failed,
        never_brings_back,
        forces_whoever_is_away,
        never_rebalances,
    )
} | {
    planner.__name__: planner
    for planner in (
        takes_draining_for_empty,
        forgets_the_time_of_drains,
        forgets_who_was_asked_to_rebalance,
    )
}


def scales_in_and_out(world: World) -> None:
    world.ask(with_gateways(world.asked, replicas=2))
    world.run(6)
    world.ask(with_gateways(world.asked, replicas=4))
    world.settle(900)
    assert world.serving() == [0, 1, 2, 3], world.why()
    world.ask(with_gateways(world.asked, replicas=2))
    world.settle(900)
    assert world.serving() == [0, 1], world.why()
    world.ask(with_gateways(world.asked, replicas=4))
    world.settle(900)


def rolls(world: World) -> None:
    world.template("two")
    world.settle(1_800)
    assert {p.revision for p in world.kube.of(Tier.GATEWAY)} == {"gateway-good-two"}, world.why()


def fails(world: World) -> None:
    world.template("bad", "no-image")
    world.run(600)
    tried = sum(isinstance(w, SetTemplate) for w in world.kube.writes)
    assert tried == 3 + 2, f"{tried} templates were written"  # `rolls`; there and back
    assert {p.revision for p in world.kube.of(Tier.GATEWAY)} == {"gateway-good-two"}, world.why()


def loses_a_node(world: World) -> None:
    gateway = world.kube.of(Tier.GATEWAY)[1]
    world.kube.nodes_down.add(gateway.node)
    world.kube.pass_time(2)  # an event of the API wakes the operator
    world.run(120)
    world.kube.nodes_down.clear()
    world.settle(900)
    assert world.serving() == [0, 1, 2, 3], world.why()


def rebalances(world: World) -> None:
    world.ask(replace(world.asked, rebalance="2027-01-15T08:00:00+00:00"))
    world.run(60)
    for pod in world.kube.of(Tier.GATEWAY):
        assert pod.rebalanced == [world.asked.rebalance], pod.name


def found_out(planner: Planner) -> str:
    """What goes wrong in a day with this planner; '' nothing."""
    world = World.of(cluster(4), steady(700), planner=planner)
    try:
        for happens in (scales_in_and_out, rolls, fails, loses_a_node, rebalances):
            happens(world)
            if world.kube.broken:
                return f"{happens.__name__}: {world.kube.broken[0]}"
    except AssertionError as error:
        return f"{happens.__name__}: {str(error).splitlines()[0]}"
    return ""


def test_the_plan_itself_has_a_quiet_day() -> None:
    assert found_out(planned) == ""


@pytest.mark.parametrize("broken", BROKEN)
def test_a_plan_with_a_thought_taken_out_is_found_out(broken: str) -> None:
    found = found_out(BROKEN[broken])
    print(f"{broken}: {found}")
    assert found != ""


def test_the_tiers_of_these_tests_are_all_there_are() -> None:
    assert set(cluster(1).tiers) == set(STATEFUL)
