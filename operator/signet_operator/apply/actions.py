"""A plan's actions, performed in order; the first write that fails ends it. An order that a pod
refuses, or does not hear, keeps none of the others.

What shrinks, moves a partition or deletes carries the UID and resourceVersion that it was decided
on. A write of our own moves the resourceVersion: later actions of the same plan go on from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from signet_operator import names
from signet_operator.actions import (
    Action,
    DeletePod,
    DrainPod,
    RebalancePod,
    RunMigration,
    Scale,
    SetPartition,
    SetPoolReplicas,
    SetTemplate,
    Tell,
    UndrainPod,
)
from signet_operator.apply.calls import Calls, Conflict, Refused, Unavailable
from signet_operator.apply.events import Events
from signet_operator.apply.kinds import Object
from signet_operator.desired import job, pool
from signet_operator.health import ACTIONS
from signet_operator.spec import ClusterSpec

HASH = "/metadata/annotations/" + names.TEMPLATE_HASH.replace("~", "~0").replace("/", "~1")


class Orders(Protocol):
    """What pods are told at their admin ports. All raise OSError, or the adapter's own error."""

    async def drain(self, pod: str, uid: str, deadline_s: float, rate: float) -> None: ...

    async def undrain(self, pod: str, uid: str) -> None: ...

    async def rebalance(self, pod: str, uid: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Done:
    """`performed` of the actions; `failed` says why the first that failed did, '' when none."""

    performed: int
    failed: str = ""
    late: bool = False  # what was decided on is not so any more: look again at once


class Actions:
    """One for the process. `refuses` are the errors of `Orders` that mean: not now."""

    def __init__(
        self, calls: Calls, events: Events, refuses: tuple[type[Exception], ...] = (OSError,)
    ) -> None:
        self._calls, self._events = calls, events
        self._refuses: tuple[type[Exception], ...] = (Refused, Unavailable, *refuses)

    async def perform(
        self, spec: ClusterSpec, actions: Iterable[Action], orders: Orders, now: float
    ) -> Done:
        """Raises NotLeader."""
        moved: dict[str, Object] = {}
        performed, refused = 0, ""
        for action in actions:
            try:
                await self._one(spec, action, orders, moved, now)
            except Conflict as conflict:
                return Done(performed, f"{_said(action)}: {conflict}", late=True)
            except self._refuses as error:
                refused = refused or f"{_said(action)}: {error}"
                if not isinstance(action, DrainPod | UndrainPod | RebalancePod):
                    return Done(performed, refused)
                continue
            performed += 1
            ACTIONS.labels(type(action).__name__).inc()
        return Done(performed, refused)

    async def _one(
        self,
        spec: ClusterSpec,
        action: Action,
        orders: Orders,
        moved: dict[str, Object],
        now: float,
    ) -> None:
        match action:
            case Scale() | SetPartition() | SetTemplate():
                moved[action.name] = await self._move(spec, action, moved.get(action.name))
            case SetPoolReplicas(tier, _, replicas):
                wanted = pool.replicas(spec, tier, replicas)
                await self._calls.apply(wanted, manager=names.REPLICAS_MANAGER)
            case RunMigration(schema):
                await self._migrate(spec, schema)
            case DeletePod(name, uid, force):
                await self._calls.delete("Pod", spec.namespace, name, uid, now=force)
            case DrainPod(name, uid, deadline_s, rate):
                self._calls.must_lead()
                await orders.drain(name, uid, deadline_s, rate)
            case UndrainPod(name, uid):
                self._calls.must_lead()
                await orders.undrain(name, uid)
            case RebalancePod(name, uid):
                self._calls.must_lead()
                await orders.rebalance(name, uid)
            case Tell():
                await self._events.tell(spec, action, now)

    async def _move(
        self, spec: ClusterSpec, action: Scale | SetPartition | SetTemplate, ours: Object | None
    ) -> Object:
        """`ours`: as an earlier action of the plan has left the StatefulSet."""
        version = ours["metadata"]["resourceVersion"] if ours else action.resource_version
        where, changes = ("StatefulSet", spec.namespace, action.name), _changes(action)
        try:
            return await self._calls.patch(*where, [*_decided_on(action.uid, version), *changes])
        except Conflict:
            now = await self._calls.get(*where) if ours else None
            if ours is None or now is None or _spec_of(now) != _spec_of(ours):
                raise
        # only its status has changed: its controller has seen what we wrote
        version = now["metadata"]["resourceVersion"]
        return await self._calls.patch(*where, [*_decided_on(action.uid, version), *changes])

    async def _migrate(self, spec: ClusterSpec, schema: str) -> None:
        try:
            await self._calls.create(job.job(spec, schema), manager=names.MANAGER)
        except Conflict as conflict:
            if conflict.status != 409:
                raise  # a Job of that name is there: the same one


def _spec_of(found: Object) -> tuple[str, int]:
    return found["metadata"]["uid"], found["metadata"]["generation"]


def _decided_on(uid: str, version: str) -> list[Mapping[str, Any]]:
    """The API refuses an object with another UID or resourceVersion (409)."""
    return [
        {"op": "replace", "path": "/metadata/uid", "value": uid},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def _changes(action: Scale | SetPartition | SetTemplate) -> list[Mapping[str, Any]]:
    match action:
        case Scale():
            return [_set("/spec/replicas", action.replicas)]
        case SetPartition():
            return [_rolling(action.partition)]
        case SetTemplate():
            return [
                _set("/spec/template", action.template),
                _set("/spec/replicas", action.replicas),
                _rolling(action.partition),
                _set(HASH, action.template_hash),
            ]


def _rolling(partition: int) -> Mapping[str, Any]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    return _set("/spec/updateStrategy", strategy)


def _set(path: str, value: Any) -> Mapping[str, Any]:
    return {"op": "add", "path": path, "value": value}  # `add` replaces what is there


def _said(action: Action) -> str:
    where = getattr(action, "name", "") or getattr(action, "pod", "")
    return f"{type(action).__name__} {where}".strip()
