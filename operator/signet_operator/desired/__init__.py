"""What is to be there for one cluster: pure builders, one file a kind.

Not here, because they are not a function of the resource alone: the shared keys, certificates and
their bundle (secret.py, bundle.py, certificates.py), migrations (job.py, by an action).
"""

from collections.abc import Iterable

from signet_operator import migration
from signet_operator.desired import (
    certificate,
    config_map,
    deployment,
    network_policy,
    pdb,
    pod,
    pod_monitor,
    pool,
    prometheus_rule,
    route,
    service,
    service_account,
    stateful_set,
)
from signet_operator.desired.meta import Object
from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Observed
from signet_operator.spec import ClusterSpec, Issuer, Mode

__all__ = ["objects", "target", "template"]

template = pod.template


def target(spec: ClusterSpec, tier: Tier, seen: Observed) -> int:
    """How many pods a tier begins with, and how many push always has; none in hibernation.

    What its pool says, but for mode fixed, where the pool only follows (targets.py).
    """
    if spec.hibernate:
        return 0
    asked = spec.tiers[tier]
    follows = asked.autoscaling.mode is Mode.FIXED and not spec.paused
    says = follows or tier not in seen.pools
    wish = asked.replicas if says else seen.pools[tier].replicas
    return min(max(wish, asked.autoscaling.minimum), asked.autoscaling.maximum)


def objects(spec: ClusterSpec, seen: Observed) -> tuple[Object, ...]:
    """Everything to be applied, in an order in which each finds what it needs.

    StatefulSets that are there come without replicas, partition and template, and pools without
    replicas: actions move these. Both are made by a create, so that an apply without a field that
    it never owned leaves the field alone.
    """
    return (
        service_account.service_account(spec),
        config_map.config_map(spec),
        *(certificate.certificates(spec) if _by_cert_manager(spec) else ()),
        *_services(spec),
        *_policies(spec),
        *_monitoring(spec),
        *(_pool(spec, tier, seen) for tier in Tier),
        *(_workloads(spec, seen) if begun(spec, seen) else ()),
    )


def begun(spec: ClusterSpec, seen: Observed) -> bool:
    """Whether pods may be there: the first ones start when the stores have their tables."""
    ready = migration.migrate(spec.version, seen, "", settled=True, paused=False).ready
    return ready or bool(seen.sets)


def _workloads(spec: ClusterSpec, seen: Observed) -> Iterable[Object]:
    yield from (_set(spec, tier, seen) for tier in STATEFUL)
    yield deployment.deployment(spec, target(spec, Tier.PUSH, seen))


def _by_cert_manager(spec: ClusterSpec) -> bool:
    return spec.certificates.issuer is Issuer.CERT_MANAGER


def _set(spec: ClusterSpec, tier: Tier, seen: Observed) -> Object:
    if tier in seen.sets:
        return stateful_set.kept(spec, tier)
    return stateful_set.stateful_set(spec, tier, target(spec, tier, seen))


def _pool(spec: ClusterSpec, tier: Tier, seen: Observed) -> Object:
    made = pool.pool(spec, tier)
    if tier not in seen.pools:
        made["spec"]["replicas"] = spec.tiers[tier].replicas
    return made


def _services(spec: ClusterSpec) -> Iterable[Object]:
    yield from (service.headless(spec, tier) for tier in STATEFUL)
    yield service.clients(spec)
    yield service.api(spec)
    routed = bool(spec.exposure.gateway_class)
    if routed:
        yield route.gateway(spec)
        yield route.entrance(spec)
    # one more than the maximum: the surge pod of a rollout has an address too
    for number in range(_most(spec) if spec.exposure.wildcard else 0):
        yield service.of_pod(spec, number)
        if routed:
            yield route.of_pod(spec, number)


def _most(spec: ClusterSpec) -> int:
    return spec.tiers[Tier.GATEWAY].autoscaling.maximum + 1


def _policies(spec: ClusterSpec) -> Iterable[Object]:
    for tier in Tier:
        yield pdb.pdb(spec, tier)
        if spec.network_policy:
            yield network_policy.network_policy(spec, tier)


def _monitoring(spec: ClusterSpec) -> Iterable[Object]:
    if spec.monitoring.pod_monitor:
        yield pod_monitor.pod_monitor(spec)
    if spec.monitoring.rules:
        yield prometheus_rule.prometheus_rule(spec)
