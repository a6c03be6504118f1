"""What is mounted into a pod, and where: settings, secrets of its own stores, certificates."""

from collections.abc import Iterable

from signet_operator.desired import config_map
from signet_operator.desired.meta import Object
from signet_operator.desired.places import (
    BUNDLE,
    DATA,
    LEAF,
    PUBLIC,
    SETTINGS,
    SHARED,
    STORE_CAS,
    STORE_FILES,
    STORE_SECRETS,
    STORES,
)
from signet_operator.names import Tier
from signet_operator.spec import ClusterSpec, Issuer

SHARED_KEYS = {Tier.GATEWAY: "resume_key", Tier.PUSH: "push_key"}  # of the Secret <cluster>-shared
READABLE = 0o440  # by the pod's group alone
SCRATCH = "64Mi"
DATA_SIZE = "1Gi"  # an events spool, the keys of tokens


def of(spec: ClusterSpec, tier: Tier, stores: Iterable[str]) -> tuple[list[Object], list[Object]]:
    """The volumes of a pod of the tier, and its container's mounts."""
    found = [*common(spec, stores)]
    if shared := SHARED_KEYS.get(tier):
        items = [{"key": shared, "path": shared}]
        found.append(_secret("shared", f"{spec.name}-shared", SHARED, items))
    issuer = spec.certificates.issuer
    if issuer is not Issuer.NONE:
        found.append(_secret("tls", f"{spec.name}-{tier}-tls", LEAF))
    if issuer is Issuer.OPERATOR:
        found.append(
            ({"name": "bundle", "configMap": {"name": f"{spec.name}-bundle"}}, BUNDLE, True)
        )
    public = spec.exposure.tls
    if tier is Tier.GATEWAY and public is not None and not spec.exposure.gateway_class:
        found.append(_secret("public", public.name, PUBLIC))
    return split(found)


def stores(spec: ClusterSpec, tier: Tier) -> tuple[str, ...]:
    """What a tier opens: push looks devices up in the directory, where they may register."""
    looks_up = tier is Tier.PUSH and spec.settings.get("push_kinds")
    return STORES[tier] + (("directory",) if looks_up else ())


Mounted = tuple[Object, str, bool]  # the volume, its path, whether it is only read


def common(spec: ClusterSpec, stores: Iterable[str]) -> Iterable[Mounted]:
    """Of every pod: room to write, settings, the secrets of some stores."""
    yield {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": SCRATCH}}, "/tmp", False  # noqa: S108
    yield {"name": "data", "emptyDir": {"sizeLimit": DATA_SIZE}}, DATA, False
    settings = {"name": "settings", "configMap": {"name": config_map.name(spec)}}
    yield settings, SETTINGS, True
    for name in stores:
        store = spec.stores.get(name)
        if store is not None and store.secret is not None:
            items = [{"key": store.secret.key, "path": "url"}]
            yield _secret(f"store-{name}", store.secret.name, f"{STORE_SECRETS}/{name}", items)
        if store is not None and store.files:
            yield _secret(f"store-files-{name}", store.files, f"{STORE_FILES}/{name}")
        if store is not None and store.ca is not None:
            items = [{"key": store.ca.key, "path": "ca.crt"}]
            yield _secret(f"store-ca-{name}", store.ca.name, f"{STORE_CAS}/{name}", items)


def _secret(name: str, secret: str, path: str, items: list[Object] | None = None) -> Mounted:
    source: Object = {"secretName": secret, "defaultMode": READABLE}
    return {"name": name, "secret": source | ({"items": items} if items else {})}, path, True


def split(found: Iterable[Mounted]) -> tuple[list[Object], list[Object]]:
    """Volumes, and their mounts."""
    found = list(found)
    mounts = [
        {"name": volume["name"], "mountPath": path} | ({"readOnly": True} if read else {})
        for volume, path, read in found
    ]
    return [volume for volume, _, _ in found], mounts


def secret_files(spec: ClusterSpec, stores: Iterable[str]) -> dict[str, str]:
    """Environment that says where the URLs of stores are which hold a password."""
    return {
        f"SIGNET_{name.upper()}_FILE": f"{STORE_SECRETS}/{name}/url"
        for name in stores
        if (store := spec.stores.get(name)) is not None and store.secret is not None
    }
