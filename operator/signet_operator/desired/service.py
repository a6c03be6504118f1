"""Services: of single pods by name, and where clients come in."""

from signet_operator.desired.meta import Object, metadata, selector
from signet_operator.desired.places import GRPC, PORTS, REST, WEBSOCKET
from signet_operator.desired.pod import gateways_speak_tls
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec

# What whoever stands before a port has to know of it.
PROTOCOLS = {"websocket": "kubernetes.io/ws", "grpc": "kubernetes.io/h2c", "rest": "http"}
TLS_PROTOCOLS = {"websocket": "kubernetes.io/wss", "grpc": "https"}


def headless(spec: ClusterSpec, tier: Tier) -> Object:
    """Names for pods, ready or not: one that drains is still dialled."""
    ports = [{"name": name, "port": port} for name, port in PORTS[tier].items() if name != "probe"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(spec, object_name(spec.name, tier), tier),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(spec, tier),
            "ports": ports,
        },
    }


def clients(spec: ClusterSpec) -> Object:
    """Where clients open their streams: any gateway that is ready."""
    made = _service(
        spec, f"{spec.name}-clients", Tier.GATEWAY, {"websocket": WEBSOCKET, "grpc": GRPC}
    )
    return _exposed(spec, made)


def api(spec: ClusterSpec) -> Object:
    """Accounts and keys, for clients."""
    made = _service(spec, f"{spec.name}-api", Tier.KEYS, {"rest": REST, "grpc": GRPC})
    return _exposed(spec, made)


def _exposed(spec: ClusterSpec, made: Object) -> Object:
    exposure = spec.exposure
    made["spec"]["type"] = exposure.service_type
    if exposure.service_type == "LoadBalancer":
        # clients' addresses and no second hop; balancers ask nodes whether a pod is there, while
        # whoever dials a NodePort of a node without one would get no answer
        made["spec"]["externalTrafficPolicy"] = "Local"
    if exposure.annotations:
        made["metadata"]["annotations"] = dict(exposure.annotations)
    return made


def of_pod(spec: ClusterSpec, number: int) -> Object:
    """One gateway alone, behind its own name; no load balancer of its own."""
    name = f"{object_name(spec.name, Tier.GATEWAY)}-{number}"
    made = _service(spec, name, Tier.GATEWAY, {"websocket": WEBSOCKET, "grpc": GRPC})
    made["spec"]["selector"] = {"statefulset.kubernetes.io/pod-name": name}
    made["spec"]["publishNotReadyAddresses"] = True  # whoever is sent there knows why
    return made


def _service(spec: ClusterSpec, name: str, tier: Tier, ports: dict[str, int]) -> Object:
    tls = tier is Tier.GATEWAY and gateways_speak_tls(spec)
    protocols = TLS_PROTOCOLS if tls else PROTOCOLS
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(spec, name, tier),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(spec, tier),
            "ports": [
                {"name": port, "port": number, "targetPort": port, "appProtocol": protocols[port]}
                for port, number in ports.items()
            ],
        },
    }
