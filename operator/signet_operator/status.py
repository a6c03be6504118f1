"""The status of a cluster and of its pools: counts are rounded, so that load writes little."""

from typing import Any

from signet_operator import conditions, names, said
from signet_operator.names import Tier
from signet_operator.observed import Pod
from signet_operator.said import Facts

DIGITS = 2  # that a count keeps. Raise: a write of status for every few connections


def cluster(facts: Facts, found: list[dict[str, Any]]) -> dict[str, Any]:
    """`status` of the MessagingCluster; `ready`, `connections` and `phase` are printer columns."""
    tiers = {str(tier): _tier(facts, tier) for tier in facts.targets}
    have = sum(tier["ready"] for tier in tiers.values())
    want = sum(facts.targets.values())
    return {
        "phase": _phase(facts, found),
        "version": facts.spec.version,
        "ready": f"{have}/{want}",
        "connections": tiers[str(Tier.GATEWAY)]["connections"],
        "tiers": tiers,
        "conditions": found,
    }


def pools(facts: Facts) -> dict[Tier, dict[str, Any]]:
    """`status` of each pool. `replicas`: all that exist, draining ones too (scale subresource)."""
    return {tier: _pool(facts, tier) for tier in facts.targets if tier in facts.seen.pools}


def rounded(count: float) -> int:
    """To so many digits that its size is known."""
    whole = round(count)
    scale = max(0, len(str(whole)) - DIGITS)
    return round(whole, -scale)


def _pool(facts: Facts, tier: Tier) -> dict[str, Any]:
    pool = facts.seen.pools[tier]
    selector = {
        names.NAME_LABEL: "signet",
        names.INSTANCE_LABEL: facts.spec.name,
        names.TIER_LABEL: str(tier),
    }
    found = _tier(facts, tier)
    return {
        "replicas": len(facts.seen.pods.get(tier, ())),
        "ready": found["ready"],
        "draining": found["draining"],
        "load": found["connections"] if tier is Tier.GATEWAY else found["shards"],
        "selector": ",".join(f"{key}={value}" for key, value in selector.items()),
        "pods": [_pod(pod) for pod in facts.seen.pods.get(tier, ())],
        "conditions": conditions.conditions(
            pool.conditions, said.pool_said(facts, tier), facts.spec.generation, facts.now
        ),
    }


def _pod(pod: Pod) -> dict[str, Any]:
    load = pod.report.load if pod.report else 0
    return {"name": pod.name, "stage": str(pod.stage), "load": rounded(load)}


def _tier(facts: Facts, tier: Tier) -> dict[str, Any]:
    look, pods = facts.looks.get(tier), facts.seen.pods.get(tier, ())
    load = sum(pod.report.load for pod in pods if pod.report)
    step = facts.steps.get(tier)
    return {
        "wanted": facts.targets[tier],
        "replicas": len(pods),
        "ready": said.ready(facts.seen, tier),
        "draining": len(look.draining) if look else 0,
        "updated": sum(pod.revision == look.set.update_revision for pod in pods) if look else 0,
        "rolling": step is not None and step.rolling,
        "connections": rounded(load) if tier is Tier.GATEWAY else 0,
        "shards": load if tier is Tier.ROUTER else 0,
    }


def _phase(facts: Facts, found: list[dict[str, Any]]) -> str:
    """One word for people; programs read conditions."""
    on = {condition["type"]: condition for condition in found if condition["status"] == "True"}
    if names.Condition.RECONCILIATION_PAUSED in on:
        return "Paused"
    if facts.spec.hibernate:
        gone = not any(facts.seen.pods.values())
        return "Hibernating" if gone else "FallingAsleep"
    for kind in (names.Condition.DEGRADED, names.Condition.PROGRESSING, names.Condition.READY):
        if kind in on:
            return str(kind) if kind is not names.Condition.PROGRESSING else on[kind]["reason"]
    return "NotReady"
