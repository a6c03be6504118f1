"""Upgrades, some of which fail, are cut short or taken back: whatever runs finds its tables.

In virtual time. The steps are those of a few versions of Signet: `name` becomes `full_name`, and
goes a version later. A Job takes those that `signet admin migrate` of its version would
(adapters/schema.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signet.adapters.schema import due
from signet_operator.actions import RunMigration
from signet_operator.names import STATEFUL
from tests.support.operating import Faults, World, cluster, steady

# What a version comes with, in order; of a step that contracts, the version that does without.
SHIPPED = {
    "0.1": {"name": ""},
    "0.2": {"name": "", "full_name": "", "no name": "0.2"},
    "0.3": {"name": "", "full_name": "", "no name": "0.2", "title": ""},
    "0.4": {"name": "", "full_name": "", "no name": "0.2", "title": ""},
}
USES = {"0.1": {"name"}, "0.2": {"full_name"}, "0.3": {"full_name", "title"}, "0.4": {"title"}}
MANY = settings(max_examples=25, deadline=None, derandomize=True)


@dataclass
class Upgrades:
    """A cluster and its tables. `lacked`: pods that ran without what they use, and when."""

    faults: Faults = field(default_factory=Faults)
    done: list[str] = field(default_factory=list)
    lacked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = cluster(3, deadline_s=10)
        self.world = World.of(spec, steady(300), faults=self.faults)
        self.ask("0.1")

    def ask(self, version: str, behaves: str = "good") -> None:
        """A person changes `spec.version`; its pods run, or crash."""
        self.world.ask(replace(self.world.asked, version=f"{version}.0"))
        self.world.template(version, behaves)

    def run(self, seconds: float) -> None:
        end = self.world.kube.now + seconds
        while self.world.kube.now < end:
            wait = self.world.look().wake_in
            for _ in range(max(1, round(wait / self.world.kube.step))):
                self.world.kube.pass_time(self.world.kube.step)
                self._look_at_tables()

    @property
    def columns(self) -> set[str]:
        gone = {"name"} if "no name" in self.done else set()
        return set(self.done) - {"no name"} - gone

    @property
    def jobs(self) -> list[str]:
        """In the order in which they began."""
        return [one.schema for one in self.world.kube.writes if isinstance(one, RunMigration)]

    @property
    def versions(self) -> set[str]:
        """Of all pods that there are."""
        kube = self.world.kube
        return {pod.revision.rpartition("-")[2] for tier in STATEFUL for pod in kube.of(tier)}

    def _look_at_tables(self) -> None:
        kube = self.world.kube
        for schema, (at, _) in kube.jobs.items():
            if kube.now - at >= kube.jobs_take:
                steps = due(SHIPPED[schema], f"{schema}.0")
                self.done += [step for step in steps if step not in self.done]
        for pod in kube.pods.values() if kube.jobs else ():
            version = pod.revision.rpartition("-")[2]
            if version in USES and pod.ready and not USES[version] <= self.columns:
                self.lacked.append(f"{kube.now:.0f} {pod.name} of {version}: {self.columns}")


def upgraded(*versions: str) -> Upgrades:
    """Each settled before the next is asked for."""
    made = Upgrades()
    for version in versions:
        made.ask(version)
        made.run(900)
        assert made.versions == {version}, made.world.why()
    return made


def test_what_a_version_gave_up_goes_with_the_next_upgrade_and_not_before() -> None:
    at_two = upgraded("0.1", "0.2")
    assert at_two.columns == {"name", "full_name"}
    assert at_two.lacked == []
    at_three = upgraded("0.1", "0.2", "0.3")
    assert at_three.columns == {"full_name", "title"}
    assert at_three.jobs == ["0.1", "0.2", "0.3"]
    assert at_three.lacked == []


def test_the_job_that_takes_it_away_waits_for_the_last_pod_of_the_version_before() -> None:
    found = upgraded("0.1")
    found.ask("0.2")
    for _ in range(60):
        found.run(5)
        if len(found.versions) == 2:
            break
    assert found.versions == {"0.1", "0.2"}
    found.ask("0.3")
    found.run(1_200)
    assert "0.3" not in found.jobs
    assert found.columns == {"name", "full_name"}
    found.ask("0.2")
    found.run(900)
    found.ask("0.3")
    found.run(900)
    assert found.versions == {"0.3"}
    assert found.lacked == []


@pytest.mark.parametrize(("at", "back"), [("0.2", "0.1"), ("0.3", "0.2")])
def test_going_back_by_one_version_changes_no_tables(at: str, back: str) -> None:
    found = upgraded(*[version for version in SHIPPED if version <= at])
    before, jobs = found.columns, list(found.jobs)
    found.ask(back)
    found.run(900)
    assert found.versions == {back}
    assert (found.columns, found.jobs) == (before, jobs)
    assert found.lacked == []


def test_after_an_upgrade_that_failed_nothing_is_taken_from_those_who_went_back() -> None:
    found = upgraded("0.1")
    found.ask("0.2", "crashes")
    found.run(1_200)
    assert found.versions == {"0.1"}
    found.ask("0.3")
    found.run(900)
    assert found.jobs == ["0.1", "0.2"]
    assert found.world.condition("Degraded") == ("True", "MigrationFailed")
    assert found.lacked == []


behaviours = st.sampled_from(["good", "good", "crashes"])
asked = st.tuples(st.sampled_from(list(SHIPPED)), behaviours, st.integers(5, 400))
kills = st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=60)
lateness = st.lists(st.integers(0, 3), max_size=60)


@pytest.mark.timeout(600)
@MANY
@given(st.lists(asked, min_size=1, max_size=8), kills, lateness)
def test_whatever_is_asked_in_whatever_order_pods_find_their_tables(
    happens: Iterable[tuple[str, str, int]], killed: list[int | None], late: list[int]
) -> None:
    found = Upgrades(Faults(killed, late))
    found.run(60)
    for version, behaves, seconds in happens:
        found.ask(version, behaves)
        found.run(seconds)
    assert found.lacked == []
    assert found.jobs == sorted(found.jobs)
    assert found.world.kube.broken == []
