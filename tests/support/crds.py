"""The CRDs as files, and resources as the API server would hand them out: with all defaults."""

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from signet_operator.names import API_VERSION, CLUSTER_KIND

CRDS = Path(__file__).parents[2] / "crds"
Schema = Mapping[str, Any]

STORES = {
    "inbox": {"secretRef": {"name": "stores", "key": "inbox"}},
    "directory": {"secretRef": {"name": "stores", "key": "directory"}},
    "members": {"url": "redis://redis:6379/0"},
    "presence": {"url": "redis://redis:6379/1"},
    "events": {"url": "kafka://kafka:9092"},
}


@cache
def crd(plural: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((CRDS / f"{plural}.yaml").read_text())
    return loaded


def schema(plural: str) -> Schema:
    """Of the only version."""
    (version,) = crd(plural)["spec"]["versions"]
    found: Schema = version["schema"]["openAPIV3Schema"]
    return found


def nodes(of: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every part of a schema with its path, as in `.spec.gateway.replicas`; `[]` is an item."""
    yield path, of
    for name, child in of.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(of.get(key), dict):
            yield from nodes(of[key], f"{path}[]")


def node(plural: str, path: str) -> Schema:
    return dict(nodes(schema(plural)))[path]


def defaulted(value: Any, of: Schema) -> Any:
    """What the API server makes of it: defaults of what is absent, all the way down."""
    if isinstance(value, dict):
        filled = dict(value)
        for name, child in of.get("properties", {}).items():
            if name not in filled and "default" in child:
                filled[name] = copy.deepcopy(child["default"])
            if name in filled:
                filled[name] = defaulted(filled[name], child)
        return filled
    if isinstance(value, list) and "items" in of:
        return [defaulted(one, of["items"]) for one in value]
    return value


def cluster(name: str = "chat", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A MessagingCluster as a person writes it: what must be said, and `spec` besides."""
    asked = {"version": "0.1.0", "serverName": "chat.example", "stores": STORES}
    return {
        "apiVersion": API_VERSION,
        "kind": CLUSTER_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**asked, **spec},
    }


def stored(name: str = "chat", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """The same as the API server hands it out."""
    resource: dict[str, Any] = defaulted(
        cluster(name, namespace, **spec), schema("messagingclusters")
    )
    resource["metadata"] |= {"uid": "11111111-2222-3333-4444-555555555555", "generation": 1}
    return resource
