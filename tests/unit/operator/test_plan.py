"""A whole look: what is done, in which order, and what is said of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from signet_operator import conditions
from signet_operator.actions import (
    Action,
    DrainPod,
    Plan,
    Scale,
    SetPoolReplicas,
    SetTemplate,
)
from signet_operator.conditions import Said
from signet_operator.drain.rollout import Template
from signet_operator.names import STATEFUL, Condition, Tier
from signet_operator.observed import Observed, Pod
from signet_operator.plan import made, plan
from signet_operator.spec import Autoscaling, ClusterSpec, Drain, Mode
from tests.unit.operator import clusters
from tests.unit.operator.looks import (
    NOW,
    draining,
    empty,
    found,
    observed,
    pod,
    pool,
    report,
)

SAME = {tier: Template("h1", {}) for tier in STATEFUL}
NEWER = {tier: Template("h2", {}) for tier in STATEFUL}
ALL = [pod(0), pod(1), *(pod(n, 32, tier=Tier.ROUTER) for n in (0, 1)), pod(0, 0, tier=Tier.KEYS)]


def spec(gateways: int = 2, **changed: Any) -> ClusterSpec:
    counts = {Tier.GATEWAY: gateways, Tier.ROUTER: 2, Tier.KEYS: 1}
    auto = Autoscaling(maximum=9, target_connections=400)
    tiers = {
        kind: clusters.tier(kind, replicas=count, autoscaling=auto, drain=Drain(deadline_s=60))
        for kind, count in counts.items()
    }
    return clusters.plain(tiers=tiers, **changed)


def look(
    asked: ClusterSpec,
    seen: Observed,
    templates: Mapping[Tier, Template] = SAME,
    budget: int = 1,
) -> Plan:
    return plan(asked, seen, NOW, budget=budget, templates=templates)


def of(found: Plan, kind: type[Action]) -> list[Any]:
    return [action for action in found.actions if isinstance(action, kind)]


def said(found: Plan, kind: Condition) -> tuple[str, str, str]:
    by_type = {c["type"]: c for c in found.status["conditions"]}
    return by_type[kind]["status"], by_type[kind]["reason"], by_type[kind]["message"]


def remember(**memory: Any) -> dict[str, Any]:
    return {"schema": "0.1", "runs": "0.1", **memory}


def seen(*pods: Pod, **changed: Any) -> Observed:
    return observed(*(pods or ALL), **{"memory": remember(), **changed})


def test_a_cluster_that_is_as_it_was_asked_for_is_left_alone() -> None:
    found = look(spec(), seen())
    assert found.actions == ()
    assert said(found, Condition.READY)[:2] == ("True", "AllReady")
    assert said(found, Condition.PROGRESSING)[:2] == ("False", "Settled")
    assert found.status["phase"] == "Ready"
    assert found.status["ready"] == "5/5"
    assert found.wake_in == 30.0


def test_all_conditions_are_always_there() -> None:
    types = {c["type"] for c in look(spec(), seen()).status["conditions"]}
    assert types == set(map(str, Condition))


def test_writes_come_first_and_orders_to_pods_last() -> None:
    pools = {
        Tier.GATEWAY: pool(2),
        Tier.ROUTER: pool(3, Tier.ROUTER),
        Tier.KEYS: pool(1, Tier.KEYS),
    }
    found = look(spec(gateways=1), seen(pools=pools))
    assert [type(action) for action in found.actions] == [
        SetPoolReplicas,
        SetPoolReplicas,
        DrainPod,
    ]


def test_every_write_says_what_it_was_decided_on() -> None:
    (write,) = of(look(spec(gateways=4), seen()), Scale)
    assert (write.uid, write.resource_version, write.replicas) == ("set-gateway", "9", 4)


def test_one_tier_rolls_at_a_time_and_who_is_called_comes_first() -> None:
    first = look(spec(generation=2), seen(), NEWER)
    assert [write.tier for write in of(first, SetTemplate)] == [Tier.KEYS]
    assert said(first, Condition.PROGRESSING)[1] == "RollingOut"


def test_a_tier_whose_surplus_pod_is_there_has_not_settled() -> None:
    surplus = seen(*ALL, pod(1, 0, tier=Tier.KEYS), memory=remember(surge={"keys": 1}))
    found = look(spec(generation=2), surplus, {**NEWER, Tier.KEYS: SAME[Tier.KEYS]})
    assert of(found, SetTemplate) == []
    assert [order.pod for order in of(found, DrainPod)] == ["blue-keys-1"]


def test_when_one_tier_has_failed_the_others_do_not_try_the_same() -> None:
    keys = replace(observed(*ALL).sets[Tier.KEYS], template_hash="returned-from:h2")
    sets = {**observed(*ALL).sets, Tier.KEYS: keys}
    found = look(spec(generation=2), seen(sets=sets), NEWER)
    assert of(found, SetTemplate) == []
    assert said(found, Condition.DEGRADED)[1] == "RolloutFailed"
    assert said(found, Condition.PROGRESSING)[2].count("keys has failed") == 2


def test_pods_that_change_with_the_operator_roll_under_its_budget() -> None:
    memory = remember(rolled={str(tier): 1 for tier in STATEFUL})
    assert of(look(spec(), seen(memory=memory), NEWER, budget=0), SetTemplate) == []
    assert of(look(spec(), seen(memory=memory), NEWER, budget=1), SetTemplate) != []
    asked = look(spec(generation=2), seen(memory=memory), NEWER, budget=0)
    assert of(asked, SetTemplate) != []


def test_the_generation_is_noted_for_which_templates_were_right() -> None:
    found = look(spec(generation=7), seen())
    assert found.memory["rolled"] == {"gateway": 7, "router": 7, "keys": 7}
    before = look(spec(generation=8), seen(memory=found.memory), NEWER)
    assert before.memory["rolled"] == {"gateway": 7, "router": 7, "keys": 7}


def test_no_template_changes_before_the_tables_are_there() -> None:
    found = look(spec(version="0.2.0", generation=2), seen(), NEWER)
    assert of(found, SetTemplate) == []
    assert said(found, Condition.PROGRESSING)[1] == "Migrating"


def test_a_drain_that_was_ordered_is_noted_with_its_end() -> None:
    found = look(spec(gateways=1), seen())
    assert found.memory["drains"] == {"gateway-1": [NOW + 60, 50.0]}
    going = seen(pod(0), draining(1, left_s=40.0), *ALL[2:], memory=remember())
    later = look(spec(gateways=1), going)
    assert later.memory["drains"]["gateway-1"][0] == NOW + 40  # a new operator: the pod's own word


def test_what_is_of_no_interest_any_more_is_forgotten() -> None:
    memory = remember(drains={"gateway-9": [NOW + 9, 5.0], "gateway-1": [NOW + 9, 5.0]})
    found = look(spec(), seen(memory=memory))
    assert "drains" not in found.memory


def test_a_refused_scale_in_says_why_and_what_ends_it() -> None:
    found = look(spec(gateways=1), seen(pod(0, 300), pod(1, 300), *ALL[2:]))
    status, reason, message = said(found, Condition.SCALE_IN_BLOCKED)
    assert (status, reason) == ("True", "SurvivorsCannotCarry")
    assert "gateway stays at 2 pods instead of 1: 2 pods are needed" in message
    assert found.pools[Tier.GATEWAY]["conditions"][3]["type"] == "ScaleInBlocked"
    assert found.pools[Tier.GATEWAY]["conditions"][3]["status"] == "True"


def test_paused_finishes_a_drain_that_runs_and_says_so() -> None:
    going = seen(pod(0), draining(1, 7), *ALL[2:])
    found = look(spec(gateways=1, paused=True), going, NEWER)
    assert found.actions == ()
    assert said(found, Condition.RECONCILIATION_PAUSED) == (
        "True",
        "Paused",
        "Nothing new is begun. A drain that runs is finished first: blue-gateway-1 (7 left).",
    )
    pools = {**observed(*ALL).pools, Tier.GATEWAY: pool(1)}
    over = seen(pod(0), empty(1), *ALL[2:], pools=pools)
    assert [w.replicas for w in of(look(spec(gateways=1, paused=True), over), Scale)] == [1]


def test_stores_that_some_do_not_reach_are_named() -> None:
    down = pod(0, report=report(stores_down=("inbox",)))
    found = look(spec(), seen(down, *ALL[1:]))
    assert said(found, Condition.STORES_REACHABLE) == (
        "False",
        "StoresDown",
        "Not reached: inbox by 1 of 5 pods.",
    )
    assert said(found, Condition.DEGRADED)[1] == "PodsWorseThanPeers"
    assert said(look(spec(), seen(pod(0, report=None))), Condition.STORES_REACHABLE)[0] == "Unknown"


def test_a_pod_that_crashes_is_named_with_the_reason_of_the_api() -> None:
    bad = pod(1, ready=False, trouble="CrashLoopBackOff", report=None)
    found = look(spec(), seen(pod(0), bad, *ALL[2:]))
    assert said(found, Condition.DEGRADED)[1:] == (
        "PodsFailing",
        "Blue-gateway-1 (CrashLoopBackOff).",
    )
    assert said(found, Condition.READY)[:2] == ("False", "PodsNotReady")


def test_counts_of_people_are_rounded_and_shards_are_not() -> None:
    found = look(spec(), seen(pod(0, 12_345), pod(1, 1_111), *ALL[2:]))
    assert found.status["connections"] == 13_000
    assert found.status["tiers"]["router"]["shards"] == 64


def test_a_pool_counts_what_exists_and_has_a_selector() -> None:
    found = look(spec(gateways=1), seen(pod(0), draining(1), *ALL[2:]))
    status = found.pools[Tier.GATEWAY]
    assert (status["replicas"], status["ready"], status["draining"]) == (2, 1, 1)
    assert status["selector"] == (
        "app.kubernetes.io/name=signet,app.kubernetes.io/instance=blue,"
        "messaging.signet.dev/tier=gateway"
    )


def test_a_rebalance_that_runs_is_said_and_keeps_the_autoscaler_from_taking_pods() -> None:
    moved = [replace(p, report=replace(p.report, misplaced=50)) for p in ALL[:2] if p.report]
    found = look(spec(), seen(*moved, *ALL[2:]))
    assert said(found, Condition.REBALANCE_NEEDED)[:2] == ("True", "Misplaced")
    auto = Autoscaling(mode=Mode.BUILTIN, maximum=9, target_connections=4_000)
    asked = spec()
    gateway = replace(asked.tiers[Tier.GATEWAY], autoscaling=auto)
    asked = replace(asked, tiers={**asked.tiers, Tier.GATEWAY: gateway})
    window = remember(load={"gateway": {"since": NOW - 900, "most": 1}})
    assert of(look(asked, seen(*moved, *ALL[2:], memory=window)), SetPoolReplicas) == []
    assert of(look(asked, seen(memory=window)), SetPoolReplicas) != []


def test_a_transition_has_the_time_of_its_change() -> None:
    now = {Condition.READY: Said(True, "AllReady", "All.")}
    (first,) = conditions.conditions({}, now, 1, NOW)
    assert first["lastTransitionTime"] == "2027-01-15T08:00:00Z"
    (same,) = conditions.conditions({"Ready": first}, now, 2, NOW + 60)
    assert (same["lastTransitionTime"], same["observedGeneration"]) == (
        first["lastTransitionTime"],
        2,
    )
    gone = {Condition.READY: Said(False, "PodsNotReady", "One.")}
    (changed,) = conditions.conditions({"Ready": same}, gone, 2, NOW + 60)
    assert changed["lastTransitionTime"] == "2027-01-15T08:01:00Z"


def test_a_cluster_of_which_nothing_is_there_yet_is_being_made() -> None:
    found = look(spec(), Observed())
    assert said(found, Condition.READY)[1] == "NotMade"
    assert found.status["phase"] in {"Migrating", "Creating"}


def test_the_refusal_of_a_dry_run_is_said() -> None:
    found = look(spec(), seen(refused="spec.replicas: must not be negative"))
    status, reason, message = said(found, Condition.DEGRADED)
    assert (status, reason) == ("True", "Refused")
    assert "must not be negative" in message


def test_templates_are_made_from_the_spec_where_none_are_given() -> None:
    asked = spec()
    hashes = {tier: template.hash for tier, template in made(asked).items()}
    sets = {
        tier: replace(found_, template_hash=hashes[tier])
        for tier, found_ in observed(*ALL).sets.items()
    }
    assert plan(asked, seen(sets=sets), NOW).actions == ()
    newer = replace(asked, image=replace(asked.image, tag="9"), generation=2)
    assert of(plan(newer, seen(sets=sets), NOW), SetTemplate) != []


def test_a_stateful_set_that_is_missing_is_anothers_to_make() -> None:
    sets = {Tier.ROUTER: found(2, Tier.ROUTER), Tier.KEYS: found(1, Tier.KEYS)}
    pools = {tier: pool(sets[tier].replicas, tier) for tier in sets}
    assert look(spec(), seen(*ALL[2:], sets=sets, pools=pools)).actions == ()
