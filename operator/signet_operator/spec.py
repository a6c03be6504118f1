"""A MessagingCluster as frozen values: what was asked, with every default filled in.

The API server has checked and defaulted the resource (crds/); `read` in reading.py turns it into
these. Times are whole seconds. Nothing here is optional that the CRD gives a default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from signet_operator.names import Tier


class Mode(StrEnum):
    """Who writes a pool's `spec.replicas`: exactly one (issue: one writer by mode)."""

    FIXED = "fixed"  # the cluster's `replicas`
    BUILTIN = "builtin"  # this operator's own autoscaler
    EXTERNAL = "external"  # HPA, KEDA, kubectl scale: the operator never applies the field


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One value of a Secret, mounted into pods; the operator never reads it."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Store:
    """Exactly one of a URL without a password, or a secret that holds the whole URL.

    `ca` is a Secret's key with the PEM authority of the store's certificate; mounted at
    `/etc/signet/store-ca/<store>/ca.crt`, which the URL's `cafile` names. `files` is a Secret whose
    keys are all mounted below `/etc/signet/store-files/<store>/`: what a URL names as `certfile`,
    `keyfile` or `secret_file`.
    """

    url: str = ""
    secret: SecretKey | None = None
    ca: SecretKey | None = None
    files: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """How pods of a tier leave. `rate` 0 leaves it to what the survivors accept.

    `period_s`: over how long a pod's streams (or shards) are asked to move, at the least; 0: as
    fast as the survivors accept. `rate_of` makes a rate of both.
    """

    period_s: int = 0
    deadline_s: int = 120  # then what is left is closed; ≤ 570 unless `long` (names the opt-in)
    rate: int = 0  # gateways: reconnects a second that one pod asks for; routers: shards
    max_concurrent: int = 1  # pods of the tier that drain together
    long: bool = False  # more than ten minutes: pods are not safe to evict

    def rate_of(self, load: int, passed_s: float = 0.0) -> float:
        """What a pod with so much left on it, `passed_s` into its drain, may ask to move in a
        second, at most; 0: no limit of ours.
        """
        left = self.period_s - passed_s
        spread = load / left if left >= 1 else 0.0
        return min((rate for rate in (float(self.rate), spread) if rate > 0), default=0.0)


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """Bounds for any mode, targets of the built-in one."""

    mode: Mode = Mode.FIXED
    minimum: int = 1
    maximum: int = 16
    target_connections: int = 40_000  # gateways: streams a pod
    target_open_rate: int = 400  # gateways: new streams a second a pod
    target_pending_bytes: int = 64 << 20  # gateways
    target_messages: int = 8_000  # routers: messages a second a pod
    target_lag_ms: int = 100  # routers: oldest waiting append
    target_cpu_percent: int = 70
    up_stabilization_s: int = 15
    down_stabilization_s: int = 300


@dataclass(frozen=True, slots=True)
class TierSpec:
    """One tier.

    `resources` is a container's. `topology`: `zones` and `hosts`, each what to do where pods cannot
    be spread over them ("DoNotSchedule", "ScheduleAnyway", or "Ignore": they are not spread).
    `overrides` is the listed set of pod fields that a person may set, named as in a pod's template:
    labels, annotations, nodeSelector, tolerations, affinity, priorityClassName, runtimeClassName,
    env (crds/ has the list).
    """

    tier: Tier
    replicas: int
    autoscaling: Autoscaling
    drain: Drain
    resources: Mapping[str, Any]
    topology: Mapping[str, Any]
    overrides: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """`repository-tier:tag`, the tag being the cluster's version unless it is said.

    `digests` pins the image of a tier (`sha256:…`); each tier has an image of its own.
    """

    repository: str
    tag: str
    digests: Mapping[Tier, str] = field(default_factory=dict)
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()

    def of(self, tier: Tier) -> str:
        """The whole reference: each role has its own image, `<repository>-<tier>`."""
        end = f"@{self.digests[tier]}" if self.digests.get(tier) else f":{self.tag}"
        return f"{self.repository}-{tier}{end}"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Where clients come in.

    `entrance` is what keys-service tells clients; `wildcard` (`*.chat.example`) gives each gateway
    pod an address of its own, `<pod>.chat.example`; '' means drains say when, never where.
    """

    service_type: str = "ClusterIP"  # of the gateways' common Service
    annotations: Mapping[str, str] | None = None
    websocket: str = ""  # wss://chat.example/v1/connect
    grpc: str = ""  # chat.example:443
    wildcard: str = ""
    gateway_class: str = ""  # Gateway API: routes are made for it where it is set
    tls: SecretKey | None = None  # clients' certificate at gateways: a kubernetes.io/tls Secret


class Issuer(StrEnum):
    """Who makes the pods' certificates for each other."""

    OPERATOR = "operator"
    CERT_MANAGER = "cert-manager"
    NONE = "none"  # no TLS between pods: only for trying out


@dataclass(frozen=True, slots=True)
class Certificates:
    """Of pods, for each other and for the operator."""

    issuer: Issuer = Issuer.OPERATOR
    issuer_ref: Mapping[str, str] | None = None  # cert-manager's
    lifetime_s: int = 90 * 86_400
    renew_before_s: int = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Monitoring:
    """PodMonitor and PrometheusRule, where their CRDs are installed."""

    pod_monitor: bool = False
    rules: bool = False
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What was asked of one cluster, and its place in the API."""

    namespace: str
    name: str
    uid: str
    generation: int
    version: str
    image: Image
    server_name: str
    shards: int
    stores: Mapping[str, Store]  # by the setting's name: inbox, directory, members, …
    tiers: Mapping[Tier, TierSpec]
    exposure: Exposure
    certificates: Certificates
    monitoring: Monitoring
    settings: Mapping[str, Any]  # registration, limits, logs: names of docs/settings.md
    network_policy: bool = True
    paused: bool = False
    hibernate: bool = False
    operator_class: str = "default"
    retain: tuple[str, ...] = ()  # kinds of objects that a deletion leaves; empty: nothing
    rebalance: str = ""  # the annotation REBALANCE: asked for at that time, and done once
