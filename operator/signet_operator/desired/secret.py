"""Secrets that the operator makes. It never reads those of the stores."""

import base64
from collections.abc import Mapping

from signet_operator.desired.meta import Object, metadata
from signet_operator.names import Tier
from signet_operator.spec import ClusterSpec

KEY_BYTES = 32  # of each shared key
LEAF_KEYS = ("tls.crt", "tls.key")  # the certificate, and its key


def shared(spec: ClusterSpec, resume: bytes, push: bytes) -> Object:
    """What all gateways, and all push workers, have in common. Made once, never applied again.

    Where the cluster is to retain it, nobody owns it: it stays, and a cluster of the same name goes
    on with it.
    """
    if min(len(resume), len(push)) < KEY_BYTES:
        raise ValueError(f"a key has at least {KEY_BYTES} bytes")
    keys = {"resume_key": base64.b64encode(resume), "push_key": base64.b64encode(push)}
    made = _secret(spec, f"{spec.name}-shared", "Opaque", keys)
    if made["kind"] in spec.retain:
        del made["metadata"]["ownerReferences"]
    return made


def leaf(spec: ClusterSpec, tier: Tier, chain: bytes, key: bytes) -> Object:
    """The certificate of a tier's pods for each other."""
    parts = dict(zip(LEAF_KEYS, (chain, key), strict=True))
    return _secret(spec, leaf_name(spec, tier), "kubernetes.io/tls", parts)


def leaf_name(spec: ClusterSpec, tier: Tier) -> str:
    """Of that Secret."""
    return f"{spec.name}-{tier}-tls"


def _secret(spec: ClusterSpec, name: str, kind: str, data: Mapping[str, bytes]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(spec, name),
        "type": kind,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
