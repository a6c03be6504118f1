"""Which kinds there are, where the API has them, and which of them may be pruned."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from signet_operator import names

Object = Mapping[str, Any]
Key = tuple[str, str]
"""Kind and name, within a cluster's namespace."""


class Kind(NamedTuple):
    """Where objects of a kind are."""

    api: str
    plural: str


KINDS = {
    "ServiceAccount": Kind("v1", "serviceaccounts"),
    "ConfigMap": Kind("v1", "configmaps"),
    "Secret": Kind("v1", "secrets"),
    "Service": Kind("v1", "services"),
    "Pod": Kind("v1", "pods"),
    "ControllerRevision": Kind("apps/v1", "controllerrevisions"),
    "StatefulSet": Kind("apps/v1", "statefulsets"),
    "Deployment": Kind("apps/v1", "deployments"),
    "Job": Kind("batch/v1", "jobs"),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies"),
    "Gateway": Kind("gateway.networking.k8s.io/v1", "gateways"),
    "HTTPRoute": Kind("gateway.networking.k8s.io/v1", "httproutes"),
    "Certificate": Kind("cert-manager.io/v1", "certificates"),
    "PodMonitor": Kind("monitoring.coreos.com/v1", "podmonitors"),
    "PrometheusRule": Kind("monitoring.coreos.com/v1", "prometheusrules"),
    "Event": Kind("events.k8s.io/v1", "events"),
    names.CLUSTER_KIND: Kind(names.API_VERSION, names.CLUSTERS),
    names.POOL_KIND: Kind(names.API_VERSION, names.POOLS),
}
# Fixed: what a change of a cluster's spec can make superfluous. Never what holds connections
# (StatefulSets), what holds keys (Secrets), nor what a person may be looking at (Jobs, pools).
PRUNED = (
    "ConfigMap",
    "Service",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "HTTPRoute",
    "Gateway",
    "Certificate",
    "PodMonitor",
    "PrometheusRule",
)
# Made by a create: fields that actions move must not be owned by what is applied again and again.
CREATED = ("StatefulSet", names.POOL_KIND)
# What `desired.objects` may hold, in all.
APPLIED = (*PRUNED, "ServiceAccount", "Deployment", *CREATED)


def key_of(obj: Object) -> Key:
    """Kind and name."""
    return obj["kind"], obj["metadata"]["name"]


def lean(obj: Object) -> dict[str, Any]:
    """An object of the API without what nobody here reads: this much is to be kept of it."""
    meta = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {name: value for name, value in obj.items() if name != "status"} | {"metadata": meta}


def path(kind: str, namespace: str, name: str = "", sub: str = "") -> str:
    """Of an object, of a part of it, or of all of a kind in a namespace."""
    api, plural = KINDS[kind]
    root = f"/api/{api}" if "/" not in api else f"/apis/{api}"
    parts = [root, "namespaces", namespace, plural, *filter(None, (name, sub))]
    return "/".join(parts)


def ours(obj: Object, uid: str) -> bool:
    """Whether it carries our label and a cluster's UID as its owner. Only such is ever deleted."""
    meta = obj["metadata"]
    labelled = (meta.get("labels") or {}).get(names.MANAGED_BY_LABEL) == names.MANAGER
    owners = meta.get("ownerReferences") or ()
    return labelled and any(o.get("controller") and o.get("uid") == uid for o in owners)
