"""MessagingPools: one a tier, the object that HPA, KEDA and `kubectl scale` know.

`spec.replicas` is never among what MANAGER applies: server-side apply takes a field away that its
only owner drops. It is created with a number, and then written by REPLICAS_MANAGER alone
(`replicas`), in the modes where the operator writes it. In mode `external` that manager applies
nothing any more: the value stays, and whoever writes next owns it.
"""

from signet_operator import names
from signet_operator.desired.meta import Object, metadata
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec


def pool(spec: ClusterSpec, tier: Tier) -> Object:
    """Everything but the replicas."""
    scaling = spec.tiers[tier].autoscaling
    name = object_name(spec.name, tier)
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.POOL_KIND,
        "metadata": metadata(spec, name, tier),
        "spec": {
            "cluster": spec.name,
            "tier": str(tier),
            "mode": str(scaling.mode),
            "minReplicas": scaling.minimum,
            "maxReplicas": scaling.maximum,
        },
    }


def replicas(spec: ClusterSpec, tier: Tier, count: int) -> Object:
    """What REPLICAS_MANAGER applies."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.POOL_KIND,
        "metadata": {"name": object_name(spec.name, tier), "namespace": spec.namespace},
        "spec": {"replicas": count},
    }
