"""A rebalance that a person asked for: an annotation of the cluster, whose value is a time.

- B1 Each gateway that is active and answers now is asked once for each value. Nobody is asked again
  for a value that is noted as done.
- B2 While none answers, or the cluster is paused, it waits.
- B3 A gateway that is not heard is left out, and named: it is a hint, and whoever stays where they
  do not belong moves slowly without it.
"""

from dataclasses import dataclass

from signet_operator.actions import Action, RebalancePod, Tell
from signet_operator.names import Tier
from signet_operator.observed import Observed, Pod, Stage
from signet_operator.spec import ClusterSpec

FRESH_S = 10.0  # how old a pod's word may be


@dataclass(frozen=True, slots=True)
class Rebalance:
    """`done`: the value that was asked for last, and has been acted on."""

    done: str
    actions: tuple[Action, ...] = ()


def asked(spec: ClusterSpec, seen: Observed, done: str, now: float) -> Rebalance:
    """What is asked of gateways now."""
    if spec.rebalance in {"", done} or spec.paused:
        return Rebalance(done)
    gateways = [pod for pod in seen.pods.get(Tier.GATEWAY, ()) if not pod.deleting]
    able = [pod for pod in gateways if _able(pod, now)]
    if not able:
        return Rebalance(done)
    orders = [RebalancePod(pod.name, pod.uid) for pod in able]
    return Rebalance(spec.rebalance, (_told(spec, gateways, able), *orders))


def _able(pod: Pod, now: float) -> bool:
    fresh = pod.report is not None and now - pod.report.at <= FRESH_S
    return fresh and pod.stage is Stage.ACTIVE


def _told(spec: ClusterSpec, gateways: list[Pod], able: list[Pod]) -> Tell:
    others = [f"{pod.name} ({pod.stage})" for pod in gateways if pod not in able]
    without = f"; not asked: {', '.join(others)}" if others else ""
    return Tell(
        "RebalanceAsked",
        f"As of {spec.rebalance}, {len(able)} of {len(gateways)} gateways are asked to move those"
        f" who belong elsewhere{without}.",
    )
