"""Clients of the Kubernetes API: one for the lease's thread, one for the event loop.

In a pod, its service account; else the kubeconfig that KUBECONFIG names.
"""

import os
from typing import Any

from kubernetes import client as sync
from kubernetes import config as sync_config
from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config


def in_cluster() -> bool:
    """Whether this process is a pod."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def lease_api() -> Any:
    """Synchronous, of its own connections; each call has its time-out, and is not tried again."""
    made = sync.Configuration()
    if in_cluster():
        sync_config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]
    else:
        sync_config.load_kube_config(client_configuration=made)  # type: ignore[no-untyped-call]
    made.retries = False
    return sync.CoordinationV1Api(sync.ApiClient(made))


async def api() -> aio.ApiClient:
    """For the event loop. Close it."""
    made = aio.Configuration()
    if in_cluster():
        aio_config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]
    else:
        await aio_config.load_kube_config(client_configuration=made)  # type: ignore[no-untyped-call]
    return aio.ApiClient(made)
