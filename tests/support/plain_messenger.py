"""A messenger as plain manifests: what its images need of Kubernetes, and nothing of the operator.

Every pod has a read-only root, no privilege, a number for a user; settings come from the
environment, the stores' URLs from files of a Secret.
"""

import base64
from collections.abc import Mapping
from typing import Any

from tests.support.lanes.kube import images

Object = dict[str, Any]
PORTS = {"websocket": 7400, "grpc": 7401, "rest": 7402, "admin": 7403, "link": 7404}
PROBES = 7405
SECRETS = "/run/secrets/signet"
SHARDS = "16"
ENTRANCE = {"websocket": 30400, "rest": 30402}  # NodePorts


def everything(stores: Mapping[str, str], entrance: str, gateways: int = 3) -> list[Object]:
    """`entrance` is a node's address; `stores` are URLs by their settings."""
    public = f"ws://{entrance}:{ENTRANCE['websocket']}"
    keys = {"SIGNET_PUBLIC_WEBSOCKET": public, "SIGNET_REGISTRATIONS_AN_HOUR": "1000"}
    nowhere = {"SIGNET_PUBLIC_WEBSOCKET": "-", "SIGNET_PUBLIC_GRPC": "-"}
    return [
        _secret(stores),
        _migration(),
        *_tier("router", 1, ("link", "admin"), {}),
        *_tier("keys", 1, ("rest", "grpc", "admin"), keys),
        *_tier("gateway", gateways, ("websocket", "grpc", "admin"), nowhere),
        _node_port("gateway", "websocket"),
        _node_port("keys", "rest"),
    ]


def _secret(stores: Mapping[str, str]) -> Object:
    files = {**stores, "resume_key": base64.b64encode(b"a resume key of a lane, 32 bytes").decode()}
    return {**_meta("v1", "Secret", "stores"), "stringData": files}


def _migration() -> Object:
    """The tables of the stores. Pods that start before it end, and start again."""
    command = ["python3", "-m", "signet.cli", "admin", "migrate"]
    pod = _pod("migrate", "keys", {}, {"command": command})
    pod["spec"]["restartPolicy"] = "OnFailure"
    return {**_meta("batch/v1", "Job", "migrate"), "spec": {"template": pod}}


def _tier(
    role: str, replicas: int, ports: tuple[str, ...], more: Mapping[str, str]
) -> list[Object]:
    probe = {"port": PROBES, "scheme": "HTTP"}
    container = {
        "ports": [{"name": name, "containerPort": PORTS[name]} for name in ports],
        "readinessProbe": {"httpGet": {"path": "/readyz", **probe}, "periodSeconds": 1},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", **probe},
            "initialDelaySeconds": 30,
            "timeoutSeconds": 5,
        },
    }
    spec = {
        "serviceName": role,
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": {"app": role}},
        "template": _pod(role, role, more, container),
    }
    return [
        {**_meta("apps/v1", "StatefulSet", role), "spec": spec},
        {
            **_meta("v1", "Service", role),
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,  # pods talk to each other from the first moment
                "selector": {"app": role},
                "ports": [{"name": name, "port": PORTS[name]} for name in ports],
            },
        },
    ]


def _pod(name: str, role: str, more: Mapping[str, str], container: Object) -> Object:
    told = {
        "SIGNET_HOST": "0.0.0.0",
        "SIGNET_ADVERTISE": f"$(SIGNET_NAME).{role}.$(NAMESPACE).svc.cluster.local",
        "SIGNET_PROBE_PORT": str(PROBES),
        "SIGNET_SHARDS": SHARDS,
        "SIGNET_RESUME_KEY_FILE": f"{SECRETS}/resume_key",
        **{
            f"SIGNET_{store.upper()}_FILE": f"{SECRETS}/{store}"
            for store in ("inbox", "directory", "members", "presence", "limits", "events", "blobs")
        },
        **more,
    }
    own = {"SIGNET_NAME": "metadata.name", "NAMESPACE": "metadata.namespace"}
    environment = [
        {"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in own.items()
    ]
    environment += [{"name": key, "value": value} for key, value in told.items()]
    mounts = [
        {"name": "data", "mountPath": "/var/lib/signet"},
        {"name": "stores", "mountPath": SECRETS, "readOnly": True},
    ]
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # SIGNET_… is the settings' own
            "terminationGracePeriodSeconds": 40,
            "securityContext": {
                "runAsNonRoot": True,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": name,
                    "image": images.name(role),
                    "imagePullPolicy": "Never",
                    "env": environment,
                    "volumeMounts": mounts,
                    "securityContext": {
                        "readOnlyRootFilesystem": True,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    **container,
                }
            ],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "stores", "secret": {"secretName": "stores", "defaultMode": 0o440}},
            ],
        },
    }


def _node_port(role: str, port: str) -> Object:
    ports = [{"port": PORTS[port], "nodePort": ENTRANCE[port]}]
    spec = {"type": "NodePort", "selector": {"app": role}, "ports": ports}
    return {**_meta("v1", "Service", f"{role}-entrance"), "spec": spec}


def _meta(version: str, kind: str, name: str) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
