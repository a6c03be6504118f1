"""Push workers: they hold nothing, so Kubernetes rolls and scales them by itself."""

from signet_operator.desired.meta import Object, metadata, selector
from signet_operator.desired.pod import template
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec


def deployment(spec: ClusterSpec, replicas: int) -> Object:
    """Of push."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(spec, object_name(spec.name, Tier.PUSH), Tier.PUSH),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": selector(spec, Tier.PUSH)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": template(spec, Tier.PUSH),
        },
    }
