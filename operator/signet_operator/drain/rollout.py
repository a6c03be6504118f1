"""A new template: one pod more tries it, then all from the top down, each drained first.

- R1 Template, `partition = replicas` and one more replica in one write: only the new pod (the
  canary) has the new revision. No rollout begins before the last has settled.
- R2 The canary must be ready for `CANARY_S`, and no worse than the others.
- R3 Then downwards: drain, and when empty lower the partition to it. Each must be ready before the
  next drains. A pod that Kubernetes does not replace by itself is deleted.
- R4 When all have the new revision the surplus pod is drained and taken away, as in any scale-in.
- R5 Failure (it crashes, its image is not to be had, it is not ready in `READY_S`) goes back to the
  revision of the others, in one write that also says which hash has failed: that is not tried
  again. A pod without room only waits. Pods that fail while the others do too are not to blame.
- R6 In between, and before, the partition stays at the number of pods: a template that somebody
  else writes replaces none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from signet_operator.actions import Action, DeletePod, SetPartition, SetTemplate, Tell
from signet_operator.apply.drift import differs
from signet_operator.drain import health
from signet_operator.drain.look import Look, idle
from signet_operator.drain.scale_in import cannot_carry, late
from signet_operator.observed import Pod

RETURNED = "returned-from:"  # in the annotation TEMPLATE_HASH, before the hash that has failed
GIVEN_UP = "given-up"  # in its place: it had no room, and something else was asked for meanwhile


class Template(NamedTuple):
    """What a tier's pods are to be made from."""

    hash: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Roll:
    """One step. `leaving`: UIDs of pods whose drain belongs to it; `waits`: for what."""

    actions: tuple[Action, ...] = ()
    leaving: frozenset[str] = frozenset()
    waits: str = ""


def stale(look: Look) -> list[Pod]:
    """Pods that do not have the template that the StatefulSet has now, lowest first."""
    return [pod for pod in look.pods if pod.revision != look.set.update_revision]


def rolling(look: Look, base: int) -> bool:
    """Whether a rollout runs. `base`: pods there were before it; what is above is surplus (R4)."""
    if look.set.observed_generation < look.set.generation:
        return True  # Kubernetes has not said yet what our last write means
    if any(pod.ordinal < base for pod in stale(look)):
        return True
    return look.set.current_revision != look.set.update_revision and not all(
        pod.ready or pod.wants_drain for pod in look.pods if pod.ordinal < base
    )


def due(look: Look, wanted: Template) -> bool:
    """Whether another template is wanted than the one that is there, and has not failed (R5)."""
    return failed_hash(look) != wanted.hash and (
        look.set.template_hash != wanted.hash or look.set.drifted
    )


def failed_hash(look: Look) -> str:
    """The hash that the tier has come back from, '' for none."""
    found = look.set.template_hash
    return found.removeprefix(RETURNED) if found.startswith(RETURNED) else ""


def returns(look: Look) -> bool:
    """Whether the template is one that was gone back to."""
    return bool(failed_hash(look)) or look.set.template_hash == GIVEN_UP


def begin(
    look: Look, wanted: Template, revisions: Mapping[str, Mapping[str, Any]] | None = None
) -> Roll:
    """R1; but where pods have gone back to just this template, there is nothing to try."""
    there = look.set.replicas
    if returns(look) and not look.set.drifted and not stale(look):
        body = (revisions or {}).get(look.set.update_revision)
        if body is not None and not differs(wanted.body, body):
            return Roll((_template(look, wanted, there),))
    tell = Tell("RolloutBegun", f"{look.set.name} gets a new template: one pod more tries it.")
    return Roll((_template(look, wanted, there + 1 if there else 0), tell))


def step(look: Look, wanted: Template, revisions: Mapping[str, Mapping[str, Any]]) -> Roll:
    """What is next in a rollout that runs."""
    old = stale(look)
    if look.set.observed_generation < look.set.generation:
        return Roll(leaving=_going(look, old), waits="Kubernetes has not seen the last write yet")
    if right := _put_right(look, wanted, old, revisions):
        return right
    if failure := _failure(look, wanted, revisions):
        return failure
    if waits := _waits(look, old):
        return Roll(tuple(_goes_on(look, old)), _going(look, old), waits)
    return _downwards(look, old)


def guard(look: Look) -> list[Action]:
    """R6, for a tier that has settled."""
    same = look.set.current_revision == look.set.update_revision
    if not same or stale(look) or look.set.partition == look.set.replicas:
        return []
    return [_partition(look, look.set.replicas)]


# --- R5 ------------------------------------------------------------------------------------------


def _failure(
    look: Look, wanted: Template, revisions: Mapping[str, Mapping[str, Any]]
) -> Roll | None:
    """Back, if the new revision has failed, or if its spec was taken back while it has no room."""
    new = [pod for pod in look.pods if pod.revision == look.set.update_revision]
    body = revisions.get(_before(look))
    if body is None or not new or look.paused:
        return None
    why = health.failure(look, new, stale(look))
    if returns(look):
        return _turned(look, body, new) if why else None
    if why:
        return _failed(look, body, why)
    waits = any(health.has_no_room(pod) for pod in new)
    if waits and wanted.hash != look.set.template_hash:
        return Roll((_template(look, _clean(GIVEN_UP, body), look.set.replicas),))
    return None


def _before(look: Look) -> str:
    """The revision of the others. Kubernetes' `currentRevision` may be older than theirs."""
    old = stale(look)
    if old:
        return old[0].revision
    same = look.set.current_revision == look.set.update_revision
    return "" if same else look.set.current_revision


def _turned(look: Look, body: Mapping[str, Any], new: list[Pod]) -> Roll | None:
    """On the way back, by a hand, to where none is ready: to where pods are."""
    if any(pod.ready for pod in new) or not any(pod.ready for pod in stale(look)):
        return None
    return Roll((_template(look, _clean(look.set.template_hash, body), look.set.replicas),))


def _clean(hash_: str, body: Mapping[str, Any]) -> Template:
    """A ControllerRevision's template is a patch; without its mark it is a template."""
    return Template(hash_, {key: value for key, value in body.items() if key != "$patch"})


def _failed(look: Look, body: Mapping[str, Any], why: str) -> Roll:
    failed = _clean(RETURNED + look.set.template_hash, body)
    tell = Tell(
        "RolloutFailed",
        f"The new template of {look.set.name} has failed ({why}). The pods go back to the one"
        " before; it is tried again when the cluster's spec changes.",
        warning=True,
    )
    return Roll((_template(look, failed, look.set.replicas), tell))


# --- R1 to R3 ------------------------------------------------------------------------------------


def _put_right(
    look: Look, wanted: Template, old: list[Pod], revisions: Mapping[str, Mapping[str, Any]]
) -> Roll | None:
    """A template was written past us. Where no pod has it yet, none gets it (R6)."""
    guarded = look.set.partition >= look.set.replicas and not returns(look)
    untried = len(old) == len(look.pods) and guarded
    if look.paused or not look.settled or not (untried or look.set.drifted):
        return None
    if untried and not look.set.drifted:
        return begin(look, wanted)  # its pods went (hibernation) before the canary had tried it
    body = revisions.get(old[0].revision) if untried and old else None
    right = _clean(look.set.template_hash, body) if body else wanted
    tell = Tell("TemplatePutRight", f"Somebody has changed the template of {look.set.name}.")
    return Roll((_template(look, right, look.set.replicas), tell))


def _waits(look: Look, old: list[Pod]) -> str:
    """What must be before another pod drains; '' nothing."""
    if look.paused:
        return "paused"
    if len(look.pods) < look.set.replicas:
        return "a pod is being made"
    new = [pod for pod in look.pods if pod not in old and not pod.wants_drain]
    for pod in new:
        if not pod.ready or pod.deleting:
            room = "has found no room" if health.has_no_room(pod) else "is not ready yet"
            return f"{pod.name} {room}"
    if len(new) == 1 and not health.proven(look, new[0], old):
        return f"{new[0].name} tries the new template"  # R2
    if not new and not returns(look):
        return "no pod that stays has tried the new template"
    return ""


def _downwards(look: Look, old: list[Pod]) -> Roll:
    """R3: the highest ones that are left drain; those at the top that may go are replaced."""
    top = [pod for pod in reversed(old) if not idle(pod)]
    going = [pod for pod in top if pod in look.draining and not pod.deleting]
    fresh = [pod for pod in top[: look.budget] if not _begun(look, pod)]
    begins = _fitting(look, fresh[: look.slots])
    group = (*going, *begins)
    orders = [look.order(pod, group) for pod in group]
    leaving = _going(look, old) | {pod.uid for pod in begins}
    return Roll((*_replaced(look, old), *(order for order in orders if order)), leaving)


def _fitting(look: Look, begins: list[Pod]) -> list[Pod]:
    """Not more than the others can carry, but one: the surplus pod is there for it."""
    while len(begins) > 1 and cannot_carry(look, begins):
        begins = begins[:-1]
    return begins


def _goes_on(look: Look, old: list[Pod]) -> list[Action]:
    """What has begun is finished, whatever the next has to wait for."""
    going = [pod for pod in old if pod in look.draining and not pod.deleting]
    orders = [look.order(pod, going) for pod in going]
    return [
        *_replaced(look, old, begun=not returns(look)),
        *(order for order in orders if order),
    ]


def _replaced(look: Look, old: list[Pod], *, begun: bool = False) -> list[Action]:
    """Lower the partition to the lowest of the top that may go. `begun`: that have drained."""
    by_ordinal = {pod.ordinal: pod for pod in look.pods}
    lowest = min(look.set.partition, look.set.replicas)
    goes: list[Pod] = []
    while (pod := by_ordinal.get(lowest - 1)) is not None:
        if pod in old:
            if not look.removable(pod) or (begun and idle(pod)):
                break
            goes.append(pod)
        lowest -= 1
    if goes:
        return [_partition(look, goes[-1].ordinal), *(late(p) for p in goes if look.overdue(p))]
    return _deleted(look, old)


def _deleted(look: Look, old: list[Pod]) -> list[Action]:
    """Kubernetes replaces one at a time, and may count who has drained as one that is away."""
    above = [pod for pod in old if pod.ordinal >= look.set.partition and not pod.deleting]
    gone = [pod for pod in above if look.removable(pod)]
    return [DeletePod(pod.name, pod.uid, force=False) for pod in gone]


def _begun(look: Look, pod: Pod) -> bool:
    return pod in look.draining or look.removable(pod)


def _going(look: Look, old: list[Pod]) -> frozenset[str]:
    """Those whose drain is this rollout's: whatever drains and is to be replaced."""
    return frozenset(pod.uid for pod in old if _begun(look, pod))


# --- writes --------------------------------------------------------------------------------------


def _template(look: Look, template: Template, replicas: int) -> SetTemplate:
    found = look.set
    return SetTemplate(
        look.tier,
        found.name,
        found.uid,
        found.resource_version,
        template.body,
        template.hash,
        replicas,
        found.replicas,
    )


def _partition(look: Look, partition: int) -> SetPartition:
    found = look.set
    return SetPartition(look.tier, found.name, found.uid, found.resource_version, partition)
