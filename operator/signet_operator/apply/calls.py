"""Every call of the Kubernetes API that writes: asks first whether we lead, and ends in time.

What may be relied upon: a write is sent only while `leads()`; no call lasts longer than `call_s`;
what the API refuses is `Refused` (it will not help to send it again), what may work later is
`Unavailable`; `Conflict` says that the object is not what the decision was made on.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient

from signet_operator import names
from signet_operator.apply.kinds import KINDS, Object, path
from signet_operator.health import WRITES

APPLY = "application/apply-patch+yaml"
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
LIST_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
UNDECLARED = "failed to create typed patch object"
PAGE = 500  # objects of one answer to a list


class NotLeader(Exception):
    """Another operator may be writing: this one sends nothing any more."""


class Unavailable(Exception):
    """The API did not answer, or not now."""


class Refused(Exception):
    """The API says no."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Conflict(Refused):
    """The object has another UID or resourceVersion, is gone, or is there already."""


class Calls:
    """`api` is shared with nobody who closes it. `sent` counts writes that went out, by verb,
    and dry runs.
    """

    def __init__(self, api: ApiClient, leads: Callable[[], bool], call_s: float) -> None:
        self._api, self._leads, self._call_s = api, leads, call_s
        self.sent: dict[str, int] = {}

    # --- reads --------------------------------------------------------------------------------

    async def get(
        self, kind: str, namespace: str, name: str, *, metadata: bool = False
    ) -> Object | None:
        """None: there is none. `metadata`: nothing else is sent to us."""
        try:
            return await self._call(
                "GET", path(kind, namespace, name), accept=METADATA if metadata else ""
            )
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def list(
        self, kind: str, namespace: str, labels: str, *, metadata: bool = False
    ) -> list[Object]:
        """All with those labels; none where the kind is not installed."""
        found: list[Object] = []
        more, accept = "", LIST_METADATA if metadata else ""
        while True:
            query = {"labelSelector": labels, "limit": str(PAGE), "continue": more}
            try:
                page = await self._call("GET", path(kind, namespace), query, accept=accept)
            except Refused as refused:
                if refused.status == 404:
                    return []
                raise
            found += [
                {**one, "kind": kind, "apiVersion": KINDS[kind].api} for one in page["items"] or ()
            ]
            more = page["metadata"].get("continue", "")
            if not more:
                return found

    # --- writes -------------------------------------------------------------------------------

    async def apply(
        self,
        obj: Object,
        *,
        manager: str = names.MANAGER,
        sub: str = "",
        dry: bool = False,
        metadata: bool = False,
    ) -> Object:
        """Server-side apply. `metadata`: do not send the object back."""
        meta = obj["metadata"]
        query = {"fieldManager": manager, "force": "true"} | _dry(dry)
        where = path(obj["kind"], meta["namespace"], meta["name"], sub)
        accept = METADATA if metadata else ""
        return await self._write(obj["kind"], "PATCH", where, query, obj, APPLY, accept, dry)

    async def create(self, obj: Object, *, manager: str, dry: bool = False) -> Object:
        """Raises Conflict: there is one."""
        where = path(obj["kind"], obj["metadata"]["namespace"])
        query = {"fieldManager": manager} | _dry(dry)
        accept = METADATA if obj["kind"] == "Secret" else ""
        return await self._write(obj["kind"], "POST", where, query, obj, JSON, accept, dry)

    async def replace(self, obj: Object, *, dry: bool = False) -> Object:
        """The whole object, at its resourceVersion."""
        meta = obj["metadata"]
        where = path(obj["kind"], meta["namespace"], meta["name"])
        query = {"fieldManager": names.MANAGER} | _dry(dry)
        return await self._write(obj["kind"], "PUT", where, query, obj, JSON, "", dry)

    async def patch(
        self, kind: str, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]
    ) -> Object:
        """JSON Patch (RFC 6902). One that gives another UID is a Conflict, too."""
        where, query = path(kind, namespace, name), {"fieldManager": names.MANAGER}
        try:
            return await self._write(kind, "PATCH", where, query, list(operations), JSON_PATCH)
        except Refused as refused:
            if "metadata.uid" in str(refused):
                raise Conflict(refused.status, str(refused)) from None
            raise

    async def look_at(self, kind: str, namespace: str, name: str) -> Object:
        """The metadata of one that may be patched and not read: a dry run that changes nothing.

        Raises Conflict: there is none.
        """
        where, query = path(kind, namespace, name), {"fieldManager": names.MANAGER} | _dry(True)
        return await self._write(kind, "PATCH", where, query, [], JSON_PATCH, METADATA, dry=True)

    async def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        uid: str,
        version: str = "",
        *,
        now: bool = False,
    ) -> None:
        """Of that UID (and version) only. `now`: without a grace period. Gone already is fine."""
        wanted = {"uid": uid} | ({"resourceVersion": version} if version else {})
        body: dict[str, Any] = {"preconditions": wanted, "propagationPolicy": "Background"}
        if now:
            body["gracePeriodSeconds"] = 0
        try:
            await self._write(kind, "DELETE", path(kind, namespace, name), {}, body, JSON)
        except Conflict as conflict:
            if conflict.status != 404:
                raise

    async def _write(
        self,
        kind: str,
        verb: str,
        where: str,
        query: Mapping[str, str],
        body: Any,
        content: str,
        accept: str = "",
        dry: bool = False,
    ) -> Object:
        self.must_lead()
        sent = "dry run" if dry else verb
        self.sent[sent] = self.sent.get(sent, 0) + 1
        result = "unavailable"
        try:
            written = await self._call(verb, where, query, body, content, accept)
            result = "done"
            return written
        except Refused as refused:
            result = "refused"
            if refused.status in {404, 409}:
                result = "conflict"
                raise Conflict(refused.status, str(refused)) from None
            raise
        finally:
            WRITES.labels(sent, kind, result).inc()

    def must_lead(self) -> None:
        """Before anything is told to a pod. Raises NotLeader."""
        if not self._leads():
            raise NotLeader("the lease is over")

    # --- one call -----------------------------------------------------------------------------

    async def _call(
        self,
        verb: str,
        where: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "",
        accept: str = "",
    ) -> Object:
        headers = {"Accept": accept or "application/json"}
        if content:
            headers["Content-Type"] = content
        asked = [(name, value) for name, value in (query or {}).items() if value]
        request = await self._api.param_serialize(
            verb,
            where,
            query_params=asked,
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self._api.call_api(*request, _request_timeout=self._call_s)
            data: bytes = await answer.read()  # type: ignore[no-untyped-call]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{verb} {where}: {type(error).__name__}") from error
        return _read(verb, where, answer.status, data)


def _dry(dry: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry else {}


def _read(verb: str, where: str, status: int, data: bytes) -> Object:
    """Raises Refused, Unavailable."""
    try:
        document: Object = json.loads(data or b"{}")
    except ValueError:
        document = {}
    if status < 300:
        return document
    why = str(document.get("message") or f"status {status}")
    if status == 500 and UNDECLARED in why:
        raise Refused(422, why)  # as the API itself ought to say
    if status in {408, 429} or status >= 500 or status == 401:
        raise Unavailable(f"{verb} {where}: {why}")
    raise Refused(status, why)
