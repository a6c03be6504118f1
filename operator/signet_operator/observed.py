"""What is there, as frozen values: read from the API and from the pods' own admin ports.

`plan.py` sees nothing else. All times are seconds of the same clock as `now` (epoch), so that plans
are tested in virtual time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from signet_operator.names import Tier

# Reasons of a waiting container that mean that its pod will not become ready by itself.
NOT_RUNNING = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)


class Stage(StrEnum):
    """A pod's own word on itself (docs/admin.md); UNKNOWN: its admin port did not answer."""

    ACTIVE = "active"
    DRAINING = "draining"
    EMPTY = "empty"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """What a pod's admin port said (`GET /v1/pod`), at `at`.

    `load` is a gateway's open streams or a router's shards; `accepts` moved streams a second that a
    gateway takes now. `left_s` is of a drain's deadline. `stores`: those that do not answer.
    `rates`: open_rate, pending_bytes, messages, lag_ms, cpu_percent; those that the kind has.
    """

    stage: Stage
    load: int
    accepts: float = 0.0
    left_s: float = 0.0
    ending: bool = False
    stores_down: tuple[str, ...] = ()
    bundle: str = ""  # hash of the CA bundle that it trusts
    certificate: str = ""  # fingerprint of the one that it shows
    schema: str = ""
    rates: Mapping[str, float] = field(default_factory=dict)
    at: float = 0.0
    members: frozenset[str] = frozenset()  # names of the pods whose records it sees, of all kinds
    misplaced: int = 0  # users (or shards) that belong elsewhere by the ring


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of the API. `report` is None while its admin port was never reached."""

    name: str
    uid: str
    resource_version: str
    tier: Tier
    ordinal: int  # -1 for push
    revision: str  # controller-revision-hash
    phase: str
    ready: bool
    deleting: bool
    created_at: float
    node: str = ""
    node_reachable: bool = True  # False: the node's Ready condition is Unknown, or it is gone
    ip: str = ""
    restarts: int = 0
    trouble: str = ""  # CrashLoopBackOff, ImagePullBackOff, Unschedulable, …: a reason of the API
    wants_drain: bool = False  # the annotation DRAIN, by a person
    ready_changed_at: float = 0.0  # since when Ready is what it is; 0: not known
    report: Report | None = None

    @property
    def stage(self) -> Stage:
        return self.report.stage if self.report else Stage.UNKNOWN

    @property
    def empty(self) -> bool:
        """Nothing is on it, by its own word."""
        return self.report is not None and self.report.stage in {Stage.EMPTY, Stage.GONE}


@dataclass(frozen=True, slots=True)
class StatefulSet:
    """Of one tier."""

    name: str
    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    replicas: int  # spec
    partition: int  # spec.updateStrategy.rollingUpdate.partition
    template_hash: str  # annotation TEMPLATE_HASH: of the template that it has now
    current_revision: str
    update_revision: str
    drifted: bool = False  # somebody else has changed the template


@dataclass(frozen=True, slots=True)
class Pool:
    """A MessagingPool as it is in the API."""

    name: str
    uid: str
    resource_version: str
    replicas: int
    status_replicas: int = 0
    paused: bool = False  # the annotation PAUSED
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A schema migration, named for its target."""

    name: str
    schema: str
    succeeded: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """All that belongs to one cluster.

    `memory` is `status.memory`: what a plan noted for itself. `revisions`: templates by revision;
    `conditions`: by type, as they are in the API.
    """

    pools: Mapping[Tier, Pool] = field(default_factory=dict)
    sets: Mapping[Tier, StatefulSet] = field(default_factory=dict)
    pods: Mapping[Tier, tuple[Pod, ...]] = field(default_factory=dict)  # in the order of ordinals
    jobs: tuple[Job, ...] = ()
    schema: str = ""  # what the stores' own version says, by a pod or the last Job; '' unknown
    revisions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: str = ""  # why the last dry run of the desired objects was refused
