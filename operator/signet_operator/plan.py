"""From what was asked and what is there to what is done now: pure, derived anew each look.

The order of thoughts: what each tier shall have; whether the tables are there; what leaves or
comes, one step a tier; what is said of it. Nothing here knows time, chance or the network.
"""

from collections.abc import Mapping
from dataclasses import replace

from signet_operator import conditions, desired, memory, rebalance, said, status, targets, tiers
from signet_operator.actions import (
    Action,
    DeletePod,
    DrainPod,
    Plan,
    RebalancePod,
    RunMigration,
    Scale,
    SetPartition,
    SetPoolReplicas,
    SetTemplate,
    Tell,
    UndrainPod,
)
from signet_operator.desired.meta import content_hash
from signet_operator.drain import rollout
from signet_operator.drain.look import Look, Ordered
from signet_operator.drain.rollout import Template
from signet_operator.memory import Memory
from signet_operator.migration import Migration, migrate, schema_of
from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Observed, Pod, Stage
from signet_operator.spec import ClusterSpec
from signet_operator.tiers import May, TierStep

WAKE_IDLE_S, WAKE_BUSY_S = 30.0, 2.0
MISPLACED = 0.05  # part of the load that belongs elsewhere, from which a rebalance is under way

# What is written first; orders to pods last, since one that does not answer stops those behind it.
_ORDER = (
    SetPoolReplicas,
    RunMigration,
    SetTemplate,
    SetPartition,
    Scale,
    DeletePod,
    Tell,
    UndrainPod,
    DrainPod,
    RebalancePod,
)
# Of rollouts, one tier after the other: who is called before who calls.
ROLL_ORDER = (Tier.KEYS, Tier.ROUTER, Tier.GATEWAY)


def plan(
    spec: ClusterSpec,
    seen: Observed,
    now: float,
    *,
    budget: int = 1,
    templates: Mapping[Tier, Template] | None = None,
) -> Plan:
    """What to do now.

    `budget`: how many clusters more may begin a rollout that nobody asked for (this operator is
    newer, and makes other pods of the same spec). `templates`: made from the spec if not given.
    """
    noted = memory.read(seen.memory)
    wanted = templates if templates is not None else made(spec)
    looks = _looks(spec, seen, noted, now)
    busy = _busy(looks, noted, seen)
    aims = targets.targets(spec, seen, noted.load, now, busy=busy)
    looks = {tier: replace(look, target=aims.pods[tier]) for tier, look in looks.items()}
    rolling = {tier for tier, look in looks.items() if tiers.runs(look, noted.surge.get(tier))}
    tables = migrate(spec.version, seen, noted.runs, settled=not rolling, paused=spec.paused)
    steps = _steps(spec, seen, looks, wanted, noted, tables, budget)
    moves = rebalance.asked(spec, seen, noted.rebalanced, now)
    stepped = [action for step in steps.values() for action in step.actions]
    actions = _sorted([*aims.actions, *tables.actions, *stepped, *moves.actions])
    kept = _noted(spec, looks, wanted, noted, steps, tables, actions, now)
    kept = replace(kept, load=aims.windows, rebalanced=moves.done)
    facts = said.Facts(spec, seen, looks, steps, tables, aims.pods, wanted, now)
    return Plan(
        actions=actions,
        status=status.cluster(
            facts,
            conditions.conditions(seen.conditions, said.said(facts), spec.generation, now),
        ),
        pools=status.pools(facts),
        wake_in=WAKE_BUSY_S if _soon(steps, looks, actions) else WAKE_IDLE_S,
        memory=memory.write(kept),
    )


def made(spec: ClusterSpec) -> dict[Tier, Template]:
    """What the pods of each tier are to be made from."""
    bodies = {tier: desired.template(spec, tier) for tier in STATEFUL}
    return {tier: Template(content_hash(body), body) for tier, body in bodies.items()}


def _looks(spec: ClusterSpec, seen: Observed, noted: Memory, now: float) -> dict[Tier, Look]:
    seers = {
        pod.name: pod.report.members
        for pods in seen.pods.values()
        for pod in pods
        if pod.report and now - pod.report.at <= WAKE_IDLE_S and pod.stage is not Stage.UNKNOWN
    }
    return {
        tier: Look(
            asked=spec.tiers[tier],
            target=seen.sets[tier].replicas,
            set=seen.sets[tier],
            pods=seen.pods.get(tier, ()),
            now=now,
            ordered=_running(seen.pods.get(tier, ()), noted.drains),
            paused=spec.paused or (tier in seen.pools and seen.pools[tier].paused),
            seers=seers,
        )
        for tier in STATEFUL
        if tier in seen.sets
    }


def _running(pods: tuple[Pod, ...], noted: Mapping[str, Ordered]) -> dict[str, Ordered]:
    """Drains that run: as they were ordered, or as the pod itself says (this operator is new)."""
    found: dict[str, Ordered] = {}
    for pod in pods:
        if pod.uid in noted:
            found[pod.uid] = noted[pod.uid]
        elif pod.report and pod.stage is Stage.DRAINING:
            found[pod.uid] = Ordered(pod.report.at + pod.report.left_s, 0.0)
    return found


def _busy(looks: Mapping[Tier, Look], noted: Memory, seen: Observed) -> bool:
    """A drain, a rollout or a rebalance runs: nobody is to be taken away for want of load."""
    drains = any(look.draining for look in looks.values())
    rolls = any(tiers.runs(look, noted.surge.get(tier)) for tier, look in looks.items())
    return drains or rolls or bool(noted.surge) or said.misplaced(seen) > MISPLACED


def _steps(
    spec: ClusterSpec,
    seen: Observed,
    looks: Mapping[Tier, Look],
    wanted: Mapping[Tier, Template],
    noted: Memory,
    tables: Migration,
    budget: int,
) -> dict[Tier, TierStep]:
    """One step a tier. One tier rolls at a time, and those that others call come first."""
    steps: dict[Tier, TierStep] = {}
    unsettled = [
        tier
        for tier, look in looks.items()
        if tier in noted.surge or tiers.runs(look, noted.surge.get(tier))
    ]
    failed = [t for t, look in looks.items() if rollout.failed_hash(look) == wanted[t].hash]
    for tier in ROLL_ORDER:
        if tier not in looks:
            continue
        others = [other for other in unsettled if other is not tier]
        may = _may(spec, looks[tier], wanted[tier], noted, tables, others, failed, budget)
        surge = noted.surge.get(tier)
        steps[tier] = tiers.step(looks[tier], wanted[tier], seen.revisions, surge, may)
        if steps[tier].begins:
            unsettled.append(tier)
    return steps


def _may(
    spec: ClusterSpec,
    look: Look,
    wanted: Template,
    noted: Memory,
    tables: Migration,
    others: list[Tier],
    failed: list[Tier],
    budget: int,
) -> May:
    unasked = noted.rolled.get(look.tier) == spec.generation
    if not tables.ready:
        return May(False, False, tables.waits)
    if others:
        return May(True, False, f"{others[0]} rolls first")
    if failed and look.tier not in failed:
        return May(True, False, f"{failed[0]} has failed: change its spec first")
    if unasked and rollout.due(look, wanted) and budget < 1:
        return May(True, False, "other clusters roll first, since this operator is newer")
    return May(True, True)


def _noted(
    spec: ClusterSpec,
    looks: Mapping[Tier, Look],
    wanted: Mapping[Tier, Template],
    noted: Memory,
    steps: Mapping[Tier, TierStep],
    tables: Migration,
    actions: tuple[Action, ...],
    now: float,
) -> Memory:
    still = [pod.uid for look in looks.values() for pod in look.pods if _still(look, pod)]
    before = {uid: order for look in looks.values() for uid, order in look.ordered.items()}
    stopped = {a.uid for a in actions if isinstance(a, UndrainPod | DeletePod)}
    right = [tier for tier, look in looks.items() if look.set.template_hash == wanted[tier].hash]
    settled = len(right) == len(looks) and not any(step.rolling for step in steps.values())
    return Memory(
        drains=memory.ordered(before, [uid for uid in still if uid not in stopped], actions, now),
        surge={tier: step.base for tier, step in steps.items() if step.base is not None},
        rolled={**noted.rolled, **dict.fromkeys(right, spec.generation)},
        schema=tables.schema,
        runs=schema_of(spec.version) if settled and looks else noted.runs,
    )


def _still(look: Look, pod: Pod) -> bool:
    """A drain of this pod that was ordered is still of interest."""
    return pod.uid in look.ordered and not look.unasked(pod)


def _sorted(actions: list[Action]) -> tuple[Action, ...]:
    return tuple(sorted(actions, key=lambda action: _ORDER.index(type(action))))


def _soon(
    steps: Mapping[Tier, TierStep], looks: Mapping[Tier, Look], actions: tuple[Action, ...]
) -> bool:
    """Something is under way that no event of the API tells of."""
    return (
        bool(actions)
        or any(step.rolling for step in steps.values())
        or any(look.draining or not look.settled for look in looks.values())
    )
