"""What is said of a cluster: the conditions, from the facts of one look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from signet_operator.conditions import Said
from signet_operator.drain import health, rollout
from signet_operator.drain.look import Look, idle
from signet_operator.drain.lost import is_lost
from signet_operator.drain.rollout import Template
from signet_operator.migration import Migration
from signet_operator.names import STATEFUL, Condition, Tier
from signet_operator.observed import Observed, Pod, Stage
from signet_operator.spec import ClusterSpec
from signet_operator.tiers import TierStep

REBALANCE_AT = 0.2  # part of the load that belongs elsewhere, from which somebody should look
NAMED = 3  # pods that a message names; of the others it says how many


@dataclass(frozen=True, slots=True)
class Facts:
    """One look: asked, seen, and what is done."""

    spec: ClusterSpec
    seen: Observed
    looks: Mapping[Tier, Look]
    steps: Mapping[Tier, TierStep]
    tables: Migration
    targets: Mapping[Tier, int]
    templates: Mapping[Tier, Template]
    now: float

    @property
    def pods(self) -> tuple[Pod, ...]:
        return tuple(pod for pods in self.seen.pods.values() for pod in pods)


def said(facts: Facts) -> dict[Condition, Said]:
    """All conditions of the cluster."""
    return {
        Condition.READY: _ready(facts),
        Condition.PROGRESSING: _progressing(facts),
        Condition.DEGRADED: _degraded(facts),
        Condition.STORES_REACHABLE: _stores(facts),
        Condition.DRAINING: _draining(facts),
        Condition.SCALE_IN_BLOCKED: _blocked(facts),
        Condition.REBALANCE_NEEDED: _rebalance(facts),
        Condition.RECONCILIATION_PAUSED: _paused(facts),
    }


def pool_said(facts: Facts, tier: Tier) -> dict[Condition, Said]:
    """Those of one pool."""
    return {
        Condition.READY: _tier_ready(facts, tier),
        Condition.PROGRESSING: _tier_progressing(facts, tier),
        Condition.DEGRADED: _listed(_tier_troubles(facts, tier), "AsExpected"),
        Condition.SCALE_IN_BLOCKED: _tier_blocked(facts, tier),
    }


def misplaced(seen: Observed) -> float:
    """The part of the load that belongs on another pod by the ring."""
    reports = [pod.report for pods in seen.pods.values() for pod in pods if pod.report]
    load = sum(report.load for report in reports)
    return sum(report.misplaced for report in reports) / load if load else 0.0


def ready(seen: Observed, tier: Tier) -> int:
    """Pods of a tier that are ready."""
    return sum(pod.ready and not pod.deleting for pod in seen.pods.get(tier, ()))


# --- Ready, Progressing ------------------------------------------------------------------------


def _ready(facts: Facts) -> Said:
    if facts.spec.hibernate:
        return Said(False, "Hibernating", "No pods are to run; take spec.hibernate away to go on.")
    short = [said for tier in facts.targets if not (said := _tier_ready(facts, tier)).status]
    if short:
        return Said(False, short[0].reason, " ".join(found.message for found in short))
    return Said(True, "AllReady", "All pods that are wanted are ready.")


def _tier_ready(facts: Facts, tier: Tier) -> Said:
    have, want = ready(facts.seen, tier), facts.targets[tier]
    if tier in STATEFUL and tier not in facts.looks:
        return Said(False, "NotMade", f"The StatefulSet of {tier} is not there yet.")
    if have >= want:
        return Said(True, "AllReady", f"{have} of {want} {tier} pods are ready.")
    waiting = [pod for pod in facts.seen.pods.get(tier, ()) if not pod.ready]
    because = f": {_names(waiting, _why_not_ready)}" if waiting else ""
    return Said(False, "PodsNotReady", f"{have} of {want} {tier} pods are ready{because}.")


def _why_not_ready(pod: Pod) -> str:
    if pod.trouble:
        return pod.trouble
    if pod.stage in {Stage.DRAINING, Stage.EMPTY}:
        return str(pod.stage)
    return pod.phase or "not started"


def _progressing(facts: Facts) -> Said:
    if not facts.tables.ready and not facts.tables.failed:
        return Said(True, "Migrating", _sentence(facts.tables.waits))
    found = [s for tier in STATEFUL if (s := _tier_progressing(facts, tier)).status]
    if found:
        return Said(True, found[0].reason, " ".join(s.message for s in found))
    waits = [(tier, step.waits) for tier, step in facts.steps.items() if step.waits]
    if waits:
        text = "; ".join(f"{tier}: {why}" for tier, why in waits)
        return Said(False, "Waiting", f"A new template is to be rolled out; {text}.")
    return Said(False, "Settled", "All is as it was asked for.")


def _tier_progressing(facts: Facts, tier: Tier) -> Said:
    step, look = facts.steps.get(tier), facts.looks.get(tier)
    if tier not in STATEFUL:
        return Said(False, "Settled", f"{tier} follows its Deployment.")
    if step is None or look is None:
        return Said(True, "Creating", f"The StatefulSet of {tier} is to be made.")
    if step.rolling:
        back = "goes back to the template before" if rollout.returns(look) else "gets a new one"
        left = len(rollout.stale(look))
        waits = f"; {step.waits}" if step.waits else ""
        return Said(True, "RollingOut", f"{tier} {back}: {left} pods are left{waits}.")
    there, want = look.set.replicas, facts.targets[tier]
    if there < want or not look.settled:
        return Said(True, "Scaling", f"{tier} has {len(look.pods)} pods and is to have {want}.")
    if there > want and not step.blocked:
        return Said(True, "ScalingIn", f"{tier} goes from {there} to {want} pods, drained first.")
    return Said(False, "Settled", f"{tier} is as it was asked for.")


# --- Degraded ------------------------------------------------------------------------------------


def _degraded(facts: Facts) -> Said:
    troubles: list[tuple[str, str]] = []
    if facts.seen.refused:
        troubles.append(("Refused", f"the API server refuses what is wanted: {facts.seen.refused}"))
    if facts.tables.failed:
        troubles.append(("MigrationFailed", facts.tables.waits))
    for tier in STATEFUL:
        troubles += _tier_troubles(facts, tier)
    return _listed(troubles, "AsExpected")


def _tier_troubles(facts: Facts, tier: Tier) -> list[tuple[str, str]]:
    look = facts.looks.get(tier)
    if look is None:
        return []
    troubles: list[tuple[str, str]] = []
    if rollout.failed_hash(look) == facts.templates[tier].hash:
        text = f"{tier}: the new template has failed, and the one before runs; change the spec"
        troubles.append(("RolloutFailed", text))
    if gone := [pod for pod in look.pods if is_lost(look, pod)]:
        troubles.append(("LostPods", f"{_names(gone, lambda pod: pod.node)}: the node is lost"))
    if broken := [pod for pod in look.pods if idle(pod) and pod.trouble and not pod.deleting]:
        troubles.append(("PodsFailing", _names(broken, lambda pod: pod.trouble)))
    slow = {pod.name: why for pod in look.pods if (why := health.worse(pod, look.pods))}
    if slow:
        text = _names([p for p in look.pods if p.name in slow], lambda pod: slow[pod.name])
        troubles.append(("PodsWorseThanPeers", text))
    return troubles


def _listed(troubles: list[tuple[str, str]], fine: str) -> Said:
    if not troubles:
        return Said(False, fine, "Nothing is known to be wrong.")
    return Said(True, troubles[0][0], _sentence("; ".join(text for _, text in troubles)))


# --- the others ---------------------------------------------------------------------------------


def _stores(facts: Facts) -> Said:
    reports = [pod.report for pod in facts.pods if pod.report]
    if not reports:
        return Said(None, "NobodyAsked", "No pod has said yet what it reaches.")
    down = sorted({store for report in reports for store in report.stores_down})
    if not down:
        return Said(True, "AllReached", "Every pod reaches its stores.")
    without = [
        f"{store} by {sum(store in r.stores_down for r in reports)} of {len(reports)} pods"
        for store in down
    ]
    return Said(False, "StoresDown", f"Not reached: {', '.join(without)}.")


def _draining(facts: Facts) -> Said:
    pods = [pod for look in facts.looks.values() for pod in look.draining]
    if not pods:
        return Said(False, "NoneDrains", "No pod is on its way out.")
    return Said(True, "PodsDrain", f"On their way out: {_names(pods, _left)}.")


def _left(pod: Pod) -> str:
    return f"{pod.report.load} left" if pod.report else "no word from it"


def _blocked(facts: Facts) -> Said:
    found = [_tier_blocked(facts, tier) for tier in STATEFUL if _is_blocked(facts, tier)]
    if not found:
        return Said(False, "NotBlocked", "No scale-in is refused.")
    return Said(True, found[0].reason, " ".join(said.message for said in found))


def _is_blocked(facts: Facts, tier: Tier) -> bool:
    step = facts.steps.get(tier)
    return step is not None and bool(step.blocked)


def _tier_blocked(facts: Facts, tier: Tier) -> Said:
    if not _is_blocked(facts, tier):
        return Said(False, "NotBlocked", "No scale-in is refused.")
    why, want = facts.steps[tier].blocked, facts.targets[tier]
    have = facts.looks[tier].set.replicas
    return Said(
        True,
        "SurvivorsCannotCarry",
        f"{tier} stays at {have} pods instead of {want}: {why}. It goes on by itself when the load"
        " falls; more replicas, or higher targets of autoscaling, end the wish.",
    )


def _rebalance(facts: Facts) -> Said:
    part = misplaced(facts.seen)
    if part < REBALANCE_AT:
        return Said(False, "Balanced", "Users and shards are where the rings put them, or nearly.")
    return Said(
        True,
        "Misplaced",
        f"{part:.0%} of users and shards belong on other pods by the rings; they move slowly by"
        " themselves.",
    )


def _paused(facts: Facts) -> Said:
    pools = [t for t in STATEFUL if t in facts.seen.pools and facts.seen.pools[t].paused]
    if not facts.spec.paused and not pools:
        return Said(False, "NotPaused", "Changes are carried out.")
    which = "Nothing" if facts.spec.paused else f"Nothing of {', '.join(pools)}"
    running = [pod for look in facts.looks.values() for pod in look.draining]
    rest = f" A drain that runs is finished first: {_names(running, _left)}." if running else ""
    return Said(True, "Paused", f"{which} new is begun.{rest}")


def _names(pods: list[Pod], about: Callable[[Pod], str]) -> str:
    named = ", ".join(f"{pod.name} ({about(pod)})" for pod in pods[:NAMED])
    return named if len(pods) <= NAMED else f"{named} and {len(pods) - NAMED} more"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
