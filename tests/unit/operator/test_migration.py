"""The stores' tables: one version at a time, never down, and only between settled versions."""

import pytest

from signet_operator.actions import RunMigration
from signet_operator.migration import Migration, migrate, schema_of
from signet_operator.observed import Job, Observed


def step(
    version: str,
    schema: str = "",
    *jobs: Job,
    runs: str = "",
    settled: bool = True,
    paused: bool = False,
) -> Migration:
    seen = Observed(jobs=jobs, schema=schema)
    return migrate(version, seen, runs, settled=settled, paused=paused)


def asked(found: Migration) -> list[str]:
    return [action.schema for action in found.actions if isinstance(action, RunMigration)]


def job(schema: str, *, succeeded: bool = False, failed: bool = False) -> Job:
    return Job(f"blue-migrate-{schema}", schema, succeeded, failed)


@pytest.mark.parametrize(
    ("version", "schema"), [("1.4.2", "1.4"), ("v2.0.0-rc1", "2.0"), ("dev", "dev")]
)
def test_a_patch_changes_no_tables(version: str, schema: str) -> None:
    assert schema_of(version) == schema


def test_pods_wait_for_a_job_that_is_begun_once() -> None:
    first = step("1.4.0")
    assert (first.ready, asked(first)) == (False, ["1.4"])
    running = step("1.4.0", "", job("1.4"))
    assert (running.ready, asked(running)) == (False, [])
    done = step("1.4.0", "", job("1.4", succeeded=True))
    assert (done.ready, done.schema, asked(done)) == (True, "1.4", [])
    assert step("1.4.9", "1.4").ready


def test_a_failed_job_is_not_begun_again_by_itself() -> None:
    found = step("1.5.0", "1.4", job("1.5", failed=True))
    assert (found.ready, found.failed, asked(found)) == (False, True, [])
    assert "delete it to try again" in found.waits


def test_versions_are_not_skipped() -> None:
    found = step("1.6.0", "1.4")
    assert (found.ready, found.failed, asked(found)) == (False, True, [])
    assert asked(step("2.0.0", "1.9")) == ["2.0"]
    assert asked(step("2.1.0", "1.9")) == []


def test_pods_that_lag_behind_the_tables_count_too() -> None:
    """Gone back from 1.5 to 1.4, the tables stay at 1.5; 1.6 would be two ahead of the pods."""
    assert asked(step("1.6.0", "1.5", runs="1.4")) == []
    assert asked(step("1.6.0", "1.5", runs="1.5")) == ["1.6"]


def test_going_back_migrates_nothing_and_only_one_version() -> None:
    back = step("1.4.0", "1.5")
    assert (back.ready, back.schema, asked(back)) == (True, "1.5", [])
    far = step("1.3.0", "1.5")
    assert (far.ready, far.failed, asked(far)) == (False, True, [])


def test_no_job_begins_while_pods_of_two_versions_run_or_while_paused() -> None:
    assert asked(step("1.5.0", "1.4", settled=False)) == []
    assert asked(step("1.5.0", "1.4", paused=True)) == []
