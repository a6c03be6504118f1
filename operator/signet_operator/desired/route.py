"""Gateway API: one Gateway that ends clients' TLS, a route for the entrance, one for each pod.

Only where the cluster names a GatewayClass. gRPC and WebSocket share a host, so both go by one
HTTPRoute and their paths: a host may not have an HTTPRoute and a GRPCRoute.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from signet_operator.desired.meta import Object, metadata
from signet_operator.desired.places import GRPC, REST, WEBSOCKET
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec

API = "gateway.networking.k8s.io/v1"
CONNECT = "/v1/connect"
MESSAGING, KEYS = "/signet.v1.Messaging/", "/signet.v1.Keys/"


def gateway(spec: ClusterSpec) -> Object:
    """Listens for the entrance and for the wildcard; with clients' certificate, where given."""
    hosts = [*entrances(spec), *([spec.exposure.wildcard] if spec.exposure.wildcard else [])]
    return {
        "apiVersion": API,
        "kind": "Gateway",
        "metadata": metadata(spec, spec.name, Tier.GATEWAY),
        "spec": {
            "gatewayClassName": spec.exposure.gateway_class,
            "listeners": [_listener(spec, number, host) for number, host in enumerate(hosts)],
        },
    }


def _listener(spec: ClusterSpec, number: int, host: str) -> Object:
    made: Object = {
        "name": f"clients-{number}",
        "hostname": host,
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    if spec.exposure.tls is None:
        return made | {"protocol": "HTTP", "port": 80}
    certificate = {"kind": "Secret", "group": "", "name": spec.exposure.tls.name}
    tls = {"mode": "Terminate", "certificateRefs": [certificate]}
    return made | {"protocol": "HTTPS", "port": 443, "tls": tls}


def entrances(spec: ClusterSpec) -> tuple[str, ...]:
    """Hosts that keys-service tells clients, each once."""
    websocket = urlsplit(spec.exposure.websocket).hostname or ""
    grpc = urlsplit(f"//{spec.exposure.grpc.rpartition('://')[2]}").hostname or ""
    return tuple(dict.fromkeys(host for host in (websocket, grpc) if host))


def entrance(spec: ClusterSpec) -> Object:
    """Streams to any gateway, everything else to keys."""
    streams, api = f"{spec.name}-clients", f"{spec.name}-api"
    rules = [
        _rule(CONNECT, streams, WEBSOCKET),
        _rule(MESSAGING, streams, GRPC),
        _rule(KEYS, api, GRPC),
        _rule("/", api, REST),
    ]
    return _route(spec, f"{spec.name}-entrance", entrances(spec), rules)


def of_pod(spec: ClusterSpec, number: int) -> Object:
    """Streams to one gateway by its own name."""
    name = f"{object_name(spec.name, Tier.GATEWAY)}-{number}"
    host = f"{name}.{spec.exposure.wildcard.removeprefix('*.')}"
    rules = [_rule(CONNECT, name, WEBSOCKET), _rule(MESSAGING, name, GRPC)]
    return _route(spec, name, (host,), rules)


def _route(spec: ClusterSpec, name: str, hosts: Iterable[str], rules: list[Object]) -> Object:
    return {
        "apiVersion": API,
        "kind": "HTTPRoute",
        "metadata": metadata(spec, name, Tier.GATEWAY),
        "spec": {
            "parentRefs": [{"name": spec.name}],
            "hostnames": list(hosts),
            "rules": rules,
        },
    }


def _rule(path: str, service: str, port: int) -> Object:
    made: Object = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": [{"name": service, "port": port}],
    }
    if path in {CONNECT, MESSAGING}:
        made["timeouts"] = {"request": "0s"}  # a stream has no end
    return made
