"""Gateways, routers and keys: pods with names of their own."""

from signet_operator import names
from signet_operator.desired.meta import Object, content_hash, metadata, selector
from signet_operator.desired.pod import template
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec

REVISIONS = 10  # ControllerRevisions that are kept: going back needs the last one


def stateful_set(spec: ClusterSpec, tier: Tier, replicas: int) -> Object:
    """As it is made. Later its replicas, partition and template change by actions alone."""
    made = kept(spec, tier)
    pod = template(spec, tier)
    made["metadata"]["annotations"] = {names.TEMPLATE_HASH: content_hash(pod)}
    made["spec"] |= {"replicas": replicas, "template": pod}
    made["spec"]["updateStrategy"]["rollingUpdate"] = {"partition": 0}
    return made


def kept(spec: ClusterSpec, tier: Tier) -> Object:
    """What is applied again and again to one that is there."""
    name = object_name(spec.name, tier)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(spec, name, tier),
        "spec": {
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "revisionHistoryLimit": REVISIONS,
            "selector": {"matchLabels": selector(spec, tier)},
            "updateStrategy": {"type": "RollingUpdate"},
        },
    }
