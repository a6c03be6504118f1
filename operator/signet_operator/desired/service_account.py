"""Who the pods are: nobody to the Kubernetes API."""

from signet_operator.desired.meta import Object, metadata
from signet_operator.spec import ClusterSpec


def service_account(spec: ClusterSpec) -> Object:
    """Without a token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(spec, spec.name),
        "automountServiceAccountToken": False,
    }
