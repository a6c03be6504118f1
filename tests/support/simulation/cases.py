"""Each rule, a scope in which it matters, and the core without it (docs/verification.md)."""

from typing import Any, NamedTuple

from tests.support.simulation import broken
from tests.support.simulation.scope import Rules, Scope

TAKE = frozenset({"wake", "look", "take"})
ALL = TAKE | {"compare", "release", "forget", "sweep"}


class Case(NamedTuple):
    """A scope that holds with all rules, and does not without one."""

    scope: Scope
    without: Rules
    says: str  # the promise that breaks
    wide: bool = False  # it breaks few steps away in a scope that is large


def take(**more: Any) -> Scope:
    return Scope(kinds=TAKE, **more)


LOOK = frozenset({"look", "take"})
KEEP = frozenset({"wake"})
ENDS = frozenset({"idle", "look", "take"})  # an owner never renews
GIVE = frozenset({"wake", "release", "take", "compare"})
SLOW, FAST = (100.0, 9.0), (7.0, 11.0)  # clocks that differ by what margin and drift allow

# The first message is too old when the second comes, and is swept meanwhile, or later, or never.
AGED = Scope(routers=1, kinds=KEEP | {"expire"}, ticks=2, messages=2, ttl=1, silent=True)

# What two shards have in common is the owner's journal: two messages in one of them and one in the
# other stand in it in every order, when the lease ends. Nobody sends before the other has renewed.
SILENT = Scope(shards=2, kinds=ENDS, before=1, ticks=1, messages=2, fewer=1, silent=True)

CASES: dict[str, Case] = {
    "L1 a lease is written by conditional writes": Case(
        Scope(routers=1, kinds=KEEP, ticks=2, messages=2, unknowns=1),
        Rules(store=broken.writes_leases_blindly), "P1"
    ),
    "L1 a shard row is written by conditional writes": Case(
        take(routers=3, ticks=2, messages=1), Rules(store=broken.writes_shards_blindly), "P1"
    ),
    "L2 the deadline counts from before the renewal": Case(
        take(ticks=4, messages=1, delays=1, lease=3), Rules(core=broken.CountsFromTheAnswer), "P1"
    ),
    "L2 the deadline has a margin": Case(
        take(ticks=3, messages=1, clocks=(SLOW, FAST), lease=20, margin=2, drift=2, row_after=10),
        Rules(lease=broken.NoMargin), "P1"
    ),
    "L2 a taker waits for the drift": Case(
        take(ticks=3, messages=1, clocks=(SLOW, FAST), lease=22, margin=2, drift=2, row_after=10),
        Rules(watch=broken.without_drift), "P1"
    ),
    "L2 the clock counts suspend": Case(
        take(ticks=2, messages=1, suspends=1), Rules(clock=broken.stands_still), "P1"
    ),
    "L2 a taker sees the counter unchanged for the lease": Case(
        take(ticks=1, messages=1), Rules(watch=broken.TakesTooEarly), "P1"
    ),
    "L2 who is marked dead is dead": Case(
        take(ticks=2, messages=1, stops=1), Rules(lease=broken.GoesOn), "P1"
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
        take(routers=3, ticks=4, messages=1, crashes=2),
        Rules(shards=broken.KeepsOnlyTheLast), "P1", True
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
    "J5 the mark waits for connections": Case(
        Scope(routers=1, kinds=KEEP, ticks=1, messages=0, connects=1),
        Rules(memory=broken.DropsConnections), "J5"
    ),
    "J6 numbers go on": Case(
        Scope(kinds=frozenset({"forget"}), ticks=0), Rules(core=broken.LosesNumbers), "P1"
    ),
    "W1 timestamps by position": Case(
        Scope(kinds=KEEP, ticks=1, messages=1, steps=1), Rules(stamp=broken.by_clock), "P4"
    ),
    "W2 time to live runs from acceptance": Case(
        take(ticks=2, messages=1, crashes=1, ttl=1), Rules(shards=broken.CountsAgain), "W2"
    ),
    "W2 what is swept is gone when that is confirmed": Case(
        AGED, Rules(core=broken.SweepsAhead), "P3"
    ),
    "W2 a reader is told what is gone": Case(AGED, Rules(page=broken.tells_nothing), "P3"),
    "W2 a sweeper takes what is too old alone": Case(
        AGED, Rules(aged=broken.all_of_them), "P1"
    ),
    "R1 the run ends at a gap": Case(
        take(ticks=2, messages=2, crashes=1), Rules(shards=broken.SkipsGaps), "P3"
    ),
    "R1 the first seal wins": Case(
        take(shards=2, ticks=2, messages=1, crashes=1), Rules(shards=broken.OwnEnd), "R1"
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
    retries=6, lies=4, lives=4, releases=4, forgets=4, steps=3, stops=3, suspends=2, connects=4,
    clocks=((100.0, 9.0), (7.0, 11.0), (3000.0, 10.0)), lease=40.0, margin=4.0, drift=4.0,
    row_after=20.0, reduced=False,
)  # fmt: skip

# The same with a time to live. The wall clock does not go back: of what is behind a younger item
# nobody says that it is too old.
AGING = LONG._replace(kinds=ALL | {"expire"}, ttl=6, sweeps=20, steps=0)

# What `python -m tests.support.simulation` walks.
SOAK = LONG._replace(
    messages=60, ticks=120, lives=14, crashes=14, unknowns=40, delays=30, releases=16,
    forgets=16, stops=10, suspends=10, retries=20
)  # fmt: skip

# What `make test` explores whole.
SCOPES: dict[str, Scope] = {
    "journal, rows and the mark with a late write": Scope(
        routers=1, kinds=KEEP, ticks=1, messages=2, unknowns=1
    ),
    "numbers, forgetting, connections and false acknowledgements": Scope(
        routers=1, kinds=KEEP | {"forget"}, ticks=1, messages=1, unknowns=1, lies=1, connects=1
    ),
    "a shard is handed over": Scope(kinds=GIVE, ticks=0, messages=1, unknowns=1),
    "a router dies and another takes over": Scope(
        kinds=TAKE | {"sweep"}, ticks=2, messages=1, crashes=1
    ),
    "a lease ends while a write is late": take(ticks=2, messages=1, unknowns=1),
    "a process is stopped past its lease": take(ticks=3, messages=1, stops=1),
    "a machine sleeps past its lease": take(ticks=2, messages=1, suspends=1),
    "clocks differ by all that margin and drift allow": take(
        ticks=3, messages=1, delays=1, clocks=(SLOW, FAST), lease=22, margin=2, drift=2,
        row_after=10,
    ),
    "what is too old is swept": AGED,
    "what is too old when another takes over": Scope(
        kinds=TAKE | {"expire"}, ticks=2, messages=1, crashes=1, unknowns=1, ttl=1
    ),
    "two routers, two shards, the owner's lease ends": SILENT._replace(messages=1, fewer=0),
    "three routers, one dies": take(routers=3, ticks=2, messages=1, crashes=1),
}  # fmt: skip

# What `python -m tests.support.simulation` explores beyond that.
WIDE: dict[str, Scope] = {
    "what is too old is swept beside acknowledgements": AGED._replace(silent=False),
    "what is too old is swept, and a write is late": AGED._replace(silent=False, unknowns=1),
    "two routers, two shards, a lease ends": take(shards=2, ticks=2, messages=1),
    "two routers, two shards, a stopped owner": Scope(
        shards=2, kinds=ENDS, ticks=2, messages=1, stops=1
    ),
    "three routers, two shards, the owner's lease ends": Scope(
        routers=3, shards=2, kinds=ENDS, ticks=2, messages=1
    ),
    "two routers, two shards, two messages in one, no acknowledgements": SILENT,
    "two routers, two shards, two messages each, no acknowledgements": SILENT._replace(fewer=0),
    "two routers, two shards, two messages each, the owner's lease ends": Scope(
        shards=2, kinds=ENDS, ticks=2, messages=2
    ),
    "three routers, two shards, the owner dies": Scope(
        routers=3, shards=2, kinds=ENDS, ticks=2, messages=1, crashes=1
    ),
    "three routers, two shards, a lease ends": take(routers=3, shards=2, ticks=2, messages=1),
    "three routers, two die, a take is unknown": take(
        routers=3, ticks=4, messages=1, crashes=2, unknowns=1
    ),
}  # fmt: skip
