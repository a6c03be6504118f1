"""The words of the API: group, kinds, labels, annotations, conditions, reasons.

What is written into a cluster under one of these names stays there over upgrades of the operator:
renaming one is a migration.
"""

from enum import StrEnum

GROUP = "messaging.signet.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CLUSTERS, CLUSTER_KIND = "messagingclusters", "MessagingCluster"
POOLS, POOL_KIND = "messagingpools", "MessagingPool"

MANAGER = "signet-operator"  # the field manager of server-side apply
REPLICAS_MANAGER = "signet-operator-replicas"  # of a pool's replicas alone (see desired/pool.py)

# Labels. The first three select a tier's pods; they never change for the life of a StatefulSet.
NAME_LABEL = "app.kubernetes.io/name"  # always "signet"
INSTANCE_LABEL = "app.kubernetes.io/instance"  # the cluster's name
TIER_LABEL = f"{GROUP}/tier"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"  # MANAGER: what may be pruned
VERSION_LABEL = "app.kubernetes.io/version"
SCHEMA_LABEL = f"{GROUP}/schema"  # of a migration's Job: its target

# Annotations.
TEMPLATE_HASH = f"{GROUP}/template-hash"  # of a StatefulSet: the pod template that it was given
OBJECT_HASH = f"{GROUP}/applied-hash"  # of any object: what was applied last
DRAIN = f"{GROUP}/drain"  # of a pod, by a person: drain it, and keep it drained ("true")
REBALANCE = f"{GROUP}/rebalance"  # of a cluster, by a person: move what is misplaced, once (a time)
PAUSED = f"{GROUP}/paused"  # of a pool, by a person: no step of its rollout or scale-in begins


class Tier(StrEnum):
    """One kind of pods. The value is what Signet itself calls it (`signet.ports.members.Kind`)."""

    GATEWAY = "gateway"
    ROUTER = "router"
    KEYS = "keys"
    PUSH = "push"


STATEFUL = (Tier.GATEWAY, Tier.ROUTER, Tier.KEYS)  # push is a Deployment


class Condition(StrEnum):
    """Types of conditions on a MessagingCluster (and the first three on a pool)."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    STORES_REACHABLE = "StoresReachable"
    DRAINING = "Draining"
    SCALE_IN_BLOCKED = "ScaleInBlocked"
    REBALANCE_NEEDED = "RebalanceNeeded"
    RECONCILIATION_PAUSED = "ReconciliationPaused"


def object_name(cluster: str, tier: Tier) -> str:
    """Of a tier's StatefulSet (or Deployment), headless Service, budget and pool."""
    return f"{cluster}-{tier}"
