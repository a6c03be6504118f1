"""The stores' tables follow the version: a Job for each, before the pods of that version start.

- G1 The target schema is the version without its patch: 1.4.2 needs 1.4.
- G2 At most one version apart, of the stores and of the pods that run: these get along with tables
  that are one newer.
- G3 A Job begins only when every tier has settled on the version before. So what a Job takes away
  for good (a contracting step, of what the version before had given up: T2 of the server's
  adapters/schema.py) has no user left.
- G4 Going back never migrates down. The Job itself asks the stores what they have: the same one
  again, or one of an older version, changes nothing.
"""

import re
from dataclasses import dataclass

from signet_operator.actions import Action, RunMigration, Tell
from signet_operator.observed import Observed

VERSION = re.compile(r"v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Migration:
    """`ready`: pods of the wanted version may start. `schema` is what the stores have now."""

    ready: bool
    schema: str
    actions: tuple[Action, ...] = ()
    waits: str = ""
    failed: bool = False


def schema_of(version: str) -> str:
    """G1. What is no version (`dev`) is its own schema."""
    found = VERSION.match(version)
    return f"{found[1]}.{found[2]}" if found else version


def migrate(version: str, seen: Observed, runs: str, *, settled: bool, paused: bool) -> Migration:
    """What is to be done so that pods of `version` can start. `runs`: the schema of those there
    are, '' unknown; `settled`: all of them are of one version.
    """
    target, schema = schema_of(version), _known(seen)
    if schema == target:
        return Migration(True, schema)
    apart = _apart(schema, target) if schema else 1
    if apart < 0:
        return _back(target, schema, apart)
    if apart > 1 or (runs and _apart(runs, target) > 1):
        waits = (
            f"the stores are at {schema} and the pods at {runs or 'nothing'}: go to {target}"
            " through each version between"
        )
        return Migration(False, schema, waits=waits, failed=True)
    return _forward(target, schema, seen, begin=settled and not paused)


def _forward(target: str, schema: str, seen: Observed, *, begin: bool) -> Migration:
    job = next((job for job in seen.jobs if job.schema == target), None)
    if job is not None and job.failed:
        waits = f"the Job {job.name} has failed: its log says why; delete it to try again"
        return Migration(False, schema, waits=waits, failed=True)
    waits = f"the stores are brought to {target}"
    if job is not None:
        return Migration(False, schema, waits=waits)
    if not begin:
        return Migration(False, schema, waits=f"{waits} when all pods have settled")
    tell = Tell(
        "MigrationBegun", f"A Job brings the stores from {schema or 'nothing'} to {target}."
    )
    return Migration(False, schema, (RunMigration(target), tell), waits)


def _back(target: str, schema: str, apart: int) -> Migration:
    """G4, G2."""
    if apart >= -1:
        return Migration(True, schema)
    waits = f"the stores are at {schema}, and {target} works on tables that are one newer at most"
    return Migration(False, schema, waits=waits, failed=True)


def _known(seen: Observed) -> str:
    """The newest of what was noted and what Jobs have done."""
    done = [seen.schema, *(job.schema for job in seen.jobs if job.succeeded)]
    found = [schema for schema in done if schema]
    return max(found, key=_order) if found else ""


def _order(schema: str) -> tuple[int, int]:
    found = VERSION.match(schema)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _apart(schema: str, target: str) -> int:
    """Versions from one to the other. A new major is one from whatever the last minor was."""
    if not (VERSION.match(schema) and VERSION.match(target)):
        return 1
    (major, minor), (wanted, then) = _order(schema), _order(target)
    if major == wanted:
        return then - minor
    if wanted > major:
        return wanted - major + then
    return wanted - major - minor
