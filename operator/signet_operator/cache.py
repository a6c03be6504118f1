"""What the watches have brought, by cluster: a reading of kopf's indices.

kopf runs no handler before all indices are filled for the first time, so a look never takes "not
seen yet" for "not there". What it still holds of objects that are gone is left out once the API has
said so (heard.py).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from signet_operator.heard import Heard
from signet_operator.names import CLUSTER_KIND, POOL_KIND
from signet_operator.observe import Children, Object

Key = tuple[str, str]
"""Namespace and name of a MessagingCluster."""

# The indices of handlers.py whose objects are applied (apply/kinds.py), by their kinds.
APPLIED = {
    "pools": POOL_KIND,
    "sets": "StatefulSet",
    "deployments": "Deployment",
    "services": "Service",
    "config_maps": "ConfigMap",
    "accounts": "ServiceAccount",
    "budgets": "PodDisruptionBudget",
    "network_policies": "NetworkPolicy",
}
# Those whose objects belong to one cluster, or are one.
OF_CLUSTERS = {
    "clusters": CLUSTER_KIND,
    "pods": "Pod",
    "revisions": "ControllerRevision",
    "jobs": "Job",
    **APPLIED,
}
INDICES = ("clusters", "nodes", "pods", "revisions", "jobs", *APPLIED)


class Cache:
    """`attach` comes from each handler; until the first, nothing is known."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.heard = Heard(clock)
        self._indices: Mapping[str, Any] = {}
        self._last: dict[str, Object] = {}
        self._asked: dict[Key, Any] = {}

    def attach(self, kwargs: Mapping[str, Any]) -> None:
        """Kopf hands its indices to handlers as arguments; they stay the same objects."""
        if not self._indices:
            self._indices = {name: kwargs[name] for name in INDICES if name in kwargs}

    @property
    def filled(self) -> bool:
        """Whether kopf has listed everything once."""
        return bool(self._indices)

    def clusters(self) -> list[Key]:
        """All clusters."""
        return [key for key in self._indices.get("clusters", ()) if self.cluster(key)]

    def of_class(self, operator_class: str) -> int:
        """How many clusters an operator of that class looks after."""
        found = filter(None, map(self.cluster, self.clusters()))
        return sum(cluster["spec"]["operatorClass"] == operator_class for cluster in found)

    def cluster(self, key: Key) -> Object | None:
        """None: it is gone."""
        found = self._values("clusters", key)
        return found[0] if found else None

    def children(self, key: Key) -> Children:
        """What belongs to it by its labels."""
        return Children(
            pools=self._values("pools", key),
            sets=self._values("sets", key),
            pods=self._values("pods", key),
            revisions=self._values("revisions", key),
            jobs=self._values("jobs", key),
            nodes={name: all(said) for name, said in self._indices.get("nodes", {}).items()},
        )

    def live(self, key: Key) -> dict[tuple[str, str], Object]:
        """All that is there of what is applied, by kind and name."""
        return {
            (kind, obj["metadata"]["name"]): {**obj, "kind": kind}
            for index, kind in APPLIED.items()
            for obj in self._values(index, key)
        }

    def suspects(self, key: Key) -> list[tuple[str, Object]]:
        """What may be gone of a cluster, itself included, with its kind."""
        return [
            (kind, obj)
            for index, kind in OF_CLUSTERS.items()
            for obj in self._values(index, key)
            if self.heard.suspect(index, obj["metadata"]["uid"])
        ]

    def answered(self, key: Key, kind: str, uid: str, *, there: bool) -> None:
        """What the API has said of a suspect."""
        self.heard.asked(uid, there=there)
        if not there:
            self.swap(uid, None)
        if not there and kind == CLUSTER_KIND:
            self.gone(key)

    def _values(self, index: str, key: Key) -> tuple[Object, ...]:
        found = self._indices.get(index, {})
        there = tuple(found[key]) if key in found else ()
        return tuple(obj for obj in there if not self.heard.is_gone(obj["metadata"]["uid"]))

    def swap(self, uid: str, new: Object | None) -> Object | None:
        """Keep an object as it was last told; the one before. None: it is gone."""
        old = self._last.pop(uid, None)
        if new is not None:
            self._last[uid] = new
        return old

    def asked(self, key: Key, body: Mapping[str, Any]) -> bool:
        """Whether what is asked of a cluster differs from before; its status is our own writing."""
        meta = body["metadata"]
        now = (
            meta.get("uid"),
            meta.get("generation"),
            dict(meta.get("annotations") or {}),
            dict(meta.get("labels") or {}),
            meta.get("deletionTimestamp"),
        )
        old, self._asked[key] = self._asked.get(key), now
        return old != now

    def gone(self, key: Key) -> None:
        """A cluster was deleted."""
        self._asked.pop(key, None)
