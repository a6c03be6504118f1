"""One tier's next step: which of scale-out, scale-in, rollout and drains is its turn.

At most one write to the StatefulSet a look: each carries the resourceVersion that was looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signet_operator.actions import Action, DrainPod, Scale, SetPartition, SetTemplate
from signet_operator.drain import rollout
from signet_operator.drain.asked import bring_back, drain_asked
from signet_operator.drain.look import Look
from signet_operator.drain.lost import lost
from signet_operator.drain.rollout import Roll, Template
from signet_operator.drain.scale_in import ScaleIn, scale_in


@dataclass(frozen=True, slots=True)
class May:
    """What the rest of the cluster allows a tier. `why_not` says why no rollout may begin."""

    start: bool  # pods of the wanted version find tables that they can use
    roll: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class TierStep:
    """What is done for a tier now, and how it stands."""

    actions: tuple[Action, ...]
    rolling: bool
    begins: bool  # a rollout, with this step
    waits: str = ""
    blocked: str = ""
    base: int | None = None  # pods there were before the rollout that runs, or has its surplus pod


def runs(look: Look, base: int | None) -> bool:
    """Whether a rollout runs. None shall stay: then nothing is rolled any more."""
    return look.target > 0 and rollout.rolling(look, look.target if base is None else base)


def step(
    look: Look,
    wanted: Template,
    revisions: Mapping[str, Mapping[str, Any]],
    base: int | None,
    may: May,
) -> TierStep:
    """The next step of one tier. `base`: as noted when its rollout began."""
    if runs(look, base):
        return _rolls(look, wanted, revisions, base)
    kept = base if base is not None and look.set.replicas > max(base, look.target) else None
    inward = _inward(look, kept)
    due = rollout.due(look, wanted) and look.target > 0
    if due and may.roll and not look.paused and _quiet(look, inward, kept):
        roll = rollout.begin(look, wanted, revisions)
        return TierStep(
            (*_late_drains(look, inward), *roll.actions), True, True, base=look.set.replicas
        )
    waits = (may.why_not or "other pods drain") if due else ""
    actions = (
        *lost(look),
        *_outward(look, look.target, may),
        *inward.actions,
        *_others(look, inward.leaving, inward.actions),
    )
    if not any(isinstance(action, Scale) for action in actions):
        actions = (*actions, *([] if look.paused else rollout.guard(look)))
    return TierStep(actions, False, False, waits, inward.blocked, kept)


def _rolls(
    look: Look, wanted: Template, revisions: Mapping[str, Mapping[str, Any]], base: int | None
) -> TierStep:
    """A rollout runs: nothing shrinks, and need is followed (with one more for the surplus pod)."""
    surplus = 0 if base is None else 1
    base = look.target if base is None else base
    roll: Roll = rollout.step(look, wanted, revisions)
    writes = any(isinstance(action, SetTemplate | SetPartition) for action in roll.actions)
    more = () if writes else _outward(look, look.target + surplus, May(True, True))
    actions = (*lost(look), *more, *roll.actions, *_others(look, roll.leaving, roll.actions))
    return TierStep(actions, True, False, roll.waits, base=base)


def _inward(look: Look, base: int | None) -> ScaleIn:
    """First the surplus pod of a rollout, which was there for nothing else; then to the target."""
    if base is not None and look.target <= base:
        return scale_in(look, base, checked=False)
    if look.target < look.set.replicas:
        return scale_in(look, look.target)
    return ScaleIn()


def _outward(look: Look, wanted: int, may: May) -> tuple[Action, ...]:
    """More pods, at once; the first of all when the tables are there."""
    found = look.set
    if wanted <= found.replicas or look.paused or not (may.start or found.replicas):
        return ()
    return (Scale(look.tier, found.name, found.uid, found.resource_version, wanted),)


def _quiet(look: Look, inward: ScaleIn, base: int | None) -> bool:
    """Nothing else is under way that a rollout would cross: it may begin."""
    shrinks = look.target < look.set.replicas and not inward.blocked
    ours = [pod for pod in look.draining if not pod.wants_drain]
    return look.settled and not shrinks and not ours and base is None


def _others(look: Look, leaving: frozenset[str], done: tuple[Action, ...]) -> list[Action]:
    """Drains that persons asked for, and those that nobody wants any more."""
    begun = {action.uid for action in done if isinstance(action, DrainPod)}
    fresh = begun - {pod.uid for pod in look.draining}
    asked = drain_asked(look, look.slots - len(fresh))
    back = bring_back(look, leaving | begun)
    return [*back, *(order for order in asked if getattr(order, "uid", "") not in begun)]


def _late_drains(look: Look, inward: ScaleIn) -> list[Action]:
    """With the beginning of a rollout, what persons asked for goes on."""
    return _others(look, inward.leaving, ())
