"""Alerts. Each names its page of docs/operations/."""

from dataclasses import dataclass

from signet_operator.desired.meta import Object, metadata
from signet_operator.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class Alert:
    """`expression` has `{of}` where the series of one cluster are chosen."""

    name: str
    expression: str
    for_s: int
    severity: str
    summary: str
    runbook: str


ALERTS = (
    Alert(
        "SignetStoreUnreachable",
        "min by (store) (signet_store_reachable{{{of}}}) == 0",
        60,
        "critical",
        "A pod of {cluster} does not reach its store {{{{ $labels.store }}}}.",
        "a-store-is-down.md",
    ),
    Alert(
        "SignetShardsWithoutOwner",
        "sum(signet_shards_owned{{{of}}}) < {shards}",
        60,
        "critical",
        "Of the {shards} shards of {cluster} {{{{ $value }}}} have an owner: others get no answer.",
        "shards-have-no-owner.md",
    ),
    Alert(
        "SignetSendsHeld",
        "sum(signet_gateway_held_sends{{{of}}}) > 0",
        60,
        "warning",
        "Gateways of {cluster} hold sends that no owner answers.",
        "shards-have-no-owner.md",
    ),
    Alert(
        "SignetLastResortKeys",
        'sum(rate(signet_pre_keys_given_total{{{of},kind=~"last_resort.*"}}[15m]))'
        " > 0.1 * sum(rate(signet_pre_keys_given_total{{{of}}}[15m]))",
        900,
        "warning",
        "More than a tenth of the pre-keys that {cluster} hands out are keys of last resort.",
        "keys-run-out.md",
    ),
    Alert(
        "SignetPushFails",
        'sum(rate(signet_push_wakes_total{{{of},outcome="delivered"}}[15m]))'
        " < 0.5 * sum(rate(signet_push_wakes_total{{{of}}}[15m]))",
        900,
        "warning",
        "Less than half of the wake-ups of {cluster} are taken by the provider.",
        "push.md",
    ),
)


def expression(spec: ClusterSpec, alert: Alert) -> str:
    """For the series of one cluster, as pod_monitor.py labels them."""
    of = f'namespace="{spec.namespace}",app_kubernetes_io_instance="{spec.name}"'
    return alert.expression.format(of=of, shards=spec.shards)


def prometheus_rule(spec: ClusterSpec) -> Object:
    """One group."""
    made = metadata(spec, spec.name)
    made["labels"] = {**(spec.monitoring.labels or {}), **made["labels"]}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": made,
        "spec": {
            "groups": [
                {"name": f"signet.{spec.name}", "rules": [_rule(spec, one) for one in ALERTS]}
            ]
        },
    }


def _rule(spec: ClusterSpec, alert: Alert) -> Object:
    summary = alert.summary.format(cluster=f"{spec.namespace}/{spec.name}", shards=spec.shards)
    return {
        "alert": alert.name,
        "expr": expression(spec, alert),
        "for": f"{alert.for_s}s",
        "labels": {"severity": alert.severity},
        "annotations": {"summary": summary, "runbook": f"docs/operations/{alert.runbook}"},
    }
