"""Status of clusters and pools: written when it says something new, and seldom.

- S1 Conditions that turn, and notes of the plan (`memory`), are written at once; anything else at
  most every EVERY_S.
- S2 What is as it was costs no request.
- S3 `memory` is handed to the next plan as it was noted last, written or not (`noted`).
"""

from collections.abc import Mapping
from typing import Any

from signet_operator import names
from signet_operator.apply.calls import Calls, Conflict
from signet_operator.apply.kinds import Object
from signet_operator.spec import ClusterSpec

EVERY_S = 15.0
MOVING = ("load",)  # parts of `memory` that change with the weather


class Statuses:
    """One for the process. `now` is of one clock."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._written: dict[str, tuple[Mapping[str, Any], float]] = {}  # by UID
        self._noted: dict[str, Mapping[str, Any]] = {}

    def noted(self, uid: str) -> Mapping[str, Any] | None:
        """The last memory of this process's plans of a cluster; None: it has made none."""
        return self._noted.get(uid)

    def forget(self, uid: str) -> None:
        """A cluster, or a pool, is gone."""
        self._written.pop(uid, None)
        self._noted.pop(uid, None)

    async def cluster(
        self,
        spec: ClusterSpec,
        status: Mapping[str, Any],
        memory: Mapping[str, Any],
        seen: Mapping[str, Any],
        now: float,
    ) -> bool:
        """Whether it was written. `seen` is the status that the API has."""
        self._noted[spec.uid] = memory
        whole = {**status, "observedGeneration": spec.generation, "memory": memory}
        where = {"kind": names.CLUSTER_KIND, "name": spec.name, "uid": spec.uid}
        return await self._write(spec.namespace, where, whole, seen, now)

    async def pool(
        self, spec: ClusterSpec, pool: Object, status: Mapping[str, Any], now: float
    ) -> bool:
        """The same of a pool, which is as the API has it."""
        meta = pool["metadata"]
        whole = {**status, "observedGeneration": meta.get("generation", 0)}
        where = {"kind": names.POOL_KIND, "name": meta["name"], "uid": meta["uid"]}
        return await self._write(spec.namespace, where, whole, pool.get("status") or {}, now)

    async def _write(
        self,
        namespace: str,
        where: Mapping[str, str],
        status: Mapping[str, Any],
        seen: Mapping[str, Any],
        now: float,
    ) -> bool:
        uid = where["uid"]
        before, at = self._written.get(uid, (seen, float("-inf")))
        if status == before or (now - at < EVERY_S and urgent(status) == urgent(before)):
            return False
        meta = {"name": where["name"], "namespace": namespace, "uid": uid}
        kind = {"apiVersion": names.API_VERSION, "kind": where["kind"]}
        wanted = {**kind, "metadata": meta, "status": filled(status)}
        try:
            await self._calls.apply(wanted, sub="status")
        except Conflict:
            return False  # it is gone, or another one of the same name is there
        self._written[uid] = status, now
        return True


def filled(value: Any) -> Any:
    """Without empty maps: server-side apply makes null of one that had something in it."""
    if not isinstance(value, Mapping):
        return value
    return {key: filled(one) for key, one in value.items() if one != {}}


def urgent(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """What does not wait (S1)."""
    conditions = {
        (c["type"], c["status"], c.get("reason"), c.get("observedGeneration"))
        for c in status.get("conditions") or ()
    }
    memory = status.get("memory") or {}
    notes = {name: value for name, value in memory.items() if name not in MOVING}
    return conditions, notes, status.get("observedGeneration")
