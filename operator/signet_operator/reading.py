"""A MessagingCluster of the API as a `ClusterSpec`.

Total: the API server has checked it and filled the defaults in (crds/), so what is not optional
there is there. Names of `settings` are those of docs/settings.md.
"""

from collections.abc import Mapping
from typing import Any

from signet_operator.names import REBALANCE, Tier
from signet_operator.spec import (
    Autoscaling,
    Certificates,
    ClusterSpec,
    Drain,
    Exposure,
    Image,
    Issuer,
    Mode,
    Monitoring,
    SecretKey,
    Store,
    TierSpec,
)

Fields = Mapping[str, Any]

# Of a tier's `autoscaling.targets`; a tier has those that it is measured by.
TARGETS = {
    "connections": "target_connections",
    "openRatePerSecond": "target_open_rate",
    "pendingBytes": "target_pending_bytes",
    "messagesPerSecond": "target_messages",
    "lagMilliseconds": "target_lag_ms",
    "cpuPercent": "target_cpu_percent",
}
TLS_KEY = "tls.crt"  # of a kubernetes.io/tls Secret; its key is beside it


def read(resource: Fields) -> ClusterSpec:
    """What was asked."""
    meta, spec = resource["metadata"], resource["spec"]
    return ClusterSpec(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=meta["generation"],
        version=spec["version"],
        image=_image(spec["image"], spec["version"]),
        server_name=spec["serverName"],
        shards=spec["shards"],
        stores={name: _store(store) for name, store in spec["stores"].items()},
        tiers={tier: _tier(tier, spec[tier]) for tier in Tier},
        exposure=_exposure(spec["exposure"]),
        certificates=_certificates(spec["certificates"]),
        monitoring=_monitoring(spec["monitoring"]),
        settings=_settings(spec),
        network_policy=spec["networkPolicy"],
        paused=spec["paused"],
        hibernate=spec["hibernate"],
        operator_class=spec["operatorClass"],
        retain=tuple(spec["retain"]),
        rebalance=(meta.get("annotations") or {}).get(REBALANCE, ""),
    )


def _image(image: Fields, version: str) -> Image:
    return Image(
        repository=image["repository"],
        tag=image.get("tag", version),
        digests={Tier(tier): digest for tier, digest in image.get("digests", {}).items()},
        pull_policy=image["pullPolicy"],
        pull_secrets=tuple(image.get("pullSecrets", ())),
    )


def _store(store: Fields) -> Store:
    return Store(
        url=store.get("url", ""),
        secret=_secret(store.get("secretRef")),
        ca=_secret(store.get("caSecretRef")),
        files=store.get("filesSecretRef", {}).get("name", ""),
    )


def _secret(ref: Fields | None) -> SecretKey | None:
    return SecretKey(ref["name"], ref["key"]) if ref else None


def _tier(tier: Tier, spec: Fields) -> TierSpec:
    return TierSpec(
        tier=tier,
        replicas=spec["replicas"],
        autoscaling=_autoscaling(spec["autoscaling"]),
        drain=_drain(spec["drain"]),
        resources=spec["resources"],
        topology=spec["topology"],
        overrides=spec.get("pod", {}),
    )


def _autoscaling(scaling: Fields) -> Autoscaling:
    targets = {TARGETS[name]: value for name, value in scaling["targets"].items()}
    return Autoscaling(
        mode=Mode(scaling["mode"]),
        minimum=scaling["minReplicas"],
        maximum=scaling["maxReplicas"],
        up_stabilization_s=scaling["upStabilizationSeconds"],
        down_stabilization_s=scaling["downStabilizationSeconds"],
        **targets,
    )


def _drain(drain: Fields) -> Drain:
    return Drain(
        period_s=drain["periodSeconds"],
        deadline_s=drain["deadlineSeconds"],
        rate=drain["ratePerSecond"],
        max_concurrent=drain["maxConcurrent"],
        long=drain["allowLong"],
    )


def _exposure(exposure: Fields) -> Exposure:
    tls = exposure.get("tlsSecretRef")
    return Exposure(
        service_type=exposure["serviceType"],
        annotations=exposure.get("serviceAnnotations"),
        websocket=exposure.get("websocket", ""),
        grpc=exposure.get("grpc", ""),
        wildcard=exposure.get("wildcard", ""),
        gateway_class=exposure.get("gatewayClassName", ""),
        tls=SecretKey(tls["name"], TLS_KEY) if tls else None,
    )


def _certificates(certificates: Fields) -> Certificates:
    return Certificates(
        issuer=Issuer(certificates["issuer"]),
        issuer_ref=certificates.get("issuerRef"),
        lifetime_s=certificates["lifetimeSeconds"],
        renew_before_s=certificates["renewBeforeSeconds"],
    )


def _monitoring(monitoring: Fields) -> Monitoring:
    return Monitoring(
        pod_monitor=monitoring["podMonitor"],
        rules=monitoring["rules"],
        labels=monitoring.get("labels"),
    )


def _settings(spec: Fields) -> Fields:
    """Those that all processes read, by their names in docs/settings.md; none is a secret."""
    registration, limits, exposure = spec["registration"], spec["limits"], spec["exposure"]
    provider = registration.get("identityProvider", {})
    return {
        "registration": registration["mode"],
        **{f"identity_provider_{name}": value for name, value in provider.items()},
        "proof_of_work_bits": registration["proofOfWorkBits"],
        "registrations_an_hour": registration["registrationsAnHour"],
        "logins_a_minute": registration["loginsAMinute"],
        "origins": ",".join(exposure.get("origins", ())),
        "proxies": ",".join(exposure.get("proxies", ())),
        "send_burst": limits["sendBurst"],
        "send_rate": limits["sendRate"],
        "hold_s": limits["holdSeconds"],
        "log_format": spec["logs"]["format"],
        "log_level": spec["logs"]["level"],
        **_media(limits),
        **_push(spec["push"]),
    }


def _media(limits: Fields) -> Fields:
    """What of files is said; the product has its own words for the rest."""
    names = {"fileBytes": "media_bytes", "filesAnHour": "media_an_hour"}
    return {name: limits[field] for field, name in names.items() if field in limits}


def _push(push: Fields) -> Fields:
    """What devices may register. Nothing where that is nothing: settings stay as they were."""
    kinds, key = push.get("kinds", ()), push.get("vapidPublicKey", "")
    return {
        **({"push_kinds": ",".join(kinds)} if kinds else {}),
        **({"vapid_public_key": key} if key else {}),
    }
