"""Objects of the API and reports of pods as one `Observed`. Pure.

`trim` keeps of an object what is read here: an operator of 300 clusters holds thousands of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from signet_operator.names import (
    DRAIN,
    INSTANCE_LABEL,
    PAUSED,
    SCHEMA_LABEL,
    TEMPLATE_HASH,
    TIER_LABEL,
    Tier,
)
from signet_operator.observed import NOT_RUNNING, Job, Observed, Pod, Pool, Report, StatefulSet

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Children:
    """The objects of one cluster, trimmed; `nodes` says of each node whether it is reachable."""

    pools: tuple[Object, ...] = ()
    sets: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    revisions: tuple[Object, ...] = ()
    jobs: tuple[Object, ...] = ()
    nodes: Mapping[str, bool] = field(default_factory=dict)


def owner(obj: Object) -> tuple[str, str]:
    """Namespace and name of the cluster that an object belongs to by its labels."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), (meta.get("labels") or {}).get(INSTANCE_LABEL, "")


def observe(cluster: Object, seen: Children, reports: Mapping[str, Report]) -> Observed:
    """All that a plan is made from. `reports` by the UID of pods."""
    status = cluster.get("status") or {}
    pods = sorted(
        (_pod(pod, seen.nodes, reports) for pod in seen.pods if owned(pod)),
        key=lambda pod: (pod.ordinal, pod.name),
    )
    return Observed(
        pools={tier: _pool(pool) for pool in seen.pools if (tier := owned(pool))},
        sets={tier: _stateful_set(found) for found in seen.sets if (tier := owned(found))},
        pods={tier: tuple(pod for pod in pods if pod.tier is tier) for tier in Tier},
        jobs=tuple(_job(job) for job in seen.jobs if SCHEMA_LABEL in _labels(job)),
        schema=str((status.get("memory") or {}).get("schema", "")),
        revisions={
            revision["metadata"]["name"]: revision["data"]["spec"]["template"]
            for revision in seen.revisions
        },
        memory=status.get("memory") or {},
        conditions=_by_type(status),
    )


# --- one object each -----------------------------------------------------------------------------


def _pool(pool: Object) -> Pool:
    meta, spec = pool["metadata"], pool.get("spec") or {}
    return Pool(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        replicas=int(spec.get("replicas") or 0),
        status_replicas=int((pool.get("status") or {}).get("replicas") or 0),
        paused=(meta.get("annotations") or {}).get(PAUSED) == "true",
        conditions=_by_type(pool.get("status") or {}),
    )


def _stateful_set(found: Object) -> StatefulSet:
    meta, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    return StatefulSet(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        generation=int(meta.get("generation") or 0),
        observed_generation=int(status.get("observedGeneration") or 0),
        replicas=int(spec.get("replicas") or 0),
        partition=int(rolling.get("partition") or 0),
        template_hash=(meta.get("annotations") or {}).get(TEMPLATE_HASH, ""),
        current_revision=status.get("currentRevision") or "",
        update_revision=status.get("updateRevision") or "",
    )


def _pod(pod: Object, nodes: Mapping[str, bool], reports: Mapping[str, Report]) -> Pod:
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    node, tier = spec.get("nodeName") or "", owned(pod)
    assert tier is not None
    containers = status.get("containerStatuses") or ()
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        tier=tier,
        ordinal=_ordinal(meta["name"]) if tier is not Tier.PUSH else -1,
        revision=_labels(pod).get("controller-revision-hash", ""),
        phase=status.get("phase") or "",
        ready=_condition(status, "Ready").get("status") == "True",
        deleting="deletionTimestamp" in meta,
        created_at=seconds(meta["creationTimestamp"]),
        node=node,
        node_reachable=not node or nodes.get(node, False),
        ip=status.get("podIP") or "",
        restarts=sum(int(container.get("restartCount") or 0) for container in containers),
        trouble=_trouble(status),
        wants_drain=(meta.get("annotations") or {}).get(DRAIN) == "true",
        ready_changed_at=_since(_condition(status, "Ready")),
        report=reports.get(meta["uid"]),
    )


def _job(job: Object) -> Job:
    status = job.get("status") or {}
    return Job(
        name=job["metadata"]["name"],
        schema=_labels(job)[SCHEMA_LABEL],
        succeeded=_condition(status, "Complete").get("status") == "True",
        failed=_condition(status, "Failed").get("status") == "True",
    )


def reachable(node: Object) -> bool:
    """Whether its kubelet reports: Unknown means that nobody knows what runs there."""
    return _condition(node.get("status") or {}, "Ready").get("status") != "Unknown"


# --- parts ---------------------------------------------------------------------------------------


def _trouble(status: Object) -> str:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or "Unschedulable")
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in NOT_RUNNING:
            return str(waiting["reason"])
    return ""


def _condition(status: Object, kind: str) -> Object:
    found = [c for c in status.get("conditions") or () if c.get("type") == kind]
    return found[0] if found else {}


def _by_type(status: Object) -> Mapping[str, Object]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _since(condition: Object) -> float:
    changed_at = condition.get("lastTransitionTime")
    return seconds(changed_at) if changed_at else 0.0


def _labels(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def owned(obj: Object) -> Tier | None:
    """Of which tier an object is, by its label."""
    try:
        return Tier(_labels(obj).get(TIER_LABEL, ""))
    except ValueError:
        return None


def _ordinal(pod: str) -> int:
    end = pod.rpartition("-")[2]
    return int(end) if end.isdigit() else -1


def seconds(timestamp: str) -> float:
    """RFC 3339 to epoch seconds."""
    return datetime.fromisoformat(timestamp).timestamp()


# --- what is kept of objects ---------------------------------------------------------------------


def trim(obj: Object) -> Object:
    """Without managed fields, and of pods' and sets' long parts only what is read here."""
    meta = {key: obj["metadata"][key] for key in META if key in obj["metadata"]}
    kind = obj.get("kind", "")
    return {"kind": kind, "metadata": meta, **KEPT.get(kind, _whole)(obj)}


META = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionTimestamp",
    "ownerReferences",
)


def _whole(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in {"kind", "metadata"}}


def _pod_parts(obj: Object) -> Object:
    status = obj.get("status") or {}
    return {
        "spec": {"nodeName": (obj.get("spec") or {}).get("nodeName")},
        "status": {
            key: status[key]
            for key in ("phase", "podIP", "conditions", "containerStatuses")
            if key in status
        },
    }


KEPT: Mapping[str, Callable[[Object], Object]] = {"Pod": _pod_parts}


def changed(old: Object | None, new: Object) -> bool:
    """Whether an object's event says anything to a plan: a pod's probes and our own writes do not.

    Compared without resourceVersion, and of conditions without the times at which they were looked.
    """
    return old is None or _said(old) != _said(new)


def _said(obj: Object) -> Any:
    meta = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    return {**obj, "metadata": meta, "status": _timeless(obj.get("status"))}


def _timeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            k: _timeless(v)
            for k, v in value.items()
            if k not in {"lastProbeTime", "lastUpdateTime"}
        }
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_timeless(v) for v in value]
    return value
