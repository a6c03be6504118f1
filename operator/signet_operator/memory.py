"""What a plan notes for the next one (`status.memory`): only what cannot be seen anywhere else.

Whatever is lost of it is made anew, a little later: no step depends on it for being right.

| key | what |
|---|---|
| `drains` | by the UID of pods: when the drain ends that was ordered, and its rate |
| `surge` | by tier: pods there were before its rollout |
| `load` | by tier: the autoscaler's window |
| `rolled` | by tier: the cluster's generation for which its template was right |
| `rebalanced` | the last rebalance that a person asked for, and that has been done |
| `schema`, `runs` | of the stores, and of the version whose pods were last all settled |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from signet_operator.actions import Action, DrainPod
from signet_operator.autoscale import Window
from signet_operator.drain.look import Ordered
from signet_operator.names import STATEFUL, Tier


@dataclass(frozen=True, slots=True)
class Memory:
    """As values."""

    drains: Mapping[str, Ordered] = field(default_factory=dict)
    surge: Mapping[Tier, int] = field(default_factory=dict)
    load: Mapping[Tier, Window] = field(default_factory=dict)
    rolled: Mapping[Tier, int] = field(default_factory=dict)
    schema: str = ""
    runs: str = ""
    rebalanced: str = ""


def read(memory: Mapping[str, Any]) -> Memory:
    """From `status.memory`."""
    return Memory(
        drains={uid: Ordered(float(at), float(r)) for uid, (at, r) in _of(memory, "drains")},
        surge={Tier(tier): int(pods) for tier, pods in _of(memory, "surge")},
        load={Tier(tier): Window.read(window) for tier, window in _of(memory, "load")},
        rolled={Tier(tier): int(number) for tier, number in _of(memory, "rolled")},
        schema=str(memory.get("schema", "")),
        runs=str(memory.get("runs", "")),
        rebalanced=str(memory.get("rebalanced", "")),
    )


def write(found: Memory) -> dict[str, Any]:
    """For `status.memory`; what is empty is left out."""
    written: dict[str, Any] = {
        "drains": {uid: [round(o.deadline), o.rate] for uid, o in sorted(found.drains.items())},
        "surge": {str(tier): found.surge[tier] for tier in STATEFUL if tier in found.surge},
        "load": {str(tier): found.load[tier].write() for tier in Tier if tier in found.load},
        "rolled": {str(tier): found.rolled[tier] for tier in STATEFUL if tier in found.rolled},
        "schema": found.schema,
        "runs": found.runs,
        "rebalanced": found.rebalanced,
    }
    return {key: value for key, value in written.items() if value}


def ordered(
    before: Mapping[str, Ordered], still: Iterable[str], actions: Iterable[Action], now: float
) -> dict[str, Ordered]:
    """The drains of `still` (UIDs of pods that drain), and those that are ordered now."""
    kept = {uid: before[uid] for uid in still if uid in before}
    new = {
        action.uid: Ordered(now + action.deadline_s, action.rate)
        for action in actions
        if isinstance(action, DrainPod)
    }
    return kept | new


def _of(memory: Mapping[str, Any], key: str) -> Iterable[tuple[str, Any]]:
    found: Mapping[str, Any] = memory.get(key) or {}
    return found.items()
