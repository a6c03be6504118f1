"""What a plan may ask for. They are performed in order, up to the first write that fails; an order
that a pod refuses or does not hear (DrainPod, UndrainPod, RebalancePod) keeps none of the others.

Every one that shrinks, deletes or moves a partition carries the UID and resourceVersion it was
decided on: an operator that is no longer the leader, or late, changes nothing (409).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from signet_operator.names import Tier


@dataclass(frozen=True, slots=True)
class Scale:
    """Set a StatefulSet's replicas. Fewer only when those above are empty."""

    tier: Tier
    name: str
    uid: str
    resource_version: str
    replicas: int


@dataclass(frozen=True, slots=True)
class SetTemplate:
    """Give a StatefulSet a pod template, replicas and partition in one write.

    `partition` = pods there are now: no pod is replaced by it. `replicas` may be one more (surge).
    """

    tier: Tier
    name: str
    uid: str
    resource_version: str
    template: Mapping[str, Any]
    template_hash: str
    replicas: int
    partition: int


@dataclass(frozen=True, slots=True)
class SetPartition:
    """Let the pods from `partition` on take the update revision."""

    tier: Tier
    name: str
    uid: str
    resource_version: str
    partition: int


@dataclass(frozen=True, slots=True)
class DrainPod:
    """`POST /v1/drain` at the pod's admin port (V1: again is the same drain)."""

    pod: str
    uid: str
    deadline_s: int
    rate: float


@dataclass(frozen=True, slots=True)
class UndrainPod:
    """`POST /v1/undrain`: need rose, or the person took the annotation away (V4)."""

    pod: str
    uid: str


@dataclass(frozen=True, slots=True)
class RebalancePod:
    """`POST /v1/rebalance`: those who belong elsewhere are told so once more."""

    pod: str
    uid: str


@dataclass(frozen=True, slots=True)
class DeletePod:
    """With its UID as the precondition. `force`: grace 0, of a pod whose node is lost."""

    pod: str
    uid: str
    force: bool


@dataclass(frozen=True, slots=True)
class SetPoolReplicas:
    """Write a pool's replicas as their owner (fixed, builtin), or bring them into bounds."""

    tier: Tier
    pool: str
    replicas: int


@dataclass(frozen=True, slots=True)
class RunMigration:
    """Make the Job that brings the stores to a schema."""

    schema: str


@dataclass(frozen=True, slots=True)
class Tell:
    """An Event on the cluster (or a pod). `reason` is CamelCase, from docs/operations."""

    reason: str
    message: str
    warning: bool = False
    pod: str = ""


Action = (
    Scale
    | SetTemplate
    | SetPartition
    | DrainPod
    | UndrainPod
    | RebalancePod
    | DeletePod
    | SetPoolReplicas
    | RunMigration
    | Tell
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, what the status then says, and when to look again at the latest (seconds).

    `status` is the whole `status` of the MessagingCluster but for observedGeneration; `pools` the
    status of each pool; `memory` goes to `status.memory`.
    """

    actions: tuple[Action, ...]
    status: Mapping[str, Any]
    pools: Mapping[Tier, Mapping[str, Any]]
    wake_in: float = 30.0
    memory: Mapping[str, Any] = field(default_factory=dict)
