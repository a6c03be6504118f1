"""The Kubernetes API in memory, as far as the operator's writes go: what `Calls` is given for one.

Objects are merged as they are applied, field by field; there are no controllers, no defaults and no
validation. Of Secrets it keeps who owns which key of `data` (managedFields), as the API does: by a
server-side apply its manager, by a change `by_hand` somebody else; and it refuses what the policy
"own-secrets" of the operator's chart refuses.
"""

import copy
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from signet_operator import names
from signet_operator.apply import lean
from signet_operator.apply.calls import APPLY, JSON_PATCH
from signet_operator.apply.drift import overlaid
from signet_operator.apply.kinds import KINDS, path
from signet_operator.cache import APPLIED, INDICES, Cache
from signet_operator.observe import owner, trim

Object = dict[str, Any]
KIND_OF = {kind.plural: name for name, kind in KINDS.items()}
OF_INDEX = {**APPLIED, "clusters": names.CLUSTER_KIND, "pods": "Pod", "jobs": "Job"}


class Answer:
    """What `call_api` returns."""

    def __init__(self, status: int, document: Any) -> None:
        self.status, self._document = status, document

    async def read(self) -> bytes:
        return json.dumps(self._document).encode()


class ApiInMemory:
    """`own` is the operator's namespace. `objects` by their paths; `sent` is every call that
    writes, as (verb, kind, name, dry), and `wrote` its path; `shown` those of Secrets whose content
    was in an answer.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self.objects: dict[str, Object] = {}
        self.sent: list[tuple[str, str, str, bool]] = []
        self.wrote: list[str] = []
        self.shown: list[str] = []
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    # --- what tests do ------------------------------------------------------------------------

    def put(self, obj: Mapping[str, Any]) -> Object:
        """By a person, or a controller."""
        meta = obj["metadata"]
        where = path(obj["kind"], meta["namespace"], meta["name"])
        return self._store(where, dict(copy.deepcopy(obj)))

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """Raises KeyError: there is none."""
        return self.objects[path(kind, namespace, name)]

    def by_hand(self, kind: str, namespace: str, name: str, **data: str) -> None:
        """Somebody changes keys of `data`, and owns them then."""
        found = self.get(kind, namespace, name)
        found["data"] = {**found["data"], **data}
        for entry in found["metadata"]["managedFields"]:
            for key in data:
                entry["fieldsV1"]["f:data"].pop(f"f:{key}", None)
        found["metadata"]["managedFields"].append(_entry("by-hand", "Update", data))
        found["metadata"]["resourceVersion"] = str(next(self._versions))

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """As the garbage collector does, too: what it owned goes with it."""
        uid = self.objects.pop(path(kind, namespace, name))["metadata"]["uid"]
        for where, obj in list(self.objects.items()):
            owners = obj["metadata"].get("ownerReferences") or ()
            if any(one["uid"] == uid for one in owners):
                del self.objects[where]

    def tell(self, cache: Cache) -> None:
        """What the watches have brought, when they are not late."""
        indices: dict[str, dict[Any, list[Object]]] = {name: {} for name in INDICES}
        for index, kind in OF_INDEX.items():
            for obj in self.objects.values():
                if obj["kind"] == kind:
                    at = _key(obj) if index == "clusters" else owner(obj)
                    kept = obj if index == "clusters" else trim(obj)
                    indices[index].setdefault(at, []).append(copy.deepcopy(dict(kept)))
        cache.attach({name: {} for name in INDICES})
        for name, found in indices.items():
            known = cache._indices[name]
            known.clear()
            known.update(found)

    # --- kubernetes.aio.client.ApiClient --------------------------------------------------------

    async def param_serialize(self, verb: str, where: str, **parts: Any) -> tuple[Any, ...]:
        return verb, where, dict(parts["query_params"]), parts["header_params"], parts["body"]

    async def call_api(
        self,
        verb: str,
        where: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
        *,
        _request_timeout: float,
    ) -> Answer:
        if verb == "GET":
            return self._read(where, query, headers)
        dry = "dryRun" in query
        kind, name = self._what(where, body)
        self.sent.append((verb, kind, name, dry))
        self.wrote.append(where)
        status, found = self._written(verb, where, query, headers, body)
        if status >= 300 or verb == "DELETE":
            return Answer(status, found)
        if not dry:
            found = self._store(_place(found), found)
        return Answer(status, self._shown(found, headers))

    # --- how ------------------------------------------------------------------------------------

    def _what(self, where: str, body: Any) -> tuple[str, str]:
        if isinstance(body, Mapping) and "kind" in body:
            return body["kind"], body["metadata"]["name"]
        parts = where.removesuffix("/status").split("/")
        return KIND_OF[parts[-2]], parts[-1]

    def _read(self, where: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        if KIND_OF.get(where.rpartition("/")[2]) is None:
            found = self.objects.get(where)
            return Answer(200, self._shown(found, headers)) if found else Answer(404, {})
        wanted = [part.partition("=") for part in query["labelSelector"].split(",")]
        items = [
            self._shown(obj, headers)
            for at, obj in self.objects.items()
            if at.startswith(f"{where}/") and all(_has(obj, *one) for one in wanted)
        ]
        return Answer(200, {"metadata": {}, "items": items})

    def _written(
        self,
        verb: str,
        where: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
    ) -> tuple[int, Object]:
        sub = where.endswith("/status")
        there = self.objects.get(where.removesuffix("/status"))
        if verb != "DELETE" and not all(map(self._may, (there, body))):
            return 403, {"message": "the operator writes no Secret that it has not made"}
        match verb, headers["Content-Type"]:
            case "POST", _:
                there = self.objects.get(_place(body))
                return (409, {}) if there else (201, _by(body, query, "Update"))
            case "PATCH", kind if kind == APPLY and sub:
                return (200, {**there, "status": body["status"]}) if there else (404, {})
            case "PATCH", kind if kind == APPLY:
                return 200, _by(_merged(there, body), query, "Apply")
            case "PATCH", kind if kind == JSON_PATCH:
                return _patched(there, body)
            case "PUT", _:
                return (200, dict(body)) if there else (404, {})
            case "DELETE", _:
                return self._deleted(where, body)
        raise AssertionError(f"{verb} {headers}")

    def _may(self, obj: Any) -> bool:
        if not isinstance(obj, Mapping) or obj.get("kind") != "Secret":
            return True
        meta = obj["metadata"]
        labels = meta.get("labels") or {}
        return meta["namespace"] == self._own or labels.get(names.MANAGED_BY_LABEL) == names.MANAGER

    def _shown(self, obj: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        if "PartialObjectMetadata" in headers["Accept"]:
            return {"metadata": obj["metadata"]}
        if obj["kind"] == "Secret":
            self.shown.append(_place(obj))
            return obj
        return lean(obj) | {"status": obj.get("status") or {}}

    def _deleted(self, where: str, body: Mapping[str, Any]) -> tuple[int, Object]:
        there = self.objects.get(where)
        if there is None:
            return 404, {}
        wanted = body["preconditions"]
        if any(there["metadata"][name] != value for name, value in wanted.items()):
            return 409, {}
        del self.objects[where]
        return 200, {}

    def _store(self, where: str, obj: Object) -> Object:
        kept = copy.deepcopy(obj)
        before = self.objects.get(where)
        meta = kept["metadata"] = {
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **kept["metadata"],
        }
        if before is None:
            meta.setdefault("uid", f"uid-{next(self._uids)}")
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[where] = kept
        return kept


def _place(obj: Mapping[str, Any]) -> str:
    meta = obj["metadata"]
    return path(obj["kind"], meta["namespace"], meta["name"])


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _has(obj: Object, label: str, equals: str, value: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return label in labels and (not equals or labels[label] == value)


def _merged(there: Object | None, body: Object) -> Object:
    return dict(body) if there is None else dict(overlaid(body, there))


def _by(obj: Mapping[str, Any], query: Mapping[str, str], operation: str) -> Object:
    """With its managers, of a Secret."""
    if obj["kind"] != "Secret":
        return dict(obj)
    entry = _entry(query["fieldManager"], operation, obj["data"])
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [entry]}}


def _entry(manager: str, operation: str, data: Mapping[str, str]) -> Object:
    owned: Object = {f"f:{key}": {} for key in data}
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:data": owned}}


def _patched(there: Object | None, operations: Sequence[Mapping[str, Any]]) -> tuple[int, Object]:
    """RFC 6902 with `add` and `replace` of what is in maps; of UID and version, a precondition."""
    if there is None:
        return 404, {}
    changed = copy.deepcopy(there)
    for one in operations:
        *way, last = [p.replace("~1", "/").replace("~0", "~") for p in one["path"].split("/")[1:]]
        at = changed
        for name in way:
            at = at.setdefault(name, {})
        if way == ["metadata"] and at.get(last) != one["value"]:
            return 409, {"message": f"metadata.{last}"}
        at[last] = one["value"]
    return 200, changed
