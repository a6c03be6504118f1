"""How many pods each tier shall have, and who writes its pool (issue: one writer by mode).

- fixed: the cluster's `replicas`. builtin: this operator's autoscaler. external: whoever writes the
  pool (HPA, KEDA, `kubectl scale`); then only what is out of bounds is written, and said.
- A change of mode changes no number: builtin goes on from what is there; external leaves it.
- Hibernation is no number of a pool: it is taken back without anybody remembering the old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from signet_operator import autoscale
from signet_operator.actions import Action, SetPoolReplicas, Tell
from signet_operator.autoscale import Window
from signet_operator.names import Tier
from signet_operator.observed import Observed, Pool
from signet_operator.spec import Autoscaling, ClusterSpec, Mode, TierSpec


@dataclass(frozen=True, slots=True)
class Targets:
    """By tier: what its pool says now, and the autoscaler's windows. `actions` write pools."""

    pods: Mapping[Tier, int]
    windows: Mapping[Tier, Window] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()


def targets(
    spec: ClusterSpec, seen: Observed, windows: Mapping[Tier, Window], now: float, *, busy: bool
) -> Targets:
    """What each tier shall have. `busy`: a drain, a rollout or a rebalance runs."""
    pods: dict[Tier, int] = {}
    kept: dict[Tier, Window] = {}
    actions: list[Action] = []
    for tier, asked in spec.tiers.items():
        pool = seen.pools.get(tier)
        if pool is None:
            pods[tier] = bounded(asked.autoscaling, asked.replicas)
            continue
        wanted = pool.replicas
        if not spec.paused:
            wanted, kept[tier] = _wanted(
                spec, asked, pool, seen, windows.get(tier, Window()), now, busy=busy
            )
            actions += _written(asked, pool, wanted)
        pods[tier] = bounded(asked.autoscaling, wanted)
    if spec.hibernate:
        pods = _asleep(pods, seen)
    return Targets(pods, {tier: w for tier, w in kept.items() if w != Window()}, tuple(actions))


def bounded(auto: Autoscaling, pods: int) -> int:
    """Within the pool's minimum and maximum."""
    return max(auto.minimum, min(auto.maximum, pods))


def _wanted(
    spec: ClusterSpec,
    asked: TierSpec,
    pool: Pool,
    seen: Observed,
    window: Window,
    now: float,
    *,
    busy: bool,
) -> tuple[int, Window]:
    """What the pool shall say."""
    auto = asked.autoscaling
    if auto.mode is Mode.FIXED:
        return bounded(auto, asked.replicas), Window()
    has = bounded(auto, pool.replicas)
    if auto.mode is Mode.EXTERNAL or spec.hibernate:
        return has, Window()
    found = autoscale.advise(auto, has, seen.pods.get(asked.tier, ()), window, now, busy=busy)
    return bounded(auto, found.pods), found.window


def _written(asked: TierSpec, pool: Pool, wanted: int) -> list[Action]:
    if wanted == pool.replicas:
        return []
    auto, tell = asked.autoscaling, []
    if not auto.minimum <= pool.replicas <= auto.maximum:
        tell = [
            Tell(
                "ReplicasOutOfBounds",
                f"{pool.name} was set to {pool.replicas}; it is {wanted} now, as"
                f" spec.{asked.tier}.autoscaling allows {auto.minimum} to {auto.maximum}.",
                warning=True,
            )
        ]
    elif auto.mode is Mode.BUILTIN:
        tell = [Tell("Scaled", f"{pool.name} is to have {wanted} pods instead of {pool.replicas}.")]
    return [SetPoolReplicas(asked.tier, pool.name, wanted), *tell]


def _asleep(pods: Mapping[Tier, int], seen: Observed) -> dict[Tier, int]:
    """None of any; routers and keys only when no gateway is there that needs them."""
    gateways = len(seen.pods.get(Tier.GATEWAY, ()))
    needed = (Tier.ROUTER, Tier.KEYS) if gateways else ()
    return {tier: pods[tier] if tier in needed else 0 for tier in pods}
