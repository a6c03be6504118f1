"""Whatever has happened, plans bring a cluster to its spec, and break no promise on the way.

In virtual time, on a small Kubernetes (tests/support/kube_in_time.py) that writes down each pod
that was taken away with people on it before its drain was over, each drain beyond the budget, each
deletion by force of what may live.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signet_operator.actions import Action, DeletePod, DrainPod, Plan, Scale, SetPartition, Tell
from signet_operator.drain.rollout import Template
from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Observed, Stage
from signet_operator.spec import ClusterSpec, Mode
from tests.support.kube_in_time import NODES
from tests.support.operating import Faults, World, cluster, planned, steady, with_gateways
from tests.support.pods_in_time import SimPod

Event = tuple[str, int]
EVENTS = (
    "scale",
    "template",
    "crash-loop",
    "no-image",
    "never-ready",
    "no-room",
    "back",
    "crash",
    "evict",
    "node-down",
    "node-up",
    "wants-drain",
    "drain-over",
    "by-hand",
    "stuck",
    "pause",
    "go-on",
    "sleep",
    "wake",
    "load",
)
POD_EVENTS = {"crash", "evict", "wants-drain", "drain-over", "stuck"}
MANY = settings(max_examples=12, deadline=None, derandomize=True)
BEHAVES = {"template": "good", "crash-loop": "crashes"}


COUNTED = Counter[str]()


@pytest.fixture(autouse=True, scope="module")
def counted() -> Iterator[None]:
    """Say at the end how much was tried."""
    yield
    print(", ".join(f"{number} {what}" for what, number in COUNTED.items()))


def held_to_pauses(
    spec: ClusterSpec, seen: Observed, now: float, templates: Mapping[Tier, Template]
) -> Plan:
    """The plan; AssertionError: of a paused cluster it begins something."""
    made = planned(spec, seen, now, templates)
    begun = [action for action in made.actions if not _finishes(action, seen)]
    assert not (spec.paused and begun), begun
    return made


def _finishes(action: Action, seen: Observed) -> bool:
    """Whether it belongs to a drain that runs, or takes away who has drained."""
    match action:
        case DrainPod(_, uid):
            [pod] = [pod for pods in seen.pods.values() for pod in pods if pod.uid == uid]
            return pod.stage is Stage.DRAINING or uid in seen.memory.get("drains", {})
        case Scale(tier):
            return action.replicas < seen.sets[tier].replicas
        case DeletePod():
            return not action.force
        case _:
            return isinstance(action, SetPartition | Tell)


class Story:
    """A cluster to which things happen."""

    def __init__(self, faults: Faults, together: int = 1, *, counts_unavailable: bool = False):
        self.people = 700
        spec = cluster(3, together=together)
        self.world = World.of(spec, self._load, faults=faults, planner=held_to_pauses)
        self.world.kube.counts_unavailable = counts_unavailable
        self.templates = 1

    def _load(self, tier: Tier, now: float) -> int:
        return {Tier.GATEWAY: self.people, Tier.ROUTER: 64, Tier.KEYS: 0}[tier]

    def happens(self, event: Event) -> None:
        kind, number = event
        pods = self.world.kube.of(Tier.GATEWAY)
        if kind in POD_EVENTS:
            for pod in pods[number % max(1, len(pods)) :][:1]:
                self._to_a_pod(kind, pod)
        else:
            self._to_the_cluster(kind, number)

    def _to_a_pod(self, kind: str, pod: SimPod) -> None:
        match kind:
            case "crash":
                self.world.kube.crash(pod)
            case "evict":
                self.world.kube.evict(pod)
            case "wants-drain" | "drain-over":
                pod.wants_drain = kind == "wants-drain"
            case "stuck":
                pod.stuck = True

    def _to_the_cluster(self, kind: str, number: int) -> None:
        world, kube = self.world, self.world.kube
        match kind:
            case "scale":
                world.ask(with_gateways(world.asked, replicas=1 + number % 6))
            case "template" | "crash-loop" | "no-image" | "never-ready" | "no-room":
                self.templates += 1
                world.template(f"t{self.templates}", BEHAVES.get(kind, kind))
            case "back":
                world.template("one")
            case "node-down" if len(kube.nodes_down) < 1:
                kube.nodes_down.add(NODES[number % 3])
            case "node-up":
                kube.nodes_down.clear()
            case "by-hand" if self._guarded():
                kube.set_template(Tier.GATEWAY, "crashes" if number % 2 else "good")
            case "pause" | "go-on":
                world.ask(replace(world.asked, paused=kind == "pause"))
            case "sleep" | "wake":
                world.ask(replace(world.asked, hibernate=kind == "sleep"))
            case "load":
                self.people = 100 * (number % 12)

    def _guarded(self) -> bool:
        """In the middle of a rollout nothing keeps Kubernetes from what a hand has written."""
        found = self.world.kube.sets[Tier.GATEWAY]
        return found.partition >= found.replicas and found.current == found.update

    def all_is_well_again(self) -> None:
        """Nobody breaks or asks anything any more, and what was asked can be had."""
        world = self.world
        world.kube.nodes_down.clear()
        self.people = 600
        for pod in world.kube.pods.values():
            pod.wants_drain = False
        world.template("last")
        world.ask(replace(world.asked, paused=False, hibernate=False))
        self.scale(4)

    def scale(self, pods: int) -> None:
        self.world.ask(with_gateways(self.world.asked, replicas=pods))

    def is_as_asked(self) -> None:
        kube = self.world.kube
        for tier in STATEFUL:
            wanted = self.world.asked.tiers[tier].replicas
            pods = kube.of(tier)
            assert [pod.ordinal for pod in pods] == list(range(wanted)), self.world.why()
            assert {pod.revision for pod in pods} == {f"{tier}-good-last"}, self.world.why()
            assert all(pod.ready and pod.stage is Stage.ACTIVE for pod in pods), self.world.why()
        assert self.world.condition("Ready") == ("True", "AllReady")
        assert self.world.condition("Progressing")[0] == "False"


events = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.integers(0, 11), st.integers(1, 90)), max_size=14
)
kills = st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=80)
lateness = st.lists(st.integers(0, 3), max_size=80)


@pytest.mark.timeout(600)
@MANY
@given(events, kills, lateness, st.integers(1, 3), st.booleans())
def test_whatever_happens_the_spec_is_reached_and_nobody_is_cut_off(
    happened: list[tuple[str, int, int]],
    killed: list[int | None],
    late: list[int],
    together: int,
    counts_unavailable: bool,
) -> None:
    story = Story(Faults(killed, late), together, counts_unavailable=counts_unavailable)
    for kind, number, seconds in happened:
        story.happens((kind, number))
        story.world.run(seconds)
    story.all_is_well_again()
    story.world.settle()
    COUNTED.update(examples=1, looks=story.world.looks, writes=len(story.world.kube.writes))
    story.is_as_asked()
    assert story.world.kube.broken == []


@pytest.mark.timeout(600)
@MANY
@given(
    st.integers(0, 6),
    st.integers(0, 8),
    st.lists(st.sampled_from(["active", "draining", "empty", "ending", "old", "bad"]), max_size=7),
    st.sampled_from([{}, {"drains": {"uid-1": [0, 5.0]}}, {"surge": {"gateway": 1}}]),
    st.sampled_from(["one", "returned-from:last", "returned-from:two", "given-up", ""]),
)
def test_from_any_state_that_is_found_the_spec_is_reached(
    replicas: int, partition: int, pods: list[str], memory: dict[str, object], hash_: str
) -> None:
    story = Story(Faults())
    kube = story.world.kube
    found = kube.sets[Tier.GATEWAY]
    found.template_hash, found.replicas = hash_, replicas
    kube.pass_time(20)
    found.partition = partition
    kube.revisions["gateway-good-older"] = {"behaves": "good", "hash": "older"}
    for pod, state in zip(kube.of(Tier.GATEWAY), pods, strict=False):
        if state in {"draining", "ending"}:
            pod.drain(kube.now, 30.0, 5.0, ending=state == "ending")
        elif state == "empty":
            pod.stage, pod.load = Stage.EMPTY, 0
        elif state == "old":
            pod.revision = "gateway-good-older"
        elif state == "bad":
            pod.behaves = "crashes"
    kube.memory = memory
    story.all_is_well_again()
    story.world.template("other")  # "last" may be what has failed in the state that was found
    story.world.run(600)
    story.world.template("last")
    story.world.settle()
    story.is_as_asked()


def out_and_new(world: World) -> None:
    world.ask(with_gateways(world.asked, replicas=5))
    world.template("two")


SCENES: dict[str, Callable[[World], None]] = {
    "scale-in": lambda world: world.ask(with_gateways(world.asked, replicas=2)),
    "rollout": lambda world: world.template("two"),
    "bad image": lambda world: world.template("bad", "no-image"),
    "sleep": lambda world: world.ask(replace(world.asked, hibernate=True)),
    "scale-out and template": out_and_new,
}


def end(scene: str, faults: Faults) -> tuple[object, list[int]]:
    """How a scene ends, and how many actions each look had."""
    actions: list[int] = []

    def counting(
        spec: ClusterSpec, seen: Observed, now: float, templates: Mapping[Tier, Template]
    ) -> Plan:
        made = planned(spec, seen, now, templates)
        actions.append(len(made.actions))
        return made

    world = World.of(cluster(4), steady(700), faults=faults, planner=counting)
    world.settle()
    SCENES[scene](world)
    world.settle()
    assert world.kube.broken == []
    return state(world), actions


def state(world: World) -> object:
    """All that stays."""
    kube = world.kube
    pods = [(p.name, p.revision, p.stage) for tier in STATEFUL for p in kube.of(tier)]
    sets = [(s.replicas, s.partition, s.template_hash) for s in kube.sets.values()]
    return pods, sets, world.condition("Ready"), world.condition("Degraded")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scene", SCENES)
def test_an_operator_that_dies_between_any_two_actions_changes_nothing_in_the_end(
    scene: str,
) -> None:
    expected, actions = end(scene, Faults())
    kills = [(look, after) for look, many in enumerate(actions) for after in range(many)]
    for look, after in kills:
        found, _ = end(scene, Faults([None] * look + [after]))
        assert found == expected, f"killed in look {look} after {after} actions"
    print(f"{scene}: {len(kills)} kills")
    assert len(kills) > 10


@pytest.mark.timeout(600)
@MANY
@given(lateness, lateness, st.sampled_from(sorted(SCENES)))
def test_two_operators_that_both_think_they_lead_do_no_harm(
    one: list[int], other: list[int], scene: str
) -> None:
    world = World.of(cluster(4), steady(700), faults=Faults(late=one))
    second = World(world.asked, world.kube, world.templates, Faults(late=other))
    world.settle()
    SCENES[scene](world)
    for _ in range(60):
        second.asked = world.asked
        world.look()
        second.look()
        world.kube.pass_time(2)
    world.settle()
    assert world.kube.broken == []
    assert state(world) == expected_end(scene)


@cache
def expected_end(scene: str) -> object:
    return end(scene, Faults())[0]


def test_a_builtin_cluster_follows_its_people_up_and_down() -> None:
    story = Story(Faults())
    world = story.world
    auto = replace(world.asked.tiers[Tier.GATEWAY].autoscaling, mode=Mode.BUILTIN)
    world.ask(with_gateways(world.asked, autoscaling=auto))
    story.people = 2_000
    world.run(60)
    assert len(world.serving()) == 5
    story.people = 500
    world.run(400)
    world.settle()
    assert len(world.serving()) == 2
    assert world.kube.broken == []
