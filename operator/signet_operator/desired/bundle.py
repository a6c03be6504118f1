"""The authorities that pods trust now, for each other (certificates.py says which)."""

from signet_operator.desired.meta import Object, metadata
from signet_operator.spec import ClusterSpec


def bundle(spec: ClusterSpec, authorities: str) -> Object:
    """A ConfigMap with PEM certificates, one after the other."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(spec, f"{spec.name}-bundle"),
        "data": {"ca.crt": authorities},
    }
