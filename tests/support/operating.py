"""An operator at work on a small Kubernetes in virtual time, killed and misled as one asks for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from signet_operator import plan as real
from signet_operator.actions import Plan, Tell
from signet_operator.drain.rollout import Template
from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Observed, Stage
from signet_operator.spec import Autoscaling, ClusterSpec, Drain, Mode
from tests.support.kube_in_time import Conflict, Kube
from tests.support.pods_in_time import Refused
from tests.unit.operator import clusters

Planner = Callable[[ClusterSpec, Observed, float, Mapping[Tier, Template]], Plan]
GOOD = ("one", "good")


def planned(
    spec: ClusterSpec, seen: Observed, now: float, templates: Mapping[Tier, Template]
) -> Plan:
    """The plan itself."""
    return real.plan(spec, seen, now, templates=templates)


def cluster(
    gateways: int = 3,
    *,
    most: int = 9,
    mode: Mode = Mode.FIXED,
    deadline_s: int = 30,
    together: int = 1,
    connections: int = 400,
) -> ClusterSpec:
    """Some gateways, two routers, one pod of keys."""
    auto = Autoscaling(mode=mode, minimum=1, maximum=most, target_connections=connections)
    drain = Drain(deadline_s=deadline_s, max_concurrent=together)
    plain = Autoscaling(maximum=9)
    tiers = {
        Tier.GATEWAY: clusters.tier(Tier.GATEWAY, replicas=gateways, autoscaling=auto, drain=drain),
        Tier.ROUTER: clusters.tier(Tier.ROUTER, replicas=2, autoscaling=plain, drain=drain),
        Tier.KEYS: clusters.tier(Tier.KEYS, replicas=1, autoscaling=plain, drain=drain),
    }
    return clusters.plain(tiers=tiers)


def with_gateways(spec: ClusterSpec, **changed: Any) -> ClusterSpec:
    """The same cluster, its spec edited."""
    gateway = replace(spec.tiers[Tier.GATEWAY], **changed)
    tiers = {**spec.tiers, Tier.GATEWAY: gateway}
    return replace(spec, tiers=tiers, generation=spec.generation + 1)


def steady(gateways: int, shards: int = 64) -> Callable[[Tier, float], int]:
    """A load that does not change."""
    loads = {Tier.GATEWAY: gateways, Tier.ROUTER: shards, Tier.KEYS: 0}
    return lambda tier, _now: loads[tier]


@dataclass
class Faults:
    """What goes wrong, one value a look, and then nothing more.

    `killed_after`: the operator dies after so many actions of this look, and what it noted is lost.
    `late`: it sees the API as it was so many looks ago.
    """

    killed_after: Iterable[int | None] = ()
    late: Iterable[int] = ()
    _killed: Iterator[int | None] = field(init=False)
    _late: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self._killed, self._late = iter(self.killed_after), iter(self.late)

    def next(self) -> tuple[int | None, int]:
        return next(self._killed, None), next(self._late, 0)


@dataclass
class World:
    """A cluster and whoever operates it. `asked` and `templates` may be changed at any time."""

    asked: ClusterSpec
    kube: Kube
    templates: dict[Tier, tuple[str, str]]
    faults: Faults = field(default_factory=Faults)
    planner: Planner = planned
    last: Plan | None = None
    told: list[Tell] = field(default_factory=list)
    looks: int = 0
    misled: bool = False  # the last look was late, or the operator died in it
    _before: deque[Observed] = field(default_factory=lambda: deque(maxlen=4))

    @staticmethod
    def of(spec: ClusterSpec, load: Callable[[Tier, float], int], **changed: Any) -> "World":
        """A cluster that runs and has settled."""
        templates = dict.fromkeys(STATEFUL, GOOD)
        kube = Kube(spec, templates, load)
        world = World(spec, kube, dict(templates), **changed)
        kube.pass_time(60)
        return world

    def ask(self, spec: ClusterSpec) -> None:
        """The person edits the cluster."""
        self.asked = self.kube.spec = spec

    def template(self, hash_: str, behaves: str = "good", tiers: Iterable[Tier] = STATEFUL) -> None:
        """The person changes image or settings."""
        for tier in tiers:
            self.templates[tier] = (hash_, behaves)
        self.asked = replace(self.asked, generation=self.asked.generation + 1)

    def look(self) -> Plan:
        """One look, and what follows from it."""
        self.looks += 1
        killed_after, late = self.faults.next()
        self.misled = killed_after is not None or late > 0
        made = self.planner(self.asked, self._seen(late), self.kube.now, self._made())
        self._perform(made, killed_after)
        self.last = made
        return made

    def run(self, seconds: float) -> None:
        """Look as often as the plan says, for a while."""
        end = self.kube.now + seconds
        while self.kube.now < end:
            self.kube.pass_time(min(self.look().wake_in, end - self.kube.now))

    def settle(self, within: float = 7_200.0) -> None:
        """Look until there is nothing to do for two minutes; AssertionError if that never is."""
        end, quiet = self.kube.now + within, 0.0
        while quiet < 120.0:
            made = self.look()
            assert self.kube.now < end, f"not settled after {within:.0f} s: {self.why()}"
            idle = not made.actions and made.wake_in >= 30.0 and not self.misled
            quiet = quiet + made.wake_in if idle else 0.0
            self.kube.pass_time(made.wake_in)

    def why(self) -> str:
        """The conditions, for a failure's message."""
        if self.last is None:
            return "never looked"
        found = self.last.status["conditions"]
        says = [f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in found]
        return "\n".join(
            [*says, *map(repr, self.last.actions), *map(repr, self.kube.pods.values())]
        )

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of the last look."""
        assert self.last is not None
        found = {c["type"]: c for c in self.last.status["conditions"]}[kind]
        return found["status"], found["reason"]

    def serving(self, tier: Tier = Tier.GATEWAY) -> list[int]:
        """Ordinals of the pods that take streams."""
        return [p.ordinal for p in self.kube.of(tier) if p.serves() and p.stage is Stage.ACTIVE]

    def _made(self) -> dict[Tier, Template]:
        return {
            tier: Template(hash_, {"behaves": behaves, "hash": hash_})
            for tier, (hash_, behaves) in self.templates.items()
        }

    def _seen(self, late: int) -> Observed:
        """The API as it was, with what the pods that were there say now."""
        now = self.kube.seen()
        self._before.append(now)
        old = self._before[max(-len(self._before), -1 - late)]
        reports = {pod.uid: pod.report for pods in now.pods.values() for pod in pods}
        pods = {
            tier: tuple(replace(pod, report=reports.get(pod.uid)) for pod in found)
            for tier, found in old.pods.items()
        }
        return replace(old, pods=pods)

    def _perform(self, made: Plan, killed_after: int | None) -> None:
        for action in made.actions if killed_after is None else made.actions[:killed_after]:
            if isinstance(action, Tell):
                self.told.append(action)
                continue
            try:
                self.kube.perform(action)
            except Conflict:
                break  # the rest is another look's
            except Refused:
                continue
        if killed_after is None:
            self.kube.memory = made.memory
            self.kube.conditions = {c["type"]: c for c in made.status["conditions"]}
