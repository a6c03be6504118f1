"""Pods on nodes that nobody hears from.

The API server cannot say whether such a pod still runs. The others of the cluster can: when its
membership record has expired, it serves nobody, and its leases fence whatever it still writes
(durability.md). Only then is it deleted by force, which lets the StatefulSet make it anew.

- N1 Unreachable node, no word from the pod itself, and no other pod sees its record; somebody must
  have looked (who sees itself has).
- N2 At most the tier's budget at once: a pod that was made anew counts until it is ready.
"""

from signet_operator.actions import Action, DeletePod, Tell
from signet_operator.drain.look import Look, idle
from signet_operator.observed import Pod


def lost(look: Look) -> list[Action]:
    """Pods to be deleted by force now."""
    if look.paused:
        return []
    gone = [pod for pod in look.pods if is_lost(look, pod)]
    anew = [pod for pod in look.pods if _comes_back(pod)]
    missing = max(0, look.set.replicas - len(look.pods))
    room = max(0, max(1, look.asked.drain.max_concurrent) - len(anew) - missing)
    actions: list[Action] = []
    for pod in gone[:room]:
        actions += [DeletePod(pod.name, pod.uid, force=True), _said(pod)]
    return actions


def is_lost(look: Look, pod: Pod) -> bool:
    """N1."""
    if pod.node_reachable or look.fresh(pod):
        return False
    seers = [seen for name, seen in look.seers.items() if name in seen and name != pod.name]
    return bool(seers) and not any(pod.name in seen for seen in seers)


def _comes_back(pod: Pod) -> bool:
    """N2: it was made anew and is not ready yet."""
    return pod.node_reachable and not pod.deleting and not pod.ready and _starts(pod)


def _starts(pod: Pod) -> bool:
    return pod.report is None or idle(pod)


def _said(pod: Pod) -> Tell:
    return Tell(
        "LostPod",
        f"{pod.name} is on {pod.node}, which does not answer, and its membership has expired:"
        " it is deleted by force, and made anew elsewhere.",
        warning=True,
        pod=pod.name,
    )
