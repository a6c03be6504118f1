"""A cluster as a tree for people: tiers, pods, what is on them, what is wrong."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

Object = Mapping[str, Any]
GOOD_WHEN_TRUE = frozenset({"Ready", "StoresReachable"})
LOADS = {"gateway": "connections", "router": "shards"}
COLORS = {"active": "green", "draining": "yellow", "empty": "cyan", "unknown": "red"}


def tree(cluster: Object, pools: Iterable[Object]) -> Tree:
    """What `kubectl signet status` prints."""
    meta, status = cluster["metadata"], cluster.get("status") or {}
    root = Tree(_head(meta["name"], cluster["spec"].get("version", ""), status))
    for condition in status.get("conditions") or ():
        if _notable(condition):
            words = f"{condition['type']}={condition['status']} {condition['reason']}: "
            root.add(Text(words + condition["message"], style="yellow"))
    for pool in sorted(pools, key=lambda pool: str(pool["spec"]["tier"])):
        _pool(root, pool)
    return root


def _head(name: str, version: str, status: Object) -> Text:
    text = Text(name, style="bold")
    text.append(f"  {version}  {status.get('phase') or 'not looked at yet'}", style="default")
    if "ready" in status:
        text.append(f"  {status['ready']} pods ready, {status.get('connections', 0)} connections")
    return text


def _notable(condition: Object) -> bool:
    return (condition["status"] == "True") is not (condition["type"] in GOOD_WHEN_TRUE)


def _pool(root: Tree, pool: Object) -> None:
    spec, status = pool["spec"], pool.get("status") or {}
    tier = spec["tier"]
    words = f"{status.get('ready', 0)} of {spec.get('replicas', 0)} ready, {spec['mode']}"
    branch = root.add(Text.assemble((f"{tier}  ", "bold"), words))
    for pod in status.get("pods") or ():
        stage = pod["stage"]
        line = Text.assemble(f"{pod['name']}  ", (stage, COLORS.get(stage, "default")))
        if tier in LOADS:
            line.append(f"  {pod.get('load', 0)} {LOADS[tier]}")
        branch.add(line)
