"""For every CEL rule of the CRDs, where it stands, what it accepts and what it refuses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from signet_operator.names import Tier
from tests.support.crds import STORES

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One rule. `words` are of its message. `before`: the spec that both are a change of.

    `name` and `refused_name` are the objects' own, where the rule is about them.
    """

    plural: str
    path: str
    words: str
    accepted: Spec
    refused: Spec
    before: Spec | None = None
    name: str = ""
    refused_name: str = ""

    def __str__(self) -> str:
        return f"{self.plural}{self.path}: {self.words[:40]}"


CLUSTERS, POOLS = "messagingclusters", "messagingpools"
REDIS = "redis://redis:6379/0"
SECRET = {"name": "stores", "key": "url"}


def _tier(tier: Tier) -> Iterator[Case]:
    at = f".spec.{tier}"

    def case(path: str, words: str, accepted: Spec, refused: Spec) -> Case:
        return Case(CLUSTERS, at + path, words, {tier.value: accepted}, {tier.value: refused})

    yield case(
        "",
        "replicas must lie between",
        {"replicas": 20, "autoscaling": {"maxReplicas": 20}},
        {"replicas": 20},
    )
    yield case(
        ".autoscaling",
        "autoscaling.minReplicas must not exceed",
        {"replicas": 3, "autoscaling": {"minReplicas": 3, "maxReplicas": 3}},
        {"replicas": 3, "autoscaling": {"minReplicas": 4, "maxReplicas": 3}},
    )
    yield case(
        ".drain",
        "drain.periodSeconds must not exceed",
        {"drain": {"periodSeconds": 120}},
        {"drain": {"periodSeconds": 121}},
    )
    yield case(
        ".drain",
        "drain.deadlineSeconds over 570 needs",
        {"drain": {"deadlineSeconds": 571, "allowLong": True}},
        {"drain": {"deadlineSeconds": 571}},
    )
    for kind in ("labels", "annotations"):
        yield case(
            f".pod.{kind}",
            "are the operator's own",
            {"pod": {kind: {"example.com/team": "chat"}}},
            {"pod": {kind: {"messaging.signet.dev/tier": "router"}}},
        )
    yield case(
        ".pod.env",
        "variables that begin with SIGNET_",
        {"pod": {"env": [{"name": "GRPC_VERBOSITY", "value": "error"}]}},
        {"pod": {"env": [{"name": "SIGNET_INBOX", "value": "sqlite:///tmp/i"}]}},
    )


def _store(store: str) -> Iterator[Case]:
    at = f".spec.stores.{store}"

    def case(path: str, words: str, accepted: Spec, refused: Spec) -> Case:
        good, bad = ({"stores": {**STORES, store: one}} for one in (accepted, refused))
        return Case(CLUSTERS, at + path, words, good, bad)

    yield case(
        "", "exactly one of url and secretRef", {"url": REDIS}, {"url": REDIS, "secretRef": SECRET}
    )
    yield case("", "exactly one of url and secretRef", {"secretRef": SECRET}, {})
    for url in (
        "redis://:pass@redis/0",
        "cassandra://signet:word@a,b/signet",
        "kafka+ssl://u:p@h:9",
        "postgresql://db/signet?user=signet&password=word",
    ):
        yield case(
            ".url", "must not hold a password", {"url": "redis://signet@redis:6379/0"}, {"url": url}
        )


CLUSTER_CASES = (
    Case(CLUSTERS, "", "the name becomes part", {}, {}, name="a" * 40, refused_name="a" * 41),
    Case(CLUSTERS, "", "the name becomes part", {}, {}, name="chat-2", refused_name="2-chat"),
    Case(
        CLUSTERS,
        ".spec",
        "router.autoscaling.maxReplicas must not exceed shards",
        {"shards": 16},
        {"shards": 15},
    ),
    Case(
        CLUSTERS,
        ".spec",
        "push.kinds says what stores.push serves",
        {"push": {"kinds": ["fcm"]}, "stores": {**STORES, "push": {"url": "fcm:?account_file=/a"}}},
        {"push": {"kinds": ["fcm"]}},
    ),
    Case(
        CLUSTERS,
        ".spec.shards",
        "shards cannot change",
        {"shards": 64},
        {"shards": 128},
        before={"shards": 64},
    ),
    *(case for tier in Tier for case in _tier(tier)),
    *(case for store in (*STORES, "limits", "blobs", "push") for case in _store(store)),
    Case(
        CLUSTERS,
        ".spec.exposure.proxies",
        "are IP addresses, or networks",
        {"exposure": {"proxies": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]}},
        {"exposure": {"proxies": ["lb.example"]}},
    ),
    Case(
        CLUSTERS,
        ".spec.certificates",
        "certificates.issuerRef goes with",
        {"certificates": {"issuer": "cert-manager", "issuerRef": {"name": "ours"}}},
        {"certificates": {"issuer": "cert-manager"}},
    ),
    Case(
        CLUSTERS,
        ".spec.certificates",
        "certificates.issuerRef goes with",
        {"certificates": {"issuer": "none"}},
        {"certificates": {"issuerRef": {"name": "ours"}}},
    ),
    Case(
        CLUSTERS,
        ".spec.certificates",
        "certificates.renewBeforeSeconds must be less",
        {"certificates": {"lifetimeSeconds": 7200, "renewBeforeSeconds": 7199}},
        {"certificates": {"lifetimeSeconds": 7200, "renewBeforeSeconds": 7200}},
    ),
    Case(
        CLUSTERS,
        ".spec.registration",
        "identity_provider needs registration.identityProvider",
        {
            "registration": {
                "mode": "identity_provider",
                "identityProvider": {"issuer": "i", "audience": "a", "jwks": "https://i/j"},
            }
        },
        {"registration": {"mode": "identity_provider"}},
    ),
)

POOL: Spec = {
    "cluster": "chat",
    "tier": "gateway",
    "mode": "external",
    "minReplicas": 1,
    "maxReplicas": 3,
    "replicas": 2,
}


def pool(**changed: Any) -> Spec:
    """A pool's spec."""
    return {**POOL, **changed}


POOL_CASES = (
    Case(
        POOLS,
        "",
        "is named <cluster>-<tier>",
        pool(),
        pool(),
        name="chat-gateway",
        refused_name="chat-router",
    ),
    Case(
        POOLS,
        ".spec",
        "minReplicas must not exceed maxReplicas",
        pool(minReplicas=3),
        pool(minReplicas=4),
        name="chat-gateway",
    ),
    Case(
        POOLS,
        ".spec.cluster",
        "cluster cannot change",
        pool(replicas=3),
        pool(cluster="talk"),
        before=pool(),
        name="chat-gateway",
    ),
    Case(
        POOLS,
        ".spec.tier",
        "tier cannot change",
        pool(replicas=3),
        pool(tier="router"),
        before=pool(),
        name="chat-gateway",
    ),
)
CASES = CLUSTER_CASES + POOL_CASES
