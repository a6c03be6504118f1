"""One tier as a plan looks at it, and which of its pods may be taken away.

A pod may go when nothing is on it: by its own word (EMPTY, which only a restart ends), because no
process of it runs, or because its drain has ended at its deadline.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from signet_operator.actions import DrainPod
from signet_operator.names import Tier
from signet_operator.observed import NOT_RUNNING, Pod, Stage, StatefulSet
from signet_operator.spec import TierSpec

FRESH_S = 10.0  # how old a pod's word may be. Raise: a pod that has restarted may be thought empty
GRACE_S = 10.0  # over a drain's deadline until its pod is taken away, whatever it says (V6 and way)
RATE_STEP = 0.25  # a change of the survivors' acceptance that is worth a new order

# Reasons of the API for a container that does not run.
WAITING_FOR_ROOM = frozenset({"Unschedulable", "SchedulingGated", "SchedulerError"})


@dataclass(frozen=True, slots=True)
class Ordered:
    """A drain that this operator has asked for: when it ends at the latest, and how fast."""

    deadline: float
    rate: float


@dataclass(frozen=True, slots=True)
class Look:
    """One tier. `target`: the pods that it shall have; `seers`: names of members by who sees them.

    `ordered` is by the UID of pods. `paused`: nothing new begins, what has begun is finished.
    """

    asked: TierSpec
    target: int
    set: StatefulSet
    pods: tuple[Pod, ...]
    now: float
    ordered: Mapping[str, Ordered] = field(default_factory=dict)
    paused: bool = False
    seers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def tier(self) -> Tier:
        return self.asked.tier

    @property
    def settled(self) -> bool:
        """Kubernetes has seen what was written last, and has made and removed pods for it."""
        ordinals = [pod.ordinal for pod in self.pods]
        return (
            self.set.observed_generation >= self.set.generation
            and ordinals == list(range(self.set.replicas))
            and not any(pod.deleting for pod in self.pods)
        )

    @property
    def budget(self) -> int:
        """How many may drain at once: all of them where none shall stay."""
        return max(1, self.asked.drain.max_concurrent, 0 if self.target else len(self.pods))

    @property
    def draining(self) -> tuple[Pod, ...]:
        """On their way out, for whatever reason. Those that are empty cost nobody anything more."""
        return tuple(pod for pod in self.pods if self._drains(pod))

    @property
    def slots(self) -> int:
        """How many more may begin to drain."""
        return max(0, self.budget - len(self.draining))

    def fresh(self, pod: Pod) -> bool:
        """Whether its last word is of now."""
        return pod.report is not None and self.now - pod.report.at <= FRESH_S

    def removable(self, pod: Pod) -> bool:
        """Nothing is on it, or its drain is over."""
        return idle(pod) or pod.deleting or (pod.empty and self.fresh(pod)) or self.overdue(pod)

    def overdue(self, pod: Pod) -> bool:
        """Its drain has not ended by itself (stuck, or its word cannot be had)."""
        order = self.ordered.get(pod.uid)
        if order is None or pod.empty or self.unasked(pod):
            return False
        return self.now > order.deadline + GRACE_S

    def unasked(self, pod: Pod) -> bool:
        """It says that it is active: no order has reached it, or it has restarted since."""
        return self.fresh(pod) and pod.stage is Stage.ACTIVE

    def serving(self, pods: Iterable[Pod]) -> tuple[Pod, ...]:
        """Those that take what others give away."""
        return tuple(p for p in pods if p.ready and not p.deleting and p.stage is Stage.ACTIVE)

    def order(self, pod: Pod, group: Sequence[Pod]) -> DrainPod | None:
        """What a pod of a group that drains together is asked now; None: it has been asked that.

        A drain that runs keeps its deadline, however often it is ordered again.
        """
        before = self.ordered.get(pod.uid)
        rate = self.rate(pod, group)
        drains = pod.stage in {Stage.DRAINING, Stage.EMPTY, Stage.GONE}
        if drains and (before is None or not differs(before.rate, rate)):
            return None
        if pod.empty or (pod.report is not None and pod.report.ending):
            return None
        deadline = self.now + self.asked.drain.deadline_s
        if before is not None and not self.unasked(pod):
            deadline = before.deadline
            if deadline <= self.now:
                return None  # it is over: an order would only put it off
        left = max(1, math.ceil(deadline - self.now))
        return DrainPod(pod.name, pod.uid, left, rate)

    def rate(self, pod: Pod, group: Sequence[Pod]) -> float:
        """What one of those that drain together may ask to move in a second; 0: the pod's choice.

        It is what was asked for, spread over the period that was asked for, and never more than
        its part of what the survivors take now.
        """
        stay = [pod for pod in self.serving(self.pods) if pod not in group]
        part = round(sum(p.report.accepts for p in stay if p.report) / max(1, len(group)), 1)
        load = pod.report.load if pod.report else 0
        asked = round(self.asked.drain.rate_of(load, self._passed(pod)), 1)
        return min((rate for rate in (asked, part) if rate > 0), default=0.0)

    def _passed(self, pod: Pod) -> float:
        """Seconds of the pod's drain that are over; it may not have begun."""
        before = self.ordered.get(pod.uid)
        if before is None or self.unasked(pod):
            return 0.0
        return self.now - (before.deadline - self.asked.drain.deadline_s)

    def _drains(self, pod: Pod) -> bool:
        if pod.empty or idle(pod) or self.overdue(pod):
            return False
        return pod.stage is Stage.DRAINING or pod.uid in self.ordered or pod.deleting


def idle(pod: Pod) -> bool:
    """No process of it runs, so nobody is connected to it."""
    if pod.phase in {"Pending", "Failed", "Succeeded"}:
        return True
    return not pod.ready and pod.trouble in NOT_RUNNING


def differs(before: float, now: float) -> bool:
    """Whether a rate has changed so much that it is worth telling."""
    return abs(now - before) > RATE_STEP * max(before, now)
