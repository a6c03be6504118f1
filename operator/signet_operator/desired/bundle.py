"""The authorities that pods trust now, for each other (certificates.py says which)."""

from signet_operator import names
from signet_operator.desired.meta import Object, metadata
from signet_operator.spec import ClusterSpec

CERTIFICATES = f"{names.GROUP}/certificates"  # annotation: what was handed out, as JSON


def name(spec: ClusterSpec) -> str:
    """Of the ConfigMap."""
    return f"{spec.name}-bundle"


def bundle(spec: ClusterSpec, authorities: str, certificates: str) -> Object:
    """A ConfigMap with PEM certificates, one after the other.

    `certificates` is noted in it for the operator itself, which does not read Secrets.
    """
    made = metadata(spec, name(spec))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**made, "annotations": {CERTIFICATES: certificates}},
        "data": {"ca.crt": authorities},
    }
