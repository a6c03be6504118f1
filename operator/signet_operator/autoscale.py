"""How many pods a tier needs by what its pods say, and when to follow: up in seconds, down in
minutes, and not at all by noise.

The load of draining pods counts (it comes back to the others), the pods themselves do not. Each
measure says how many pods would carry its total; the most demanding one decides.

- A1 Up when every look of `up_stabilization_s` asked for more, to the least that was asked for.
- A2 Down when every look of `down_stabilization_s` asked for less, to the most that was asked for.
- A3 Down asks with `HEADROOM`: what is left afterwards is not at the edge of going up again.
- A4 Never down while a drain, a rollout or a rebalance runs, or while a pod's word is missing; the
  time begins anew after it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from signet_operator.drain.look import idle
from signet_operator.names import Tier
from signet_operator.observed import Pod, Stage
from signet_operator.spec import Autoscaling

HEADROOM = 0.15  # A3. Raise: more pods than needed, less up and down
LAG_STEP = 1.5  # the most that lag alone multiplies a tier by at a time: it is no measure of load
LAG_LOW = 0.5  # part of the target under which lag does not keep pods


@dataclass(frozen=True, slots=True)
class Need:
    """Pods that a tier needs, and which measure says so."""

    pods: int
    measure: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """What was asked for lately, in short. `above`: looks (time, pods) of A1's window that all
    asked for more; `since`, `most`: how long all asked for less, and the most of it (A2).
    """

    above: tuple[tuple[float, int], ...] = ()
    since: float | None = None
    most: int = 0

    @staticmethod
    def read(memory: Mapping[str, Any]) -> "Window":
        return Window(
            above=tuple((float(at), int(pods)) for at, pods in memory.get("above", ())),
            since=memory.get("since"),
            most=int(memory.get("most", 0)),
        )

    def write(self) -> dict[str, Any]:
        kept: dict[str, Any] = {"above": [[round(at, 1), n] for at, n in self.above]}
        if not self.above:
            kept = {}
        return kept | ({} if self.since is None else {"since": self.since, "most": self.most})


@dataclass(frozen=True, slots=True)
class Advice:
    """What a tier's pods are to be, and what to remember."""

    pods: int
    window: Window = field(default_factory=Window)
    measure: str = ""


def advise(
    auto: Autoscaling, now_has: int, pods: Iterable[Pod], window: Window, now: float, *, busy: bool
) -> Advice:
    """The replicas for a tier that shall have `now_has` at this time. `busy`: A4."""
    pods = tuple(pods)
    up, down = needed(auto, pods), needed(auto, pods, HEADROOM)
    if up.pods > now_has:
        return _up(auto, now_has, up, window, now)
    if down.pods >= now_has or busy or not all(_known(pod) for pod in pods):
        return Advice(now_has)
    return _down(auto, now_has, down, window, now)


def _up(auto: Autoscaling, now_has: int, need: Need, window: Window, now: float) -> Advice:
    """A1. One look that is older than the window stays, so that the window is known to be full."""
    looks = [*window.above, (now, need.pods)]
    begin = now - auto.up_stabilization_s
    while len(looks) > 1 and looks[1][0] <= begin:
        looks.pop(0)
    if looks[0][0] <= begin:
        least = min(pods for _, pods in looks)
        return Advice(max(min(least, auto.maximum), now_has), Window(), need.measure)
    return Advice(now_has, Window(above=tuple(looks)), need.measure)


def _down(auto: Autoscaling, now_has: int, need: Need, window: Window, now: float) -> Advice:
    """A2."""
    since = now if window.since is None else window.since
    most = max(need.pods, window.most if window.since is not None else 0)
    if now - since >= auto.down_stabilization_s:
        return Advice(max(auto.minimum, most), Window(), need.measure)
    return Advice(now_has, Window(since=since, most=most), need.measure)


def needed(auto: Autoscaling, pods: Iterable[Pod], headroom: float = 0.0) -> Need:
    """The pods that carry what is there now, each to (1 − headroom) of its targets; at least 0."""
    pods = [pod for pod in pods if not idle(pod)]
    if not pods:
        return Need(0)
    measures = {
        name: _total(pods, name) / (target * (1 - headroom))
        for name, target in _targets(auto, pods[0].tier).items()
    }
    measures["lag"] = _lag(auto, pods)
    name = max(measures, key=lambda measure: measures[measure])
    return Need(math.ceil(round(measures[name], 6)), name)


def _targets(auto: Autoscaling, tier: Tier) -> Mapping[str, float]:
    """By the measures that pods of a tier have."""
    cpu = {"cpu_percent": float(auto.target_cpu_percent)}
    if tier is Tier.GATEWAY:
        return {
            "connections": float(auto.target_connections),
            "open_rate": float(auto.target_open_rate),
            "pending_bytes": float(auto.target_pending_bytes),
            **cpu,
        }
    return {"messages": float(auto.target_messages), **cpu} if tier is Tier.ROUTER else cpu


def _total(pods: list[Pod], measure: str) -> float:
    """Over all pods; one whose word is missing counts as the others' mean."""
    said = [_value(pod, measure) for pod in pods if _known(pod)]
    return sum(said) * len(pods) / len(said) if said else 0.0


def _value(pod: Pod, measure: str) -> float:
    assert pod.report is not None
    if measure == "connections":
        return float(pod.report.load)
    return pod.report.rates.get(measure, 0.0)


def _lag(auto: Autoscaling, pods: list[Pod]) -> float:
    """Routers that are late need others beside them, unless it is the store that is late.

    It asks for a step at most, never for fewer than there are.
    """
    active = [pod for pod in pods if _known(pod) and pod.stage is Stage.ACTIVE]
    if pods[0].tier is not Tier.ROUTER or not active:
        return 0.0
    if any(pod.report and pod.report.stores_down for pod in active):
        return 0.0
    lags = sorted(_value(pod, "lag_ms") for pod in active)
    late = lags[len(lags) // 2] / auto.target_lag_ms  # the median: one slow pod is not the tier
    if late <= LAG_LOW:
        return 0.0
    return len(active) * (min(late, LAG_STEP) if late > 1 else 1.0)


def _known(pod: Pod) -> bool:
    return idle(pod) or (pod.report is not None and pod.report.stage is not Stage.UNKNOWN)
