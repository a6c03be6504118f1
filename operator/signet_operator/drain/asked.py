"""Drains that a person asked for, and drains that nobody wants any more.

- K1 A pod with the annotation is drained, within the budget, and stays, empty, until it is taken
  away (the annotation, or the pod).
- K2 A drain that no reason is left for is aborted; a pod that is empty already cannot come back by
  itself (V5), so it is replaced.
- K3 Whoever a signal has asked is left alone: it ends by itself.
"""

from signet_operator.actions import Action, DeletePod, UndrainPod
from signet_operator.drain.look import Look, idle
from signet_operator.observed import Pod, Stage


def drain_asked(look: Look, room: int) -> list[Action]:
    """K1. `room`: how many may begin."""
    asked = [pod for pod in look.pods if pod.wants_drain and not pod.deleting and not idle(pod)]
    going = [pod for pod in asked if pod in look.draining]
    fresh = [pod for pod in asked if pod not in look.draining and not pod.empty]
    begin = [] if look.paused else fresh[: max(0, room)]
    group = (*look.draining, *begin)
    orders = [look.order(pod, group) for pod in (*going, *begin)]
    return [order for order in orders if order is not None]


def bring_back(look: Look, leaving: frozenset[str]) -> list[Action]:
    """K2, for all that is not in `leaving` (UIDs)."""
    actions: list[Action] = []
    for pod in look.pods:
        if pod.uid in leaving or pod.wants_drain or pod.deleting or _ending(pod):
            continue
        if look.paused:
            continue  # what drains is finished, and waits, empty
        if pod.empty and look.fresh(pod):
            actions.append(DeletePod(pod.name, pod.uid, force=False))
        elif _drains(look, pod):
            actions.append(UndrainPod(pod.name, pod.uid))
    return actions


def _drains(look: Look, pod: Pod) -> bool:
    """By its word; or it was ordered to, and says nothing: the order's time must not run on."""
    silent = pod.stage is Stage.UNKNOWN and pod.uid in look.ordered
    return silent or pod.stage is Stage.DRAINING


def _ending(pod: Pod) -> bool:
    return pod.report is not None and pod.report.ending
