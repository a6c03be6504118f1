"""The settings of all pods: signet.toml, as docs/settings.md has it.

Each content has a ConfigMap of its own, named by its hash, which never changes: a pod of an earlier
revision starts with that revision's settings, so going back to it is going back to them. Those that
no revision names are pruned (`used`).
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from signet_operator.desired.meta import Object, content_hash, metadata
from signet_operator.desired.places import DATA, PROBE, SETTINGS_FILE, STORE_CAS
from signet_operator.spec import ClusterSpec, Store

PURPOSE = "messaging.signet.dev/purpose"  # label; "settings" here


def settings(spec: ClusterSpec) -> dict[str, Any]:
    """What is the same for all pods; the rest is in their environment (pod.py).

    A person's own settings come first: none of ours may be among them.
    """
    ours = {
        "data": DATA,
        "host": "0.0.0.0",  # noqa: S104 - inside a pod
        "probe_port": PROBE,
        "shards": spec.shards,
        "server_name": spec.server_name,
    }
    urls = {name: url(name, store) for name, store in spec.stores.items() if store.url}
    # A folder in each pod would be gone with it: without a store of blobs clients send no files.
    none = {} if "blobs" in spec.stores else {"blobs": "none:"}
    return {**spec.settings, **ours, **none, **urls}


def url(name: str, store: Store) -> str:
    """Of a store without a secret; its authority is named where the URL does not name one."""
    if store.ca is None or "cafile=" in store.url:
        return store.url
    link = "&" if "?" in store.url else "?"
    return f"{store.url}{link}cafile={quote(ca_file(name))}"


def ca_file(store: str) -> str:
    """Where a store's authority is in a pod."""
    return f"{STORE_CAS}/{store}/ca.crt"


def toml(values: Mapping[str, Any]) -> str:
    """Flat settings as TOML, sorted. Raises TypeError: a value that is none of a setting."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in sorted(values.items()))


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return '"' + "".join(map(_character, value)) + '"'
    raise TypeError(f"{type(value).__name__} is no setting")


def _character(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    return f"\\u{ord(one):04x}" if ord(one) < 0x20 or ord(one) == 0x7F else one


def name(spec: ClusterSpec) -> str:
    """Of the ConfigMap of these settings."""
    return f"{spec.name}-settings-{content_hash(settings(spec))[:10]}"


def config_map(spec: ClusterSpec) -> Object:
    """Immutable: another content is another ConfigMap."""
    made = metadata(spec, name(spec))
    made["labels"][PURPOSE] = "settings"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": made,
        "immutable": True,
        "data": {SETTINGS_FILE: toml(settings(spec))},
    }


def used(templates: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Names of the ConfigMaps that pod templates mount."""
    return frozenset(
        str(volume["configMap"]["name"])
        for template in templates
        for volume in template.get("spec", {}).get("volumes", ())
        if "configMap" in volume
    )
