"""A small Kubernetes in virtual time: StatefulSets as their controller has them, and nodes.

The controller does what that of Kubernetes 1.36 does with parallel pods: makes what is missing (at
the current revision below the partition, at the update revision from it on), removes what is above
`replicas`, and replaces the highest pod from the partition on that has not the update revision,
one at a time. With `counts_unavailable` it is that of the feature MaxUnavailableStatefulSet, which
takes a pod that is not ready (a drained one) for one that is being replaced.

Whoever breaks a promise is written down in `broken`, with the time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from signet_operator.actions import (
    Action,
    DeletePod,
    DrainPod,
    RebalancePod,
    RunMigration,
    Scale,
    SetPartition,
    SetPoolReplicas,
    SetTemplate,
    UndrainPod,
)
from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Job, Observed, Pod, Pool, Stage, StatefulSet
from signet_operator.spec import ClusterSpec
from tests.support.pods_in_time import MEMBER_S, SimPod

NODES = ("node-a", "node-b", "node-c")
LEAVE_GRACE = 15.0  # terminationGracePeriodSeconds over the drain's deadline


class Conflict(Exception):
    """409: the object is another, or newer, than the one that was looked at."""


@dataclass
class SimSet:
    """One StatefulSet."""

    name: str
    uid: str
    replicas: int
    template_hash: str
    template: Mapping[str, Any]
    partition: int = 0
    resource_version: int = 1
    generation: int = 1
    observed_generation: int = 1
    current: str = ""
    update: str = ""


@dataclass
class Kube:
    """`load` is the number of streams (or shards) that each tier has to carry at a time."""

    spec: ClusterSpec
    templates: Mapping[Tier, tuple[str, str]]  # the hash, and how its pods behave
    load: Callable[[Tier, float], int]
    now: float = 1_000_000.0
    step: float = 2.0
    counts_unavailable: bool = False
    jobs_take: float = 5.0
    sets: dict[Tier, SimSet] = field(default_factory=dict)
    pools: dict[Tier, Pool] = field(default_factory=dict)
    pods: dict[str, SimPod] = field(default_factory=dict)
    revisions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    jobs: dict[str, tuple[float, str]] = field(default_factory=dict)
    forced: set[str] = field(default_factory=set)  # deleted by force, and not back yet
    nodes_down: set[str] = field(default_factory=set)
    memory: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    writes: list[Action] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        for tier in STATEFUL:
            self._make_set(tier)

    # --- time ------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Everything goes on for a while."""
        end = self.now + seconds
        while self.now < end:
            self.now += self.step
            for pod in self.pods.values():
                pod.node_up = pod.node not in self.nodes_down
            for tier in STATEFUL:
                self._control(tier)
                self._live(tier)
            for pod in [p for p in self.pods.values() if self._ended(p)]:
                del self.pods[pod.uid]

    def of(self, tier: Tier) -> list[SimPod]:
        """A tier's pods by ordinal."""
        found = [pod for pod in self.pods.values() if pod.tier is tier]
        return sorted(found, key=lambda pod: pod.ordinal)

    def _live(self, tier: Tier) -> None:
        pods = self.of(tier)
        for pod in pods:
            others = any(p.serves() and p is not pod for p in pods)
            pod.live(self.now, self.step, survivors=others)
        self._place(tier, [pod for pod in pods if pod.serves()], pods)

    def _place(self, tier: Tier, takers: list[SimPod], pods: list[SimPod]) -> None:
        """Who is nowhere comes to those that take; who hangs up does so anywhere."""
        away = self.load(tier, self.now) - sum(pod.load for pod in pods)
        for pod in sorted(pods, key=lambda p: -p.load) if away < 0 else ():
            gone = min(pod.load, -away)
            pod.load, away = pod.load - gone, away + gone
        for number, pod in enumerate(sorted(takers, key=lambda p: p.load)):
            part = away // (len(takers) - number)
            pod.load, away = pod.load + part, away - part

    def _ended(self, pod: SimPod) -> bool:
        if pod.deleting_at is None or not pod.node_up:
            return False
        return pod.stage is Stage.EMPTY or self.now - pod.deleting_at >= pod.grace

    # --- the StatefulSet controller --------------------------------------------------------------

    def _control(self, tier: Tier) -> None:
        found = self.sets[tier]
        found.update = self._revision(tier, found.template)
        found.observed_generation = found.generation
        there = {pod.ordinal: pod for pod in self.of(tier)}
        for ordinal in range(found.replicas):
            if ordinal not in there:
                there[ordinal] = self._make_pod(tier, ordinal)
        for ordinal, pod in there.items():
            if ordinal >= found.replicas and pod.deleting_at is None:
                self._terminate(pod, "removed by scale")
        self._replace(found, [there[ordinal] for ordinal in range(found.replicas)])
        new = all(pod.revision == found.update and pod.ready for pod in there.values())
        if new and len(there) == found.replicas:
            found.current = found.update

    def _replace(self, found: SimSet, pods: list[SimPod]) -> None:
        """One pod of an old revision, the highest, from the partition on."""
        if self.counts_unavailable and not all(pod.ready for pod in pods):
            return
        for pod in reversed(pods[found.partition :]):
            if pod.revision != found.update and pod.deleting_at is None:
                self._terminate(pod, "replaced")
                return
            if not pod.ready and not self.counts_unavailable:
                return

    def _make_set(self, tier: Tier) -> None:
        hash_, behaves = self.templates[tier]
        name = f"{self.spec.name}-{tier}"
        made = SimSet(name, f"uid-{name}", 0, hash_, {"behaves": behaves, "hash": hash_})
        asked = self.spec.tiers[tier]
        made.replicas = asked.replicas
        made.current = made.update = self._revision(tier, made.template)
        self.sets[tier] = made
        self.pools[tier] = Pool(name, f"pool-{name}", "1", asked.replicas)

    def _make_pod(self, tier: Tier, ordinal: int) -> SimPod:
        found = self.sets[tier]
        revision = found.current if ordinal < found.partition else found.update
        self._count += 1
        pod = SimPod(
            name=f"{found.name}-{ordinal}",
            uid=f"uid-{self._count}",
            tier=tier,
            ordinal=ordinal,
            revision=revision,
            behaves=str(self.revisions[revision]["behaves"]),
            created_at=self.now,
            node=self._node(),
        )
        self.pods[pod.uid] = pod
        return pod

    def _node(self) -> str:
        up = [node for node in NODES if node not in self.nodes_down]
        return up[self._count % len(up)]

    def _revision(self, tier: Tier, template: Mapping[str, Any]) -> str:
        name = f"{tier}-{template['behaves']}-{template['hash']}"
        self.revisions[name] = template
        return name

    def _terminate(self, pod: SimPod, why: str) -> None:
        """SIGTERM. The promise: nobody is on it, or its drain is over, or nobody can know."""
        late = pod.stage is Stage.DRAINING and self.now >= pod.deadline
        if pod.load and pod.node_up and not (late or pod.deaf):
            self.broken.append(f"{self.now:.0f} {pod.name} {why} with {pod.load} on it")
        self._ask_to_end(pod)

    def _ask_to_end(self, pod: SimPod) -> None:
        leave = float(self.spec.tiers[pod.tier].drain.deadline_s)
        pod.deleting_at, pod.grace = self.now, leave + LEAVE_GRACE
        if not pod.running(self.now):
            pod.grace = 0.0
        elif pod.node_up:
            pod.drain(self.now, leave, 0.0, ending=True)

    # --- what people and nodes do ----------------------------------------------------------------

    def evict(self, pod: SimPod) -> None:
        """A node drain: SIGTERM that nobody asked the operator about."""
        if pod.deleting_at is None:
            self._ask_to_end(pod)

    def crash(self, pod: SimPod) -> None:
        """Its process dies, and is started again in place."""
        pod.stage, pod.load, pod.ready, pod.created_at = Stage.ACTIVE, 0, False, self.now
        pod.restarts += 1

    def set_pool(self, tier: Tier, replicas: int) -> None:
        """As HPA, KEDA and `kubectl scale` write it."""
        old = self.pools[tier]
        newer = str(int(old.resource_version) + 1)
        self.pools[tier] = Pool(old.name, old.uid, newer, replicas)

    def set_template(self, tier: Tier, behaves: str) -> None:
        """By hand, past the operator."""
        found = self.sets[tier]
        found.template = {"behaves": behaves, "hash": "by hand"}
        found.generation += 1
        found.resource_version += 1

    # --- what an operator sees -------------------------------------------------------------------

    def seen(self) -> Observed:
        """The API's objects, with what the pods say now."""
        members = self._members()
        return Observed(
            pools=dict(self.pools),
            sets={tier: self._seen_set(tier) for tier in STATEFUL},
            pods={
                tier: tuple(self._seen_pod(pod, members) for pod in self.of(tier))
                for tier in STATEFUL
            },
            jobs=tuple(
                Job(f"migrate-{schema}", schema, self.now - at >= self.jobs_take, False)
                for schema, (at, _) in self.jobs.items()
            ),
            schema=str(self.memory.get("schema", "")),
            revisions=dict(self.revisions),
            memory=self.memory,
            conditions=self.conditions,
        )

    def _members(self) -> frozenset[str]:
        return frozenset(
            pod.name
            for pod in self.pods.values()
            if pod.running(self.now) and self.now - pod.seen_alive_at < MEMBER_S
        )

    def _seen_set(self, tier: Tier) -> StatefulSet:
        found = self.sets[tier]
        return StatefulSet(
            name=found.name,
            uid=found.uid,
            resource_version=str(found.resource_version),
            generation=found.generation,
            observed_generation=found.observed_generation,
            replicas=found.replicas,
            partition=found.partition,
            template_hash=found.template_hash,
            current_revision=found.current,
            update_revision=found.update,
            drifted=found.template["hash"] == "by hand",
        )

    def _seen_pod(self, pod: SimPod, members: frozenset[str]) -> Pod:
        return Pod(
            name=pod.name,
            uid=pod.uid,
            resource_version=str(pod.resource_version),
            tier=pod.tier,
            ordinal=pod.ordinal,
            revision=pod.revision,
            phase=pod.phase(self.now),
            ready=pod.ready and pod.node_up,
            deleting=pod.deleting_at is not None,
            created_at=pod.created_at,
            node=pod.node,
            node_reachable=pod.node_up,
            restarts=pod.restarts,
            trouble=pod.trouble(self.now),
            wants_drain=pod.wants_drain,
            ready_changed_at=pod.ready_changed_at,
            report=pod.report(self.now, members),
        )

    # --- what an operator does -------------------------------------------------------------------

    def perform(self, action: Action) -> None:
        """One action. Raises Conflict, or Refused by a pod."""
        match action:
            case Scale():
                self._set(action).replicas = action.replicas
            case SetTemplate():
                found = self._set(action)
                found.template, found.template_hash = action.template, action.template_hash
                found.replicas, found.partition = action.replicas, action.partition
            case SetPartition():
                self._set(action).partition = action.partition
            case SetPoolReplicas():
                self.set_pool(action.tier, action.replicas)
            case DeletePod():
                self._delete(action)
            case DrainPod():
                self._drain(action)
            case UndrainPod():
                self._pod(action.uid).undrain()
            case RebalancePod():
                self._rebalance(self._pod(action.uid))
            case RunMigration():
                self.jobs.setdefault(action.schema, (self.now, action.schema))
        self.writes.append(action)

    def _set(self, action: Scale | SetTemplate | SetPartition) -> SimSet:
        found = self.sets[action.tier]
        if (found.uid, str(found.resource_version)) != (action.uid, action.resource_version):
            raise Conflict(found.name)
        found.resource_version += 1
        found.generation += 1
        return found

    def _pod(self, uid: str) -> SimPod:
        if uid not in self.pods:
            raise Conflict(uid)
        return self.pods[uid]

    def _rebalance(self, pod: SimPod) -> None:
        """Each time costs people a move: once for each time that a person has asked."""
        if self.spec.rebalance in pod.rebalanced:
            self.broken.append(f"{self.now:.0f} {pod.name} rebalanced again")
        pod.rebalanced.append(self.spec.rebalance)

    def _delete(self, action: DeletePod) -> None:
        pod = self._pod(action.uid)
        if not action.force:
            if pod.deleting_at is None:
                self._terminate(pod, "deleted")
            return
        heard = self.now - pod.seen_alive_at < MEMBER_S and pod.running(self.now)
        if pod.node_up or heard:
            self.broken.append(f"{self.now:.0f} {pod.name} deleted by force while it may live")
        self.forced = {name for name in self.forced if not self._back(name)}
        of_tier = {name for name in self.forced if name.startswith(self.sets[pod.tier].name)}
        self.forced.add(pod.name)
        if len(of_tier) >= max(1, self.spec.tiers[pod.tier].drain.max_concurrent):
            self.broken.append(f"{self.now:.0f} {pod.name} deleted by force beyond the budget")
        del self.pods[pod.uid]

    def _back(self, name: str) -> bool:
        return any(pod.name == name and pod.ready for pod in self.pods.values())

    def _drain(self, action: DrainPod) -> None:
        pod = self._pod(action.uid)
        before = pod.stage
        pod.drain(self.now, action.deadline_s, action.rate)
        asked = self.spec.tiers[pod.tier]
        together = [
            p
            for p in self.of(pod.tier)
            if p.stage is Stage.DRAINING and not p.ending and p.node_up and self.now < p.deadline
        ]
        over = len(together) > asked.drain.max_concurrent and not self.spec.hibernate
        if before is Stage.ACTIVE and over:
            self.broken.append(f"{self.now:.0f} {len(together)} {pod.tier} pods drain at once")
