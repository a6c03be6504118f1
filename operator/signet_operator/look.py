"""One look at one cluster: see it, plan, do it, say so. Decides nothing itself.

The writes are those of `Writer` (apply.py); everything before them only reads.
"""

import contextlib
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from signet_operator import desired, plan
from signet_operator.actions import Plan, Tell
from signet_operator.apply import APPLIED, NotLeader, Reason, Refusal, Trust, Writer
from signet_operator.apply.drift import differs
from signet_operator.cache import APPLIED as WATCHED_INDICES
from signet_operator.cache import Cache, Key
from signet_operator.certificates import PodTrust
from signet_operator.desired import bundle, config_map
from signet_operator.drain.rollout import Template
from signet_operator.health import LOOK_SECONDS, LOOKS
from signet_operator.names import CLUSTER_KIND, TEMPLATE_HASH, Tier
from signet_operator.observe import Children, Object, observe, owned
from signet_operator.observed import Observed, Report, Stage
from signet_operator.pods import Address, PodRefused, Pods
from signet_operator.reading import read
from signet_operator.spec import ClusterSpec

log = structlog.get_logger()

WATCHED = tuple(WATCHED_INDICES.values())
NOTHING_SAID = Report(Stage.UNKNOWN, 0)
SOON_S = 1.0  # after a step that could not be taken
SURVEY_S = 600.0  # between lists of kinds that nobody watches (optional CRDs)


class Budget:
    """How many clusters may roll at once that nobody asked to: this operator is newer (plan.py).

    A cluster rolls while its memory says so, in its status or, sooner, in what was planned last.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rolls: dict[Key, bool] = {}

    def noted(self, key: Key, memory: Mapping[str, object]) -> None:
        """What a plan has noted for itself."""
        self._rolls[key] = bool(memory.get("surge"))

    def forget(self, key: Key) -> None:
        """It is gone."""
        self._rolls.pop(key, None)

    def left(self, key: Key, cache: Cache) -> int:
        """How many more may begin, this one included."""
        others = (other for other in cache.clusters() if other != key)
        return self._most - sum(self._rolls.get(other, _rolls(cache, other)) for other in others)


def _rolls(cache: Cache, key: Key) -> bool:
    status = (cache.cluster(key) or {}).get("status") or {}
    return bool((status.get("memory") or {}).get("surge"))


@dataclass(frozen=True, slots=True)
class _Held:
    """UIDs of a cluster and of its objects that something is kept of."""

    cluster: str
    pods: frozenset[str]
    pools: frozenset[str]


class Looker:
    """Reconciler's `look`. Of what a look finds gone, nothing is kept after it."""

    def __init__(
        self,
        cache: Cache,
        pods: Pods,
        writer: Writer,
        *,
        operator_class: str,
        address: Callable[[ClusterSpec, Object, ssl.SSLContext | None], Address],
        leads: Callable[[], bool],
        budget: Budget,
        look_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache, self._pods, self._writer = cache, pods, writer
        self._class, self._address, self._leads = operator_class, address, leads
        self._budget, self._look_s, self._clock = budget, look_s, clock
        self._held: dict[Key, _Held] = {}
        self._confirmed: dict[Key, float] = {}  # when the API was asked whether it is there
        self._surveyed: dict[str, float] = {}  # by UID: when kinds that nobody watches were listed

    async def __call__(self, key: Key) -> float | None:
        """In how many seconds to look again; None: not by itself."""
        if self._leads():
            await self._ask_of_suspects(key)
        cluster = self._cache.cluster(key)
        if not self._leads() or (cluster and "deletionTimestamp" in cluster["metadata"]):
            return None
        if cluster is None:  # its objects go with it; the authority is in another namespace
            self._forget(key)
            with contextlib.suppress(NotLeader):
                await self._writer.secrets.sweep()
            return None
        spec = read(cluster)
        if spec.operator_class != self._class:
            self._forget(key)
            return None
        with LOOK_SECONDS.time():
            try:
                again = await self._look(key, spec, cluster)
            except NotLeader:
                return None
            except BaseException:
                LOOKS.labels("failed").inc()
                raise
        LOOKS.labels("done").inc()
        return again

    async def _look(self, key: Key, spec: ClusterSpec, cluster: Object) -> float:
        children = self._cache.children(key)
        self._hold(key, _Held(spec.uid, _uids(children.pods), _uids(children.pools)))
        trust = await self._writer.secrets.look(
            spec,
            self._trusts(children),
            self._cache.live(key).get(("ConfigMap", bundle.name(spec))),
            self._clock(),
        )
        addresses = self._addresses(spec, children, trust.client)
        reports = await self._pods.look(addresses.values())
        templates = plan.made(spec)
        seen = self._seen(spec, cluster, children, reports, templates)
        refusal = "" if spec.paused else await self._apply(key, spec, seen, trust)
        seen = replace(seen, refused=refusal or trust.refused)
        now = self._clock()
        for told in (*trust.changed, *_refused(seen)):
            await self._writer.events.tell(spec, told, now)
        budget = self._budget.left(key, self._cache)
        made = plan.plan(spec, seen, now, budget=budget, templates=templates)
        self._budget.noted(key, made.memory)
        again = min(made.wake_in, self._look_s)
        if not refusal:
            done = await self._writer.actions.perform(
                spec, made.actions, _Orders(self._pods, addresses), now
            )
            if done.failed:
                log.info("a step waits", cluster=spec.name, reason=done.failed)
                again = min(again, SOON_S)
        await self._say(key, spec, cluster, made, now)
        return again

    async def _ask_of_suspects(self, key: Key) -> None:
        """The API, of what the watches were silent about (heard.py)."""
        for kind, obj in (*self._cache.suspects(key), *self._unconfirmed(key)):
            meta = obj["metadata"]
            where = (kind, meta["namespace"], meta["name"])
            found = await self._writer.calls.get(*where, metadata=True)
            there = found is not None and found["metadata"]["uid"] == meta["uid"]
            self._cache.answered(key, kind, meta["uid"], there=there)

    def _unconfirmed(self, key: Key) -> list[tuple[str, Object]]:
        """The cluster itself now and then: a list with nothing in it is silent about all."""
        cluster, now = self._cache.cluster(key), self._clock()
        if cluster is None or now - self._confirmed.setdefault(key, now) <= SURVEY_S:
            return []
        self._confirmed[key] = now
        return [(CLUSTER_KIND, cluster)]

    def _hold(self, key: Key, now: _Held) -> None:
        """What is there now. What was there at the last look, and is not any more, is forgotten."""
        before = self._held.get(key, now)
        if before.cluster != now.cluster:
            self._forget(key)
        self._held[key] = now
        self._drop(before.pods - now.pods, before.pools - now.pools)

    def _forget(self, key: Key) -> None:
        """A cluster is gone, or another operator's."""
        self._confirmed.pop(key, None)
        held = self._held.pop(key, None)
        if held is None:
            return
        self._drop(held.pods, held.pools)
        self._surveyed.pop(held.cluster, None)
        self._budget.forget(key)
        self._writer.forget(held.cluster)

    def _drop(self, pods: Iterable[str], pools: Iterable[str]) -> None:
        self._pods.forget(pods)
        for uid in pools:
            self._writer.statuses.forget(uid)

    def _seen(
        self,
        spec: ClusterSpec,
        cluster: Object,
        children: Children,
        reports: Mapping[str, Report],
        templates: Mapping[Tier, Template],
    ) -> Observed:
        """As the API has it, and what this process has noted since (statuses.S3)."""
        seen = observe(cluster, children, reports)
        noted = self._writer.statuses.noted(spec.uid)
        sets = {
            tier: replace(found, drifted=_drifted(tier, templates[tier], children))
            for tier, found in seen.sets.items()
        }
        return replace(seen, sets=sets, memory=seen.memory if noted is None else noted)

    def _trusts(self, children: Children) -> list[PodTrust]:
        """What pods said last of the certificates that they have."""
        last = self._pods.last(pod["metadata"]["uid"] for pod in children.pods)
        return [
            PodTrust(tier, said.bundle, said.certificate, _waits(pod))
            for pod in children.pods
            if (tier := owned(pod))
            for said in [last.get(pod["metadata"]["uid"], NOTHING_SAID)]
        ]

    async def _apply(self, key: Key, spec: ClusterSpec, seen: Observed, trust: Trust) -> str:
        """Make what is to be there; why it was refused, '' if it was not."""
        live, known, now = self._cache.live(key), frozenset(WATCHED), time.monotonic()
        if now - self._surveyed.get(spec.uid, float("-inf")) > SURVEY_S:
            others = await self._writer.objects.survey(spec, set(APPLIED) - known)
            live, known = {**live, **others}, frozenset(APPLIED)
            self._surveyed[spec.uid] = now
        wanted = (*trust.objects, *desired.objects(spec, seen))
        keep = [("ConfigMap", name) for name in config_map.used(seen.revisions.values())]
        done = await self._writer.objects.apply(spec, wanted, live, known=known, keep=keep)
        return str(done) if isinstance(done, Refusal) else ""

    async def _say(
        self, key: Key, spec: ClusterSpec, cluster: Object, made: Plan, now: float
    ) -> None:
        statuses = self._writer.statuses
        await statuses.cluster(spec, made.status, made.memory, cluster.get("status") or {}, now)
        pools = {owned(pool): pool for pool in self._cache.children(key).pools}
        for tier, status in made.pools.items():
            if tier in pools:
                await statuses.pool(spec, pools[tier], status, now)

    def _addresses(
        self, spec: ClusterSpec, children: Children, tls: ssl.SSLContext | None
    ) -> dict[str, Address]:
        """By UID, of the pods that have an address."""
        return {
            pod["metadata"]["uid"]: self._address(spec, pod, tls)
            for pod in children.pods
            if (pod.get("status") or {}).get("podIP")
        }


def _refused(seen: Observed) -> list[Tell]:
    return [Tell(Reason.REFUSED, seen.refused, warning=True)] if seen.refused else []


def _waits(pod: Object) -> bool:
    """Kubernetes has begun to start it, and it does not run: its volumes may be why."""
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return any("waiting" in (one.get("state") or {}) for one in found)


def _uids(objects: Iterable[Object]) -> frozenset[str]:
    return frozenset(found["metadata"]["uid"] for found in objects)


class _Orders:
    """apply/actions.Orders."""

    def __init__(self, pods: Pods, addresses: Mapping[str, Address]) -> None:
        self._pods, self._addresses = pods, addresses

    async def drain(self, pod: str, uid: str, deadline_s: float, rate: float) -> None:
        await self._pods.drain(self._of(pod, uid), deadline_s, rate)

    async def undrain(self, pod: str, uid: str) -> None:
        await self._pods.undrain(self._of(pod, uid))

    async def rebalance(self, pod: str, uid: str) -> None:
        await self._pods.rebalance(self._of(pod, uid))

    def _of(self, pod: str, uid: str) -> Address:
        if uid not in self._addresses:
            raise PodRefused(f"{pod} has no address")
        return self._addresses[uid]


def _drifted(tier: Tier, wanted: Template, children: Children) -> bool:
    """Whether somebody else has changed the template that this operator gave a StatefulSet."""
    for found in children.sets:
        given = (found["metadata"].get("annotations") or {}).get(TEMPLATE_HASH)
        if owned(found) is tier and given == wanted.hash:
            return bool(differs(wanted.body, found["spec"]["template"]))
    return False
