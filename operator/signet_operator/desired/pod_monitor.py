"""How Prometheus (its operator's CRDs) finds the pods' metrics."""

from signet_operator import names
from signet_operator.desired.meta import Object, metadata
from signet_operator.spec import ClusterSpec


def pod_monitor(spec: ClusterSpec) -> Object:
    """All tiers, on the port without TLS."""
    made = metadata(spec, spec.name)
    made["labels"] = {**(spec.monitoring.labels or {}), **made["labels"]}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": made,
        "spec": {
            "selector": {
                "matchLabels": {names.NAME_LABEL: "signet", names.INSTANCE_LABEL: spec.name},
                "matchExpressions": [{"key": names.TIER_LABEL, "operator": "Exists"}],
            },
            "podTargetLabels": [names.INSTANCE_LABEL, names.TIER_LABEL],
            "podMetricsEndpoints": [{"port": "probe", "path": "/metrics", "interval": "15s"}],
        },
    }
