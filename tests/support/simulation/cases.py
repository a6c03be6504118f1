"""Each rule, a scope in which it matters, and the core without it (docs/verification.md)."""

from typing import NamedTuple

from tests.support.simulation import broken
from tests.support.simulation.world import Rules, Scope

TAKE = frozenset({"wake", "look", "take"})
ALL = TAKE | {"compare", "release", "forget", "sweep"}


class Case(NamedTuple):
    """A scope that holds with all rules, and does not without one."""

    scope: Scope
    without: Rules
    says: str  # the promise that breaks
    seed: int = 1  # of the first walk, near one that finds it


def take(**more: int) -> Scope:
    return Scope(kinds=TAKE, **more)


LOOK = frozenset({"look", "take"})
KEEP = frozenset({"wake"})
GIVE = frozenset({"wake", "release", "take", "compare"})

CASES: dict[str, Case] = {
    "L2 the deadline counts from before the renewal": Case(
        take(ticks=3, messages=1), Rules(lease=broken.CountsFromLater), "P1", 13_700
    ),
    "L2 a taker sees the counter unchanged for the lease": Case(
        take(ticks=1, messages=1), Rules(watch=broken.TakesTooEarly), "P1"
    ),
    "L3 the deadline is checked after confirmation": Case(
        Scope(kinds=LOOK, ticks=2, messages=1), Rules(lease=broken.NeverChecks), "P1"
    ),
    "L4 an unknown take is read again": Case(
        take(routers=3, ticks=2, messages=1, unknowns=1, crashes=1),
        Rules(shards=broken.BelievesItself),
        "P1",
    ),
    "L4 a shard that was given is not served again": Case(
        Scope(kinds=GIVE, ticks=1, messages=1, unknowns=1), Rules(shards=broken.ServesAgain), "P1"
    ),
    "L5 a take raises the epoch": Case(
        take(ticks=2, messages=2, crashes=1), Rules(shards=broken.KeepsTheEpoch), "two owners"
    ),
    "L5 a take names the dead owner": Case(
        take(ticks=2, messages=1, crashes=1), Rules(shards=broken.ForgetsTheDead), "P1"
    ),
    "L5 a take appends to the list": Case(
        take(routers=3, ticks=4, messages=1, crashes=2), Rules(shards=broken.KeepsOnlyTheLast), "P1"
    ),
    "J2 the same key and bytes again": Case(
        take(ticks=2, messages=2, crashes=1, unknowns=1), Rules(journal=broken.WritesOther), "P1"
    ),
    "J3 results wait for all segments up to theirs": Case(
        take(ticks=2, messages=2, crashes=1), Rules(journal=broken.DoesNotWait), "P1"
    ),
    "J4 only below the confirmed mark": Case(
        Scope(kinds=KEEP, ticks=2, messages=2, unknowns=1),
        Rules(journal=broken.HopesForTheMark),
        "P1",
    ),
    "J5 the mark waits for rows": Case(
        Scope(kinds=KEEP, ticks=1, messages=1), Rules(journal=broken.MarksAhead), "P1"
    ),
    "J6 numbers go on": Case(
        Scope(kinds=frozenset({"forget"}), ticks=0), Rules(core=broken.LosesNumbers), "P1"
    ),
    "W1 timestamps by position": Case(
        Scope(kinds=KEEP, ticks=1, messages=1, steps=1), Rules(stamp=broken.by_clock), "P4"
    ),
    "R1 the run ends at a gap": Case(
        take(ticks=2, messages=2, crashes=1), Rules(shards=broken.SkipsGaps), "P3"
    ),
    "R1 the first seal wins": Case(
        take(shards=2, ticks=2, messages=1, crashes=1), Rules(shards=broken.OwnEnd), "R1", 1_800
    ),
    "R2 rows before the pairs are taken off": Case(
        take(ticks=2, messages=1, crashes=2), Rules(shards=broken.TakesOffFirst), "P1"
    ),
    "R3 nothing is delivered before recovery": Case(
        take(ticks=2, messages=2, crashes=1), Rules(shards=broken.ServesAtOnce), "P3"
    ),
    "R4 a journal that is named stays": Case(
        Scope(kinds=TAKE | {"sweep"}, ticks=2, messages=1, crashes=1),
        Rules(deletable=broken.deletes_at_once),
        "P1",
    ),
    "R4 a release waits for rows": Case(
        Scope(kinds=GIVE, ticks=0, messages=1), Rules(memory=broken.NeverFlushes), "P1"
    ),
    "R5 no acknowledgement above what was sent": Case(
        Scope(ticks=0, messages=2, lies=1), Rules(acknowledgeable=broken.anything), "P"
    ),
}  # fmt: skip

LONG = Scope(
    routers=3, shards=2, messages=12, kinds=ALL, ticks=30, crashes=4, unknowns=10, delays=6,
    retries=6, lies=4, lives=4, turns=4, steps=3,
)  # fmt: skip

# What `python -m tests.support.simulation` walks.
SOAK = LONG._replace(
    messages=60, ticks=120, lives=14, crashes=14, unknowns=40, delays=30, turns=16, retries=20
)  # fmt: skip

# What `make test` explores: scope, and the most states (a whole scope has fewer).
SCOPES: dict[str, tuple[Scope, int]] = {
    "journal, rows and the mark with a late write": (
        Scope(routers=1, kinds=KEEP, ticks=1, messages=2, unknowns=1), 60_000
    ),
    "numbers, forgetting and false acknowledgements": (
        Scope(routers=1, kinds=KEEP | {"forget"}, ticks=0, messages=2, unknowns=1, lies=1), 60_000
    ),
    "a shard is handed over": (
        Scope(kinds=GIVE, ticks=0, messages=1, unknowns=1), 60_000
    ),
    "a router dies and another takes over": (
        Scope(kinds=TAKE | {"sweep"}, ticks=2, messages=1, crashes=1), 60_000
    ),
    "a lease ends while a write is late": (
        take(ticks=2, messages=1, unknowns=1), 20_000
    ),
}  # fmt: skip

WIDE = Scope(routers=3, shards=2, messages=2, kinds=ALL, ticks=4, crashes=2, unknowns=1, retries=1)
