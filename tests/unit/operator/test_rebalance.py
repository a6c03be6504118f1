"""A rebalance that a person asked for: once for each time, of those who hear."""

from dataclasses import replace

from signet_operator.actions import RebalancePod, Tell
from signet_operator.drain.rollout import Template
from signet_operator.names import REBALANCE, STATEFUL, Tier
from signet_operator.observed import Observed
from signet_operator.plan import plan
from signet_operator.reading import read
from signet_operator.rebalance import Rebalance, asked
from tests.support.crds import stored
from tests.unit.operator import clusters
from tests.unit.operator.looks import NOW, draining, observed, pod, report, silent

AT = "2027-01-15T08:00:00+00:00"
SPEC = clusters.plain(rebalance=AT)
SAME = {tier: Template("h1", {}) for tier in STATEFUL}


def orders(found: Rebalance) -> list[str]:
    return [action.pod for action in found.actions if isinstance(action, RebalancePod)]


def told(found: Rebalance) -> list[str]:
    return [action.message for action in found.actions if isinstance(action, Tell)]


def test_the_annotation_is_read() -> None:
    resource = stored()
    assert read(resource).rebalance == ""
    resource["metadata"]["annotations"] = {REBALANCE: AT}
    assert read(resource).rebalance == AT


def test_gateways_are_asked_once_for_each_time() -> None:
    seen = observed(pod(0), pod(1), pod(0, tier=Tier.ROUTER))
    found = asked(SPEC, seen, "", NOW)
    assert (orders(found), found.done) == (["blue-gateway-0", "blue-gateway-1"], AT)
    assert asked(SPEC, seen, AT, NOW) == Rebalance(AT)
    again = replace(SPEC, rebalance="later")
    assert orders(asked(again, seen, AT, NOW)) == ["blue-gateway-0", "blue-gateway-1"]


def test_nobody_is_asked_when_no_person_asked() -> None:
    assert asked(clusters.plain(), observed(pod(0)), AT, NOW) == Rebalance(AT)


def test_who_drains_or_says_nothing_is_left_out_and_named() -> None:
    old = pod(2, report=report(at=NOW - 60))
    found = asked(SPEC, observed(pod(0), draining(1), old, silent(3)), "", NOW)
    assert orders(found) == ["blue-gateway-0"]
    (text,) = told(found)
    assert "1 of 4 gateways" in text
    assert "blue-gateway-1 (draining), blue-gateway-2 (active), blue-gateway-3 (unknown)" in text


def test_it_waits_while_no_gateway_answers_and_while_the_cluster_is_paused() -> None:
    assert asked(SPEC, observed(silent(0)), "", NOW) == Rebalance("")
    assert asked(SPEC, Observed(), "", NOW) == Rebalance("")
    assert asked(replace(SPEC, paused=True), observed(pod(0)), "", NOW) == Rebalance("")


def test_a_plan_notes_what_was_asked_and_the_next_one_asks_nobody() -> None:
    seen = observed(pod(0), pod(1), pod(0, tier=Tier.ROUTER), pod(0, tier=Tier.KEYS))
    first = plan(SPEC, seen, NOW, templates=SAME)
    assert first.memory["rebalanced"] == AT
    assert sum(isinstance(action, RebalancePod) for action in first.actions) == 2
    second = plan(SPEC, replace(seen, memory=first.memory), NOW + 1, templates=SAME)
    assert second.memory["rebalanced"] == AT
    assert not any(isinstance(action, RebalancePod) for action in second.actions)
