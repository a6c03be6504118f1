"""Certificates of cert-manager: one a tier, and the operator's own for the admin ports."""

from collections.abc import Iterable

from signet_operator.desired.meta import Object, metadata, tier_host
from signet_operator.names import Tier
from signet_operator.spec import ClusterSpec

OPERATOR = "operator"


def host_names(spec: ClusterSpec, tier: Tier) -> tuple[str, ...]:
    """What a tier's certificate names: each of its pods, and the tier (docs: pods, TLS)."""
    host = tier_host(spec, tier)
    return (f"*.{host}", host)


def certificates(spec: ClusterSpec) -> Iterable[Object]:
    """One for each tier, and one that only calls."""
    for tier in Tier:
        yield _certificate(spec, str(tier), host_names(spec, tier), ["server auth", "client auth"])
    host = f"{spec.name}-{OPERATOR}.{spec.namespace}.svc"
    yield _certificate(spec, OPERATOR, (host,), ["client auth"])


def _certificate(spec: ClusterSpec, of: str, hosts: tuple[str, ...], usages: list[str]) -> Object:
    asked = spec.certificates
    name = f"{spec.name}-{of}-tls"
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": metadata(spec, name),
        "spec": {
            "secretName": name,
            "dnsNames": list(hosts),
            "usages": usages,
            "duration": _go(asked.lifetime_s),
            "renewBefore": _go(asked.renew_before_s),
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"group": "cert-manager.io", **(asked.issuer_ref or {})},
        },
    }


def _go(seconds: int) -> str:
    """A duration as Go writes it, so that it is not changed when it is stored."""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}h{rest // 60}m{rest % 60}s"
