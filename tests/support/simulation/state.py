"""One state of a world: what the routers, the store, the network and the people are at."""

from typing import Any, NamedTuple

from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.operations import (
    DeletePartition,
    LeaseRow,
    Operation,
    ReadJournal,
    ReadShard,
    SaveLast,
    ShardRow,
    SwapShard,
    Sweep,
    Trim,
    WriteRows,
    WriteSegment,
)
from signet.core.ids import START, Epoch, Incarnation, Position
from tests.support.simulation.clocks import Machine, shows
from tests.support.simulation.memo import Memo, Part
from tests.support.simulation.scope import DEVICES, Rules, Scope, number, shard
from tests.support.simulation.store import Inbox, Log


class Flying(NamedTuple):
    """An operation under way. `answer`: the store did it, and has not said so yet."""

    router: int
    operation: Part
    issued: int = 0
    answer: tuple[Any, ...] = ()


class Late(NamedTuple):
    """An operation that nobody waits for, and that may yet take effect."""

    operation: Part
    issued: int


class Person(NamedTuple):
    """Who sends to device n, and the device: what was answered and what was shown."""

    base: int = 1  # the lowest message that is not answered
    following: int = 1  # the next to be sent
    target: tuple[Incarnation, int] | None = None  # where it is sent
    sent: frozenset[int] = frozenset()
    shown: tuple[int, ...] = ()
    cursor: Position = START
    owner: tuple[Epoch, Incarnation] | None = None  # that answered SENT last
    counter: int = 0  # of its connections, as it has it
    noted: int = 0  # the highest that was answered as durable (O4)
    accepted: tuple[tuple[int, Position], ...] = ()  # of each message, last: when, where (W2)


State = tuple[Any, ...]
LISTS = (
    "left", "cores", "machines", "leases", "shards", "journals", "inboxes", "people", "pushed",
)  # fmt: skip
PLAIN = ("now", "skew", "lives")


class World:
    """A state that can be changed. `freeze` makes it a tuple of parts, `thaw` the reverse."""

    __slots__ = (*LISTS, *PLAIN, "flying", "late", "memo", "names", "rules", "scope")

    def __init__(self, scope: Scope, rules: Rules, memo: Memo) -> None:
        self.scope, self.rules, self.memo = scope, rules, memo
        self.now, self.skew, self.lives = 0, 10, 0
        budgets = scope.budgets()
        self.names = {kind: n for n, kind in enumerate(budgets)}
        self.left = list(budgets.values())
        self.cores: list[Part | None] = [None] * scope.routers
        self.machines = [memo.part(Machine())] * scope.routers
        self.leases: list[Part] = []
        self.journals: list[Part] = []
        self.shards = [memo.part(row) for row in map(unowned, range(scope.shards))]
        self.inboxes = [memo.part(Inbox())] * scope.shards
        self.people = [memo.part(Person())] * scope.shards
        self.pushed = [START] * (scope.routers * scope.shards)
        self.flying: list[Part] = []
        self.late: list[Part] = []

    def freeze(self) -> State:
        self.flying.sort(key=order)
        self.late.sort(key=order)
        return (
            tuple(self.left), self.now, self.skew, self.lives, tuple(self.cores),
            tuple(self.machines), tuple(self.leases), tuple(self.shards), tuple(self.journals),
            tuple(self.inboxes), tuple(self.people), tuple(self.pushed), tuple(self.flying),
            tuple(self.late),
        )  # fmt: skip

    def thaw(self, state: State) -> "World":
        (
            left, self.now, self.skew, self.lives, cores, machines, leases, shards, journals,
            inboxes, people, pushed, flying, late,
        ) = state  # fmt: skip
        self.left, self.cores, self.machines = list(left), list(cores), list(machines)
        self.leases, self.shards, self.journals = list(leases), list(shards), list(journals)
        self.inboxes, self.people, self.pushed = list(inboxes), list(people), list(pushed)
        self.flying, self.late = list(flying), list(late)
        return self

    # --- reading it ---------------------------------------------------------------------------

    def part(self, router: int) -> Part:
        """A router that lives."""
        part = self.cores[router]
        assert part is not None
        return part

    def core(self, router: int) -> Core:
        core: Core = self.part(router).value
        return core

    def clock(self, router: int) -> float:
        """What that router's clock shows."""
        line = self.scope.clocks[router] if self.scope.clocks else (0.0, 1.0)
        return shows(self.rules.clock, line, self.now, self.machines[router].value)

    def wall(self) -> int:
        """What the wall clock shows."""
        return self.now + self.skew

    def over(self, n: int, message: int) -> bool:
        """Whether a message to device n has lived for its time (W2)."""
        accepted = self.person(n).accepted
        return bool(accepted) and accepted[message - 1][0] < self.wall() - self.scope.ttl

    def paused(self, router: int) -> bool:
        return bool(self.machines[router].value.paused)

    def lease(self, incarnation: Incarnation) -> LeaseRow:
        row: LeaseRow = self.leases[number(incarnation) - 1].value
        return row

    def log(self, incarnation: Incarnation) -> Log:
        log: Log = self.journals[number(incarnation) - 1].value
        return log

    def row(self, n: int) -> ShardRow:
        row: ShardRow = self.shards[n].value
        return row

    def person(self, n: int) -> Person:
        person: Person = self.people[n].value
        return person

    def pushed_to(self, router: int, n: int) -> Position:
        """The highest position that the router sent to device n on its attachment."""
        return self.pushed[router * self.scope.shards + n]

    def place(self, operation: Operation) -> tuple[list[Part], int]:
        """The part of the store that it touches."""
        match operation:
            case WriteRows() | Trim() | SaveLast() | Sweep():
                return self.inboxes, DEVICES.index(operation.device)
            case SwapShard(row):
                return self.shards, row.shard
            case ReadShard(shard):
                return self.shards, shard
            case WriteSegment(segment):
                return self.journals, number(segment.incarnation) - 1
            case ReadJournal() | DeletePartition():
                return self.journals, number(operation.incarnation) - 1
        return self.leases, number(operation.incarnation) - 1


def order(part: Part) -> str:
    return part.order


def unowned(n: int) -> ShardRow:
    return ShardRow(shard(n), None, Epoch(0))
