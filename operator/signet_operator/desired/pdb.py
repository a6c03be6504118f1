"""One pod of a tier at a time may be evicted; one that is not ready, at any time."""

from signet_operator.desired.meta import Object, metadata, selector
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec


def pdb(spec: ClusterSpec, tier: Tier) -> Object:
    """A pod that drains is not ready: without AlwaysAllow it would keep its peer, and itself."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(spec, object_name(spec.name, tier), tier),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(spec, tier)},
        },
    }
