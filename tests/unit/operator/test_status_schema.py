"""What plans say of clusters and pools has a place in the CRDs: the API server drops the rest."""

from collections.abc import Iterator
from typing import Any

import pytest

from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Pod
from signet_operator.plan import plan
from tests.support.crds import Schema, node
from tests.unit.operator import clusters
from tests.unit.operator.looks import NOW, draining, observed, pod

SEEN: dict[str, tuple[Pod, ...]] = {
    "at rest": (
        pod(0),
        pod(1),
        *(pod(n, 32, tier=Tier.ROUTER) for n in (0, 1)),
        pod(0, 0, tier=Tier.KEYS),
    ),
    "one drains": (pod(0), draining(1)),
    "nothing yet": (),
}


def lost(value: Any, of: Schema, path: str = "") -> Iterator[str]:
    """What the schema does not know, or has as another type."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    if of.get("x-kubernetes-preserve-unknown-fields"):
        return
    if not isinstance(value, types[of["type"]]):
        yield f"{path}: {value!r} is no {of['type']}"
    elif isinstance(value, dict):
        for name, child in value.items():
            known = of.get("properties", {}).get(name) or of.get("additionalProperties")
            if known is None:
                yield f"{path}.{name}"
            else:
                yield from lost(child, known, f"{path}.{name}")
    elif isinstance(value, list):
        for child in value:
            yield from lost(child, of["items"], f"{path}[]")


@pytest.mark.parametrize("seen", SEEN)
def test_nothing_that_is_said_of_a_cluster_is_lost(seen: str) -> None:
    made = plan(clusters.plain(), observed(*SEEN[seen]), NOW)
    status = {**made.status, "memory": dict(made.memory), "observedGeneration": 1}
    assert list(lost(status, node("messagingclusters", ".status"))) == []


@pytest.mark.parametrize("seen", SEEN)
def test_nothing_that_is_said_of_a_pool_is_lost(seen: str) -> None:
    made = plan(clusters.plain(), observed(*SEEN[seen]), NOW)
    assert set(made.pools) >= set(STATEFUL)
    for said in made.pools.values():
        status = {**said, "observedGeneration": 1}
        assert list(lost(status, node("messagingpools", ".status"))) == []


def test_a_field_that_is_not_there_is_found() -> None:
    assert list(lost({"phase": 3, "mood": ""}, node("messagingclusters", ".status"))) == [
        ".phase: 3 is no string",
        ".mood",
    ]
