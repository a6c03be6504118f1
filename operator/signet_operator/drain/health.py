"""Whether a pod has failed, and whether it does worse than the others.

A pod is compared with its peers: what troubles all of them (a store that is away) is not its fault.
"""

from collections.abc import Iterable, Sequence

from signet_operator.drain.look import WAITING_FOR_ROOM, Look
from signet_operator.observed import NOT_RUNNING, Pod, Stage

CANARY_S = 15.0  # how long the first pod of a revision must have been ready. Raise: slower, surer
READY_S = 300.0  # from a pod's start until it must be ready. Lower: slow starts count as failures
CRASHES = 2  # restarts that make a crash loop: one may be bad luck
PULL_S = 20.0  # for a registry to come to itself
LAG_TIMES, LAG_MS = 3.0, 200.0  # later than the median of the others so many times, and so much

CRASHES_OFTEN = "CrashLoopBackOff"
PULL = frozenset({"ErrImagePull", "ImagePullBackOff"})


def failure(look: Look, new: Iterable[Pod], others: Sequence[Pod]) -> str:
    """Why a revision has failed, by the first of its pods that has; '' while none has (R5)."""
    well = [pod for pod in others if pod.ready]
    away = any(pod.report and pod.report.stores_down for pod in others)
    for pod in new:
        why = _dead(pod, look.now)
        if why and not (away and why == CRASHES_OFTEN):
            return f"{pod.name}: {why}"
        if _late(pod, look.now) and not away and (well or not others):
            return f"{pod.name} was not ready in {READY_S:.0f} s"
    return ""


def has_no_room(pod: Pod) -> bool:
    """It waits for a node, and is nobody's failure."""
    return not pod.ready and pod.trouble in WAITING_FOR_ROOM


def proven(look: Look, pod: Pod, others: Iterable[Pod]) -> bool:
    """Ready for a while, and no worse than the others (R2)."""
    return look.now - pod.ready_changed_at >= CANARY_S and not worse(pod, others)


def worse(pod: Pod, others: Iterable[Pod]) -> str:
    """In what a pod that is ready is worse than its peers; '' if it is not."""
    peers = [peer for peer in others if peer.uid != pod.uid and _speaks(peer)]
    if not _speaks(pod) or not pod.ready or not peers or pod.report is None:
        return ""
    for store in pod.report.stores_down:
        if not any(peer.report and store in peer.report.stores_down for peer in peers):
            return f"it does not reach {store}"
    members = [peer.report.members for peer in peers if peer.report]
    if any(members) and not any(pod.name in seen for seen in members):
        return "the others do not see its membership"
    return _slow(pod, peers)


def _slow(pod: Pod, peers: list[Pod]) -> str:
    lags = sorted(_lag(peer) for peer in peers)
    median = lags[len(lags) // 2]
    lag = _lag(pod)
    if lag >= LAG_MS and lag > LAG_TIMES * median:
        return f"it is {lag:.0f} ms late, the others {median:.0f}"
    return ""


def _lag(pod: Pod) -> float:
    return pod.report.rates.get("lag_ms", 0.0) if pod.report else 0.0


def _speaks(pod: Pod) -> bool:
    return pod.report is not None and pod.stage is Stage.ACTIVE


def _dead(pod: Pod, now: float) -> str:
    """A reason of the API that does not go away by waiting."""
    if pod.ready or pod.deleting or pod.trouble not in NOT_RUNNING:
        return ""
    if pod.trouble == CRASHES_OFTEN and pod.restarts < CRASHES:
        return ""
    if pod.trouble in PULL and now - pod.created_at < PULL_S:
        return ""
    return pod.trouble


def _late(pod: Pod, now: float) -> bool:
    """Not ready since long. A drain makes a pod unready too, and is no failure."""
    if pod.ready or pod.deleting or has_no_room(pod) or not pod.node_reachable:
        return False
    if pod.wants_drain or pod.stage in {Stage.DRAINING, Stage.EMPTY, Stage.GONE}:
        return False
    return now - max(pod.created_at, pod.ready_changed_at) > READY_S
