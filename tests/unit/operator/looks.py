"""Tiers as a plan looks at them, for tests: pods of one line each."""

from dataclasses import replace
from typing import Any

from signet_operator.drain.look import Look
from signet_operator.names import Tier
from signet_operator.observed import Observed, Pod, Pool, Report, Stage, StatefulSet
from signet_operator.spec import Autoscaling, Drain
from tests.unit.operator import clusters

NOW = 1_800_000_000.0
OLD, NEW = "blue-gateway-old", "blue-gateway-new"


def report(load: int = 100, **changed: Any) -> Report:
    """A pod that serves."""
    return replace(Report(Stage.ACTIVE, load, accepts=50.0, at=NOW), **changed)


def pod(ordinal: int, load: int = 100, tier: Tier = Tier.GATEWAY, **changed: Any) -> Pod:
    """Ready since long, of the revision that all have."""
    made = Pod(
        name=f"blue-{tier}-{ordinal}",
        uid=f"{tier}-{ordinal}",
        resource_version="7",
        tier=tier,
        ordinal=ordinal,
        revision=OLD,
        phase="Running",
        ready=True,
        deleting=False,
        created_at=NOW - 3_600,
        node="node-a",
        ready_changed_at=NOW - 3_500,
        report=report(load),
    )
    return replace(made, **changed)


def draining(ordinal: int, load: int = 100, left_s: float = 60.0, **changed: Any) -> Pod:
    """On its way out."""
    said = report(load, stage=Stage.DRAINING, left_s=left_s, accepts=0.0)
    return pod(ordinal, ready=False, report=said, **changed)


def empty(ordinal: int, **changed: Any) -> Pod:
    """Has drained, and waits to be taken away."""
    return pod(ordinal, ready=False, report=report(0, stage=Stage.EMPTY), **changed)


def silent(ordinal: int, **changed: Any) -> Pod:
    """Runs, and does not answer."""
    return pod(ordinal, report=None, **changed)


def found(replicas: int, tier: Tier = Tier.GATEWAY, **changed: Any) -> StatefulSet:
    """Settled, and guarded by its partition."""
    made = StatefulSet(
        name=f"blue-{tier}",
        uid=f"set-{tier}",
        resource_version="9",
        generation=3,
        observed_generation=3,
        replicas=replicas,
        partition=replicas,
        template_hash="h1",
        current_revision=OLD,
        update_revision=OLD,
    )
    return replace(made, **changed)


def look(
    *pods: Pod,
    target: int | None = None,
    together: int = 1,
    rate: int = 0,
    set_: StatefulSet | None = None,
    **changed: Any,
) -> Look:
    """Gateways that may have 400 streams each; all of them are wanted unless `target` says less."""
    asked = clusters.tier(
        Tier.GATEWAY,
        autoscaling=Autoscaling(maximum=9, target_connections=400),
        drain=Drain(deadline_s=60, rate=rate, max_concurrent=together),
    )
    made = Look(
        asked=asked,
        target=len(pods) if target is None else target,
        set=set_ or found(len(pods)),
        pods=pods,
        now=NOW,
    )
    return replace(made, **changed)


def rolled(replicas: int, partition: int, **changed: Any) -> StatefulSet:
    """In the middle of a rollout from OLD to NEW."""
    return found(
        replicas,
        partition=partition,
        template_hash="h2",
        current_revision=OLD,
        update_revision=NEW,
        **changed,
    )


def pool(replicas: int, tier: Tier = Tier.GATEWAY) -> Pool:
    """As it is in the API."""
    return Pool(f"blue-{tier}", f"pool-{tier}", "4", replicas)


def observed(*pods: Pod, **changed: Any) -> Observed:
    """A cluster with these pods, each tier's StatefulSet as they are."""
    tiers = {tier: tuple(p for p in pods if p.tier is tier) for tier in Tier}
    sets = {t: found(len(tiers[t]), t) for t in (Tier.GATEWAY, Tier.ROUTER, Tier.KEYS)}
    pools = {tier: pool(len(tiers[tier]), tier) for tier in sets}
    return replace(Observed(pools=pools, sets=sets, pods=tiers, schema="0.1"), **changed)
