"""What of the Kubernetes API is watched: a table of contents. Level-based: an event only wakes.

Nothing is handled by its edge (no create, update or delete handlers), so kopf writes nothing into
objects: no finalizers, no annotations.
"""

import logging
from collections.abc import Callable
from typing import Any

import kopf

from signet_operator import names
from signet_operator.cache import Cache, Key
from signet_operator.observe import changed, owner, reachable, trim

OURS = f"{names.MANAGED_BY_LABEL}={names.MANAGER}"
# What belongs to clusters, by the label that all of it carries: kopf's selector, and its index.
# Of these, all that there is is always known; of other kinds (optional CRDs) only what was written.
CHILDREN = {
    "pools": (names.GROUP, names.VERSION, names.POOLS),
    "sets": ("apps", "v1", "statefulsets"),
    "pods": ("", "v1", "pods"),
    "revisions": ("apps", "v1", "controllerrevisions"),
    "jobs": ("batch", "v1", "jobs"),
    "deployments": ("apps", "v1", "deployments"),
    "services": ("", "v1", "services"),
    "config_maps": ("", "v1", "configmaps"),
    "accounts": ("", "v1", "serviceaccounts"),
    "budgets": ("policy", "v1", "poddisruptionbudgets"),
    "network_policies": ("networking.k8s.io", "v1", "networkpolicies"),
}


def register(registry: kopf.OperatorRegistry, cache: Cache, wake: Callable[[Key], None]) -> None:
    """Fill `cache`, and call `wake` for each cluster of which something has changed."""
    kopf.on.login(registry=registry)(kopf.login_via_client)
    _clusters(registry, cache, wake)
    for name, resource in CHILDREN.items():
        _children(registry, cache, wake, name, resource)
    kopf.index("", "v1", "nodes", id="nodes", registry=registry)(_node)

    @kopf.on.event("", "v1", "nodes", id="node", registry=registry)
    async def node(**kwargs: Any) -> None:
        cache.attach(kwargs)  # there are always nodes, and at first no clusters


def configure(settings: kopf.OperatorSettings, call_s: float) -> None:
    """Make kopf write nothing, end all its calls, and watch only what is ours."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # a line for each event, else
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.networking.request_timeout = call_s
    settings.networking.connect_timeout = call_s
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = call_s
    for group, _version, plural in CHILDREN.values():
        settings.watching.label_selectors[group or "v1", plural] = OURS


def _clusters(registry: kopf.OperatorRegistry, cache: Cache, wake: Callable[[Key], None]) -> None:
    where = (names.GROUP, names.VERSION, names.CLUSTERS)

    @kopf.index(*where, id="clusters", registry=registry)
    async def clusters(body: kopf.Body, **_: Any) -> Any:
        return {_key(body): dict(body)}

    @kopf.on.event(*where, id="cluster", registry=registry)
    async def cluster(event: Any, body: kopf.Body, **kwargs: Any) -> None:
        cache.attach(kwargs)
        cache.heard.event("clusters", body["metadata"]["uid"], event["type"])
        gone = event["type"] == "DELETED"
        if gone:
            cache.gone(_key(body))
        if gone or cache.asked(_key(body), body):
            wake(_key(body))


def _children(
    registry: kopf.OperatorRegistry,
    cache: Cache,
    wake: Callable[[Key], None],
    name: str,
    where: tuple[str, str, str],
) -> None:
    @kopf.index(*where, id=name, registry=registry)
    async def index(body: kopf.Body, **_: Any) -> Any:
        return {owner(body): trim(dict(body))}

    @kopf.on.event(*where, id=f"of {name}", registry=registry)
    async def child(event: Any, body: kopf.Body, **kwargs: Any) -> None:
        cache.attach(kwargs)
        cache.heard.event(name, body["metadata"]["uid"], event["type"])
        kept = trim(dict(body))
        old = cache.swap(body["metadata"]["uid"], None if event["type"] == "DELETED" else kept)
        if event["type"] == "DELETED" or changed(old, kept):
            wake(owner(body))


async def _node(body: kopf.Body, **_: Any) -> Any:
    return {body["metadata"]["name"]: reachable(body)}


def _key(body: Any) -> Key:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]
