"""MessagingClusters of tests: one with nothing but what it must have, one with everything."""

from dataclasses import replace
from typing import Any

from signet_operator.names import Tier
from signet_operator.spec import (
    Autoscaling,
    Certificates,
    ClusterSpec,
    Drain,
    Exposure,
    Image,
    Issuer,
    Mode,
    Monitoring,
    SecretKey,
    Store,
    TierSpec,
)

SPREAD = {"zones": "ScheduleAnyway", "hosts": "ScheduleAnyway"}


def tier(kind: Tier, **changed: Any) -> TierSpec:
    """Two pods, everything else by default."""
    plain = TierSpec(
        tier=kind,
        replicas=2,
        autoscaling=Autoscaling(),
        drain=Drain(),
        resources={"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        topology=SPREAD,
        overrides={},
    )
    return replace(plain, **changed)


def plain(**changed: Any) -> ClusterSpec:
    """Stores by URL, nothing exposed."""
    made = ClusterSpec(
        namespace="chat",
        name="blue",
        uid="6a3b8f0e-0c3c-4e1b-9a57-0d3c6f1a2b3c",
        generation=1,
        version="0.1.0",
        image=Image("registry.example/signet", "0.1.0"),
        server_name="chat.example",
        shards=1024,
        stores={
            "inbox": Store("cassandra://cassandra/signet?dc=dc1&replication=3"),
            "directory": Store("postgresql://postgres/signet"),
            "members": Store("redis://redis:6379/0"),
            "presence": Store("redis://redis:6379/1"),
            "events": Store("kafka://kafka:9092"),
        },
        tiers={kind: tier(kind) for kind in Tier},
        exposure=Exposure(),
        certificates=Certificates(),
        monitoring=Monitoring(),
        settings={"registration": "open", "log_format": "json", "send_rate": 1.5},
    )
    return replace(made, **changed)


def secret_stores() -> dict[str, Store]:
    """URLs with passwords, authorities of their own, files that a URL names."""
    names = ("inbox", "directory", "members", "presence", "limits", "events", "blobs")
    stores = {name: Store(secret=SecretKey(f"{name}-login", "uri")) for name in names}
    stores["inbox"] = replace(stores["inbox"], ca=SecretKey("cassandra-ca", "tls.crt"))
    stores["push"] = Store(secret=SecretKey("push-login", "url"), files="push-webhook")
    return stores


def full() -> ClusterSpec:
    """Every branch that can go together."""
    overrides = {
        "labels": {"team": "chat"},
        "annotations": {"example.com/cost": "chat"},
        "nodeSelector": {"pool": "chat"},
        "tolerations": [{"key": "chat", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "env": [{"name": "TZ", "value": "UTC"}],
    }
    gateway = tier(
        Tier.GATEWAY,
        replicas=3,
        autoscaling=Autoscaling(mode=Mode.BUILTIN, minimum=2, maximum=3),
        drain=Drain(deadline_s=900, long=True),
        topology={"zones": "DoNotSchedule", "hosts": "Ignore"},
        overrides=overrides,
    )
    return plain(
        image=Image(
            "registry.example/signet",
            "0.1.0",
            digests={Tier.ROUTER: "sha256:" + "ab" * 32},
            pull_policy="Always",
            pull_secrets=("registry-login",),
        ),
        stores=secret_stores(),
        settings={**plain().settings, "push_kinds": "web_push,apns"},
        tiers={kind: gateway if kind is Tier.GATEWAY else tier(kind) for kind in Tier},
        exposure=Exposure(
            service_type="LoadBalancer",
            annotations={"example.com/lb": "internet"},
            websocket="wss://chat.example/v1/connect",
            grpc="chat.example:443",
            wildcard="*.pods.chat.example",
            gateway_class="envoy",
            tls=SecretKey("clients-tls", "tls.crt"),
        ),
        certificates=Certificates(Issuer.CERT_MANAGER, {"name": "internal", "kind": "Issuer"}),
        monitoring=Monitoring(pod_monitor=True, rules=True, labels={"release": "prometheus"}),
    )
