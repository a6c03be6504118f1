"""What all objects of a cluster have in common: names, labels, owner, hashes."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from signet_operator import names
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec

Object = dict[str, Any]
PART_OF = "signet"


def labels(spec: ClusterSpec, tier: Tier | None = None) -> dict[str, str]:
    """Of an object; never the version: a label that changes would change every object."""
    found = {
        names.NAME_LABEL: PART_OF,
        names.INSTANCE_LABEL: spec.name,
        names.MANAGED_BY_LABEL: names.MANAGER,
    }
    return found | ({names.TIER_LABEL: str(tier)} if tier else {})


def selector(spec: ClusterSpec, tier: Tier) -> dict[str, str]:
    """Of a tier's pods. It never changes for the life of a StatefulSet."""
    return {
        names.NAME_LABEL: PART_OF,
        names.INSTANCE_LABEL: spec.name,
        names.TIER_LABEL: str(tier),
    }


def owner(spec: ClusterSpec) -> Object:
    """The cluster: what it owns goes with it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.CLUSTER_KIND,
        "name": spec.name,
        "uid": spec.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(
    spec: ClusterSpec,
    name: str,
    tier: Tier | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """Of an object of the cluster's own namespace."""
    found: Object = {
        "name": name,
        "namespace": spec.namespace,
        "labels": labels(spec, tier),
        "ownerReferences": [owner(spec)],
    }
    return found | ({"annotations": dict(annotations)} if annotations else {})


def content_hash(value: Any) -> str:
    """Of any plain value, the same for equal values; 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tier_host(spec: ClusterSpec, tier: Tier) -> str:
    """The name in every certificate of a tier: of its headless Service."""
    return f"{object_name(spec.name, tier)}.{spec.namespace}.svc"


def pod_host(spec: ClusterSpec, tier: Tier, pod: str) -> str:
    """What a pod advertises, and its certificate names; push pods have no names of their own."""
    host = tier_host(spec, tier)
    return host if tier is Tier.PUSH else f"{pod}.{host}"
