"""What the plugin reads and writes: custom resources, and annotations of pods and clusters."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kubernetes import client, config
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from signet_operator.names import (
    CLUSTERS,
    DRAIN,
    GROUP,
    INSTANCE_LABEL,
    POOLS,
    REBALANCE,
    VERSION,
)

Object = Mapping[str, Any]
CALL_S = 15.0


class Refused(Exception):
    """The API says no, or nothing; in a person's words."""


class Api:
    """One namespace of one Kubernetes cluster, as kubectl would reach it."""

    def __init__(self, context: str | None, namespace: str | None) -> None:
        try:
            config.load_kube_config(context=context)  # type: ignore[no-untyped-call]
            _, active = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise Refused(f"no kubeconfig: {error}") from None
        current = (active or {}).get("context", {})
        self.namespace = namespace or current.get("namespace") or "default"
        self._custom = client.CustomObjectsApi()
        self._core = client.CoreV1Api()

    def clusters(self) -> list[Object]:
        """All of the namespace."""
        found = self._call(
            self._custom.list_namespaced_custom_object, GROUP, VERSION, self.namespace, CLUSTERS
        )
        return list(found["items"])

    def cluster(self, name: str | None) -> Object:
        """That one; without a name, the only one there is."""
        found = [c for c in self.clusters() if name in {None, c["metadata"]["name"]}]
        if len(found) == 1:
            return found[0]
        if name is not None:
            raise Refused(f"there is no MessagingCluster {name} in namespace {self.namespace}")
        names = ", ".join(c["metadata"]["name"] for c in found) or "none"
        raise Refused(f"which MessagingCluster of namespace {self.namespace}? There is: {names}")

    def pools(self, cluster: str) -> list[Object]:
        """The tiers of a cluster."""
        found = self._call(
            self._custom.list_namespaced_custom_object,
            GROUP,
            VERSION,
            self.namespace,
            POOLS,
            label_selector=f"{INSTANCE_LABEL}={cluster}",
        )
        return list(found["items"])

    def drain(self, pod: str, *, on: bool) -> None:
        """Ask for a pod to be drained and kept so, or not any more."""
        found = self._call(self._core.read_namespaced_pod, pod, self.namespace)
        if INSTANCE_LABEL not in (found.metadata.labels or {}):
            raise Refused(f"pod {pod} is not one of Signet's")
        wanted = {"metadata": {"annotations": {DRAIN: "true" if on else None}}}
        self._call(self._core.patch_namespaced_pod, pod, self.namespace, wanted)

    def rebalance(self, cluster: str) -> None:
        """Ask for what is misplaced to be moved now."""
        at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
        wanted = {"metadata": {"annotations": {REBALANCE: at}}}
        self._call(
            self._custom.patch_namespaced_custom_object,
            GROUP,
            VERSION,
            self.namespace,
            CLUSTERS,
            cluster,
            wanted,
        )

    def _call(self, verb: Any, *what: Any, **more: Any) -> Any:
        try:
            return verb(*what, **more, _request_timeout=CALL_S)
        except ApiException as refused:
            if refused.status == 404:
                raise Refused(f"there is no such thing: {what[-1]}") from None
            raise Refused(f"the Kubernetes API refuses: {refused.reason}") from None
        except HTTPError:
            raise Refused("the Kubernetes API does not answer") from None
