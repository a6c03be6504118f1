"""What `kubectl signet status` shows of a cluster."""

from io import StringIO
from typing import Any

from rich.console import Console

from kubectl_signet.shown import tree


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def cluster(*conditions: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": "chat"},
        "spec": {"version": "0.1.0"},
        "status": {
            "phase": "Draining",
            "ready": "4/5",
            "connections": 1200,
            "conditions": list(conditions),
        },
    }


POOLS: list[dict[str, Any]] = [
    {
        "spec": {"tier": "router", "replicas": 2, "mode": "builtin"},
        "status": {
            "ready": 2,
            "pods": [
                {"name": "chat-router-0", "stage": "active", "load": 512},
                {"name": "chat-router-1", "stage": "unknown", "load": 0},
            ],
        },
    },
    {
        "spec": {"tier": "gateway", "replicas": 2, "mode": "fixed"},
        "status": {
            "ready": 2,
            "pods": [
                {"name": "chat-gateway-0", "stage": "active", "load": 1100},
                {"name": "chat-gateway-1", "stage": "draining", "load": 100},
            ],
        },
    },
]


def printed(*conditions: dict[str, str]) -> list[str]:
    out = StringIO()
    Console(file=out, width=120, highlight=False).print(tree(cluster(*conditions), POOLS))
    return [line.strip("│├└─ \n") for line in out.getvalue().splitlines()]


def test_tiers_and_pods_are_shown_with_what_is_on_them() -> None:
    assert printed() == [
        "chat  0.1.0  Draining  4/5 pods ready, 1200 connections",
        "gateway  2 of 2 ready, fixed",
        "chat-gateway-0  active  1100 connections",
        "chat-gateway-1  draining  100 connections",
        "router  2 of 2 ready, builtin",
        "chat-router-0  active  512 shards",
        "chat-router-1  unknown  0 shards",
    ]


def test_conditions_are_shown_that_a_person_should_know() -> None:
    shown = printed(
        condition("Ready", "True", "AsAsked", "All is well."),
        condition("StoresReachable", "False", "Away", "inbox does not answer chat-router-0."),
        condition("ScaleInBlocked", "True", "NoRoom", "The survivors cannot take 900 streams."),
        condition("Degraded", "False", "AsExpected", "Nothing is known to be wrong."),
    )
    assert shown[1:3] == [
        "StoresReachable=False Away: inbox does not answer chat-router-0.",
        "ScaleInBlocked=True NoRoom: The survivors cannot take 900 streams.",
    ]
    assert not any("Degraded" in line or "Ready=True" in line for line in shown)


def test_a_cluster_that_no_operator_has_seen_says_so() -> None:
    out = StringIO()
    fresh: dict[str, Any] = {"metadata": {"name": "chat"}, "spec": {"version": "0.1.0"}}
    Console(file=out, width=100).print(tree(fresh, []))
    assert "not looked at yet" in out.getvalue()
