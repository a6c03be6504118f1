"""Who may dial which port of a tier. What pods dial (stores, each other) is not limited."""

from signet_operator import names
from signet_operator.desired.meta import Object, metadata, selector
from signet_operator.desired.places import ADMIN, GRPC, LINK, PROBE, REST, WEBSOCKET
from signet_operator.names import Tier, object_name
from signet_operator.spec import ClusterSpec

# From anywhere: clients, and what scrapes metrics and probes.
OPEN = {
    Tier.GATEWAY: (WEBSOCKET, GRPC, PROBE),
    Tier.ROUTER: (PROBE,),
    Tier.KEYS: (REST, GRPC, PROBE),
    Tier.PUSH: (PROBE,),
}
# From pods of the same cluster: docs/operations/processes.md, "Who talks to whom".
BETWEEN = {
    Tier.ROUTER: (LINK, (Tier.GATEWAY, Tier.ROUTER, Tier.KEYS)),
    Tier.KEYS: (ADMIN, (Tier.GATEWAY,)),
}


def network_policy(spec: ClusterSpec, tier: Tier) -> Object:
    """The operator reaches admin ports from whatever namespace it is in."""
    operator = {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {names.NAME_LABEL: names.MANAGER}},
    }
    ingress = [_allow(OPEN[tier]), _allow((ADMIN,), [operator])]
    if tier in BETWEEN:
        port, tiers = BETWEEN[tier]
        peers = [{"podSelector": {"matchLabels": selector(spec, peer)}} for peer in tiers]
        ingress.append(_allow((port,), peers))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(spec, object_name(spec.name, tier), tier),
        "spec": {
            "podSelector": {"matchLabels": selector(spec, tier)},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def _allow(ports: tuple[int, ...], peers: list[Object] | None = None) -> Object:
    made: Object = {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
    return made | ({"from": peers} if peers else {})
