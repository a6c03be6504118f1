"""The operator's own pages: /healthz (the loop turns, kopf lives), /readyz, /metrics.

A standby is ready: it has its watches, and takes over as soon as the lease is free.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

LEADS = Gauge("signet_operator_leads", "1 on the replica that writes.", registry=REGISTRY)
CLUSTERS = Gauge("signet_operator_clusters", "Clusters of this class.", registry=REGISTRY)
LOOKS = Counter("signet_operator_looks_total", "Looks at a cluster.", ["result"], registry=REGISTRY)
LOOK_SECONDS = Histogram(
    "signet_operator_look_seconds", "How long a look at a cluster took.", registry=REGISTRY
)
ACTIONS = Counter(
    "signet_operator_actions_total", "Steps taken, by their kind.", ["action"], registry=REGISTRY
)
WRITES = Counter(
    "signet_operator_writes_total",
    "Writing requests to the Kubernetes API: verb (or dry run), kind, and what became of them.",
    ["verb", "kind", "result"],
    registry=REGISTRY,
)


def gauge(leads: Callable[[], bool], clusters: Callable[[], int]) -> None:
    """What is asked for when somebody looks at /metrics."""
    LEADS.set_function(leads)
    CLUSTERS.set_function(clusters)


def not_ready(filled: Callable[[], bool]) -> Callable[[], str]:
    """Why this replica could not take over now; '' when it could."""

    def say() -> str:
        return "" if filled() else "the watches have not listed everything yet"

    return say
