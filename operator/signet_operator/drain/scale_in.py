"""Fewer pods: drain the top ordinals, take away those that are empty.

- S1 The survivors must be able to carry what is there, or nothing leaves (`ScaleInBlocked`).
- S2 At most `max_concurrent` of the top ordinals drain together, at the survivors' pace.
- S3 The StatefulSet shrinks only to below an unbroken run of pods that may go.
- S4 When more are needed again, who has not ended comes back (drain/asked.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from signet_operator import autoscale
from signet_operator.actions import Action, Scale, Tell
from signet_operator.drain.look import Look
from signet_operator.observed import Pod, Stage

SLACK = 0.1  # a scale-in that has begun goes on under this much more load. Raise: later abort


@dataclass(frozen=True, slots=True)
class ScaleIn:
    """One step. `leaving`: UIDs of pods whose drain belongs to it. `blocked`: why it is refused."""

    actions: tuple[Action, ...] = ()
    leaving: frozenset[str] = frozenset()
    blocked: str = ""


def scale_in(look: Look, wanted: int, *, checked: bool = True) -> ScaleIn:
    """The next step from what there is to `wanted` pods. `checked` False: S1 was asked before."""
    leaving = [pod for pod in look.pods if pod.ordinal >= wanted]
    begun = any(_begun(look, pod) for pod in leaving)
    slack = SLACK if begun else 0.0
    if checked and wanted and (blocked := cannot_carry(look, leaving, slack)):
        return ScaleIn(blocked=blocked)
    if look.paused:
        leaving = [pod for pod in leaving if _begun(look, pod)]
    lowest = _lowest(look, wanted)
    actions: list[Action] = []
    if lowest < look.set.replicas and (not look.paused or begun):
        actions += _removed(look, lowest)
    actions += _drains(look, leaving)
    return ScaleIn(tuple(actions), frozenset(pod.uid for pod in leaving))


def cannot_carry(look: Look, leaving: Sequence[Pod], slack: float = 0.0) -> str:
    """S1: why the pods but those that leave cannot have the load of all; '' if they can.

    `slack`: how much more than their targets they may have.
    """
    if all(look.removable(pod) for pod in leaving):
        return ""  # nothing comes to the survivors
    stay = [pod for pod in look.pods if pod not in leaving]
    survivors = len(look.serving(pod for pod in stay if not pod.wants_drain))
    if not survivors:
        return f"none of the {len(stay)} that would stay is ready"
    need = autoscale.needed(look.asked.autoscaling, look.pods, -slack)
    if need.pods <= survivors or need.measure == "lag":
        return ""
    return (
        f"{need.pods} pods are needed for what is there now ({need.measure}), and {survivors} of"
        f" the {len(stay)} that would stay are ready"
    )


def _lowest(look: Look, wanted: int) -> int:
    """S3."""
    by_ordinal = {pod.ordinal: pod for pod in look.pods}
    lowest = look.set.replicas
    while lowest > wanted:
        pod = by_ordinal.get(lowest - 1)
        if pod is not None and not look.removable(pod):
            break
        lowest -= 1
    return lowest


def _removed(look: Look, lowest: int) -> list[Action]:
    """Shrink; say so of those that were not empty when their drain ended."""
    gone = [pod for pod in look.pods if pod.ordinal >= lowest]
    size = Scale(look.tier, look.set.name, look.set.uid, look.set.resource_version, lowest)
    return [size, *(late(pod) for pod in gone if look.overdue(pod))]


def late(pod: Pod) -> Tell:
    """A drain that came to its deadline with somebody still there."""
    left = f"{pod.report.load} were still on it" if pod.report else "it did not answer"
    return Tell(
        "DrainDeadline",
        f"The drain of {pod.name} has come to its deadline; {left}, and come back by themselves.",
        warning=True,
        pod=pod.name,
    )


def _drains(look: Look, leaving: list[Pod]) -> list[Action]:
    """S2: of the top ones, those that go on and those that begin."""
    top = [pod for pod in leaving if pod.ordinal >= look.set.replicas - look.budget]
    going = [pod for pod in leaving if pod in look.draining and not pod.deleting]
    fresh = [pod for pod in reversed(top) if pod not in look.draining and not look.removable(pod)]
    asked = [*going, *fresh[: look.slots]]
    orders = [look.order(pod, asked) for pod in asked]
    return [order for order in orders if order is not None]


def _begun(look: Look, pod: Pod) -> bool:
    return pod.uid in look.ordered or pod.stage in {Stage.DRAINING, Stage.EMPTY, Stage.GONE}
