"""Desired objects into the API: looked at, tried in a dry run, written, pruned.

- A1 What is as it is wanted costs no request: the hash of what was applied is the same, and no
  field of ours is another (drift.py). Where the API writes a field in a form of its own, a dry run
  says that nothing would change, and that is remembered.
- A2 Everything that is to be written is tried first, in a dry run of all of it. One refusal, and
  nothing is written.
- A3 Deleted is only what carries our label and the cluster's UID, of a fixed list of kinds, with
  its UID and resourceVersion.
- A4 An item of a list whose key was changed by hand (a port's number) is another item to
  server-side apply, and stays beside ours. Then the object is replaced as it was seen, at its
  resourceVersion, with everything of ours in its place.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from signet_operator import names
from signet_operator.apply.calls import Calls, Conflict, Refused
from signet_operator.apply.drift import differs, fingerprint, overlaid
from signet_operator.apply.kinds import APPLIED, CREATED, PRUNED, Key, Object, key_of, ours
from signet_operator.desired.config_map import PURPOSE
from signet_operator.desired.meta import content_hash
from signet_operator.spec import ClusterSpec

AT_ONCE = 8  # calls of one cluster at the same time
TELLS_S = 10.0  # a watch has told of a write by then; what is not there then is gone
UNKNOWN_KIND = ("status 404", "the server could not find the requested resource")
OLD_SETTINGS = 3  # ConfigMaps of settings that are kept besides those in use


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API does not take one of the objects: nothing was written."""

    kind: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.why}"


@dataclass(frozen=True, slots=True)
class Written:
    """What was done."""

    applied: tuple[Key, ...] = ()
    pruned: tuple[Key, ...] = ()


Place = tuple[str, Key]  # UID of the cluster, kind and name


class Objects:
    """One for the process."""

    def __init__(self, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls, self._clock = calls, clock
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._settled: dict[Place, tuple[str, str]] = {}  # hash of what is wanted, fingerprint
        self._latest: dict[Place, tuple[Object, float]] = {}  # as our last write left it, and when

    def forget(self, uid: str) -> None:
        """A cluster is gone."""
        self._settled = {place: kept for place, kept in self._settled.items() if place[0] != uid}
        self._latest = {place: kept for place, kept in self._latest.items() if place[0] != uid}

    async def survey(self, spec: ClusterSpec, kinds: Iterable[str] = APPLIED) -> dict[Key, Object]:
        """All objects of the cluster, of those kinds. For kinds that nobody watches."""
        labels = f"{names.MANAGED_BY_LABEL}={names.MANAGER},{names.INSTANCE_LABEL}={spec.name}"
        found = await asyncio.gather(
            *(self._calls.list(kind, spec.namespace, labels) for kind in kinds)
        )
        return {key_of(obj): obj for of_kind in found for obj in of_kind}

    async def apply(
        self,
        spec: ClusterSpec,
        wanted: Sequence[Object],
        live: Mapping[Key, Object],
        *,
        known: Collection[str] = APPLIED,
        keep: Collection[Key] = (),
    ) -> Written | Refusal:
        """Make what is there be as it is wanted.

        `live`: what is there, of the kinds in `known` all of it; of other kinds, what was written
        by this process is taken for granted, and nothing is pruned. `keep` is not pruned either.

        Raises:
            Unavailable, NotLeader: some may be written; the next call goes on.
        """
        marked = [_marked(obj) for obj in wanted]
        there: dict[Key, Object] = {**live, **self._newer(spec, live)}
        due = [obj for obj in marked if self._due(spec, obj, there, known)]
        tried = await asyncio.gather(*(self._try(obj, there) for obj in due))
        for result in tried:
            if isinstance(result, Refusal):
                return result
        changed = [
            obj
            for obj, result in zip(due, tried, strict=True)
            if isinstance(result, Mapping) and self._changes(spec, obj, result, there)
        ]
        for obj in changed:  # in order: each finds what it needs
            refusal = await self._write(spec, obj, there)
            if refusal is not None:
                return refusal
        gone = superfluous(spec, marked, live, known, keep)
        for superfluous_one in gone:
            await self._prune(spec, superfluous_one)
        return Written(tuple(map(key_of, changed)), tuple(map(key_of, gone)))

    # --- A1 -------------------------------------------------------------------------------------

    def _newer(self, spec: ClusterSpec, live: Mapping[Key, Object]) -> dict[Key, Object]:
        """What we wrote, and a watch has not told yet."""
        found: dict[Key, Object] = {}
        for (uid, key), (written, at) in list(self._latest.items()):
            if uid != spec.uid:
                continue
            told = key in live and _version(live[key]) >= _version(written)
            if told or self._clock() - at > TELLS_S:
                del self._latest[uid, key]
            else:
                found[key] = written
        return found

    def _due(
        self, spec: ClusterSpec, obj: Object, there: Mapping[Key, Object], known: Collection[str]
    ) -> bool:
        key, wanted = key_of(obj), _mark(obj)
        has, settled = there.get(key), self._settled.get((spec.uid, key))
        if has is None:
            return key[0] in known or settled is None or settled[0] != wanted
        if _mark(has) != wanted:
            return True
        return bool(differs(obj, has)) and settled != (wanted, fingerprint(has))

    def _changes(
        self, spec: ClusterSpec, obj: Object, result: Object, there: Mapping[Key, Object]
    ) -> bool:
        key = key_of(obj)
        has = there.get(key)
        if has is None or fingerprint(has) != fingerprint(result):
            return True
        self._settled[spec.uid, key] = (_mark(obj), fingerprint(has))
        return False

    # --- A2 -------------------------------------------------------------------------------------

    async def _try(self, obj: Object, there: Mapping[Key, Object]) -> Object | Refusal:
        async with self._slots:
            return await self._send(obj, there, dry=True)

    async def _write(
        self, spec: ClusterSpec, obj: Object, there: Mapping[Key, Object]
    ) -> Refusal | None:
        result = await self._send(obj, there, dry=False)
        if isinstance(result, Refusal):
            return result
        place = spec.uid, key_of(obj)
        self._settled[place] = (_mark(obj), fingerprint(result))
        self._latest[place] = result, self._clock()
        return None

    async def _send(
        self, obj: Object, there: Mapping[Key, Object], *, dry: bool
    ) -> Object | Refusal:
        kind, name = key = key_of(obj)
        has = there.get(key)
        try:
            if kind in CREATED and has is None:
                return await self._calls.create(obj, manager=names.REPLICAS_MANAGER, dry=dry)
            if has is None or _mark(has) != _mark(obj):
                return await self._calls.apply(obj, dry=dry)
            return await self._put_right(obj, dry=dry)
        except Refused as refused:
            unknown = refused.status == 404 and str(refused) in UNKNOWN_KIND
            why = "its kind is not installed in this cluster" if unknown else str(refused)
            return Refusal(kind, name, why)

    async def _put_right(self, obj: Object, *, dry: bool) -> Object:
        """What we applied before, and somebody has changed (A4). Raises Refused."""
        try:
            result = await self._calls.apply(obj, dry=True)
            if not differs(obj, result):
                return result if dry else await self._calls.apply(obj)
        except Refused as refused:
            if refused.status != 422:
                raise
        meta = obj["metadata"]
        has = await self._calls.get(obj["kind"], meta["namespace"], meta["name"])
        whole = overlaid(obj, has)  # from the API itself: a cache may lack what nobody reads
        result = await self._calls.replace(whole, dry=True)
        if differs(obj, result):  # only the API's own way to write it
            return await self._calls.apply(obj, dry=dry)
        return result if dry else await self._calls.replace(whole)

    # --- A3 -------------------------------------------------------------------------------------

    async def _prune(self, spec: ClusterSpec, obj: Object) -> None:
        meta = obj["metadata"]
        place = (spec.namespace, meta["name"], meta["uid"], meta["resourceVersion"])
        try:
            await self._calls.delete(obj["kind"], *place)
        except Conflict:
            return  # it has changed: it is looked at again
        self._settled.pop((spec.uid, key_of(obj)), None)
        self._latest.pop((spec.uid, key_of(obj)), None)


def superfluous(
    spec: ClusterSpec,
    wanted: Iterable[Object],
    live: Mapping[Key, Object],
    known: Collection[str],
    keep: Collection[Key],
) -> list[Object]:
    """What is ours, of this cluster, and not wanted any more (A3)."""
    kept = {*map(key_of, wanted), *keep}
    found = [
        obj
        for key, obj in live.items()
        if key[0] in PRUNED and key[0] in known and key not in kept and ours(obj, spec.uid)
    ]
    settings = [o for o in found if (o["metadata"].get("labels") or {}).get(PURPOSE) == "settings"]
    settings.sort(key=lambda obj: str(obj["metadata"].get("creationTimestamp")))
    spared = {key_of(obj) for obj in settings[-OLD_SETTINGS:]}
    return [
        obj
        for obj in found
        if key_of(obj) not in spared and "deletionTimestamp" not in obj["metadata"]
    ]


def _marked(obj: Object) -> dict[str, Any]:
    """With the hash of what is wanted, for the next look."""
    meta = obj["metadata"]
    noted = {**meta.get("annotations", {}), names.OBJECT_HASH: content_hash(obj)}
    return {**obj, "metadata": {**meta, "annotations": noted}}


def _mark(obj: Object) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(names.OBJECT_HASH, ""))


def _version(obj: Object) -> int:
    """The API promises that newer ones are greater, since Kubernetes 1.35; before, it was so."""
    version = str(obj["metadata"].get("resourceVersion") or "0")
    return int(version) if version.isdigit() else 0
