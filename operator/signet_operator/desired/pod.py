"""The pod template of a tier.

Everything that makes a pod what it is stands in it, settings by name of their ConfigMap included:
its hash says whether a rollout is due.
"""

from collections.abc import Iterable, Mapping

from signet_operator.desired import mounts
from signet_operator.desired.meta import PART_OF, Object, labels, pod_host, selector
from signet_operator.desired.places import (
    BUNDLE,
    COMMANDS,
    GRPC,
    LEAF,
    PORTS,
    PUBLIC,
    SETTINGS,
    SETTINGS_FILE,
    SHARED,
    USER,
    WEBSOCKET,
)
from signet_operator.names import VERSION_LABEL, Tier
from signet_operator.spec import ClusterSpec, Issuer, TierSpec

SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
AFTER_DRAIN = 15  # seconds between a drain's deadline and SIGKILL
# A pod that says that it is not ready gets no new connections after so many probes, each so many
# seconds after the one before, and a little later: Endpoints, then kube-proxy, follow.
READY_PERIOD, READY_FAILURES = 2, 2
ENTRY_LEAD = READY_PERIOD * READY_FAILURES + 3
NOWHERE = "-"  # the setting public_websocket, public_grpc: clients cannot reach single pods

# Fields of a pod's spec that a person may set as they are; the CRD lists the same.
PLAIN_OVERRIDES = (
    "affinity",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "tolerations",
)
SPREAD = {"zones": "topology.kubernetes.io/zone", "hosts": "kubernetes.io/hostname"}


def template(spec: ClusterSpec, tier: Tier) -> Object:
    """A PodTemplateSpec."""
    asked = spec.tiers[tier]
    overrides = asked.overrides
    volumes, mounted = mounts.of(spec, tier, mounts.stores(spec, tier))
    return {
        "metadata": {
            "labels": {
                **overrides.get("labels", {}),
                **labels(spec, tier),
                VERSION_LABEL: spec.version,
            },
            "annotations": _annotations(asked),
        },
        "spec": {
            **pod_security(),
            **{name: overrides[name] for name in PLAIN_OVERRIDES if name in overrides},
            "serviceAccountName": spec.name,
            "imagePullSecrets": [{"name": name} for name in spec.image.pull_secrets],
            "terminationGracePeriodSeconds": asked.drain.deadline_s + AFTER_DRAIN,
            "topologySpreadConstraints": list(_spread(spec, asked)),
            "containers": [_container(spec, asked, mounted)],
            "volumes": volumes,
        },
    }


def _annotations(asked: TierSpec) -> dict[str, str]:
    own = {"kubectl.kubernetes.io/default-container": PART_OF}
    if asked.drain.long:
        own[SAFE_TO_EVICT] = "false"
    return {**asked.overrides.get("annotations", {}), **own}


def pod_security() -> Object:
    """Of a pod's spec: nothing of the host, no token, no names of other Services."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # SIGNET_… of a Service would be a setting
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def container_security() -> Object:
    """Of a container: a root that cannot be written, no capability."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _spread(spec: ClusterSpec, asked: TierSpec) -> Iterable[Object]:
    for over, key in SPREAD.items():
        otherwise = asked.topology.get(over, "Ignore")
        if otherwise != "Ignore":
            yield {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": otherwise,
                "labelSelector": {"matchLabels": selector(spec, asked.tier)},
            }


def _container(spec: ClusterSpec, asked: TierSpec, mounted: list[Object]) -> Object:
    tier = asked.tier
    made: Object = {
        "name": PART_OF,
        "image": spec.image.of(tier),
        "imagePullPolicy": spec.image.pull_policy,
        "command": ["signet"],
        "args": [COMMANDS[tier], "--config", f"{SETTINGS}/{SETTINGS_FILE}"],
        "env": [*environment(spec, tier), *asked.overrides.get("env", ())],
        "ports": [{"name": name, "containerPort": port} for name, port in PORTS[tier].items()],
        "startupProbe": _probe("/healthz", period=2, failures=60),
        "livenessProbe": _probe("/healthz", period=10, failures=6),
        "readinessProbe": _probe("/readyz", period=READY_PERIOD, failures=READY_FAILURES),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounted,
    }
    return made | ({"resources": dict(asked.resources)} if asked.resources else {})


def _probe(path: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "probe"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def environment(spec: ClusterSpec, tier: Tier) -> list[Object]:
    """Settings of this pod alone, and secrets by their files; later ones may use earlier ones."""
    advertise = "$(SIGNET_IP)" if tier is Tier.PUSH else pod_host(spec, tier, "$(SIGNET_NAME)")
    plain = {
        "SIGNET_ADVERTISE": advertise,
        "SIGNET_LEAVE_S": str(spec.tiers[tier].drain.deadline_s),
        **({"SIGNET_ENTRY_LEAD_S": str(ENTRY_LEAD)} if tier is Tier.GATEWAY else {}),
        **_addresses(spec, tier),
        **_tls(spec, tier),
        **mounts.secret_files(spec, mounts.stores(spec, tier)),
    }
    if key := mounts.SHARED_KEYS.get(tier):
        plain[f"SIGNET_{key.upper()}_FILE"] = f"{SHARED}/{key}"
    return [
        _field("SIGNET_NAME", "metadata.name"),
        _field("SIGNET_IP", "status.podIP"),
        *({"name": name, "value": value} for name, value in plain.items()),
    ]


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _addresses(spec: ClusterSpec, tier: Tier) -> Mapping[str, str]:
    """Where clients may be sent: to this very pod (gateways), or to the entrance (keys)."""
    exposure = spec.exposure
    if tier is Tier.GATEWAY:
        host = exposure.wildcard.removeprefix("*.")
        websocket = f"wss://$(SIGNET_NAME).{host}/v1/connect" if host else NOWHERE
        grpc = f"$(SIGNET_NAME).{host}:443" if host else NOWHERE
    elif tier is Tier.KEYS:
        host = f"{spec.name}-clients.{spec.namespace}.svc"
        tls = gateways_speak_tls(spec)
        ws, scheme = ("wss", "grpcs://") if tls else ("ws", "")
        websocket = exposure.websocket or f"{ws}://{host}:{WEBSOCKET}/v1/connect"
        grpc = exposure.grpc or f"{scheme}{host}:{GRPC}"
    else:
        return {}
    return {"SIGNET_PUBLIC_WEBSOCKET": websocket, "SIGNET_PUBLIC_GRPC": grpc}


def gateways_speak_tls(spec: ClusterSpec) -> bool:
    """Whether clients' TLS ends at gateways; else before them, or nowhere."""
    return spec.exposure.tls is not None and not spec.exposure.gateway_class


def _tls(spec: ClusterSpec, tier: Tier) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if spec.certificates.issuer is not Issuer.NONE:
        by_operator = spec.certificates.issuer is Issuer.OPERATOR
        found |= {
            "SIGNET_TLS_CA": f"{BUNDLE if by_operator else LEAF}/ca.crt",
            "SIGNET_TLS_CERT": f"{LEAF}/tls.crt",
            "SIGNET_TLS_KEY": f"{LEAF}/tls.key",
        }
    if tier is Tier.GATEWAY and gateways_speak_tls(spec):
        found |= {
            "SIGNET_PUBLIC_TLS_CERT": f"{PUBLIC}/tls.crt",
            "SIGNET_PUBLIC_TLS_KEY": f"{PUBLIC}/tls.key",
        }
    return found
