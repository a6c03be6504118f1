"""What may happen in a simulation, and how often; and which rules the core has."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from signet.adapters.inbox_cassandra import pages
from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.incarnation import Parts
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.operations import LeaseRow, ShardRow
from signet.core.durability.recovery import deletable
from signet.core.durability.rows import acknowledgeable
from signet.core.durability.shards import Shards
from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from signet.ports.inbox import Entry, Page
from tests.support.simulation.clocks import Clock, counts_suspend
from tests.support.simulation.store import Apply, Stamp, apply, by_position

# What is done, the router or the index of what it is done to, and with what.
Action = tuple[str, int, Any]


class Violation(Exception):
    """A promise does not hold in this state."""


class Rules(NamedTuple):
    """The parts of the core, so that a test can put a broken one in one's place."""

    lease: Callable[[Incarnation, float, float], OwnLease] = OwnLease
    watch: Callable[[float], Watch] = Watch
    journal: Callable[[Incarnation, int], Journal] = Journal
    memory: Callable[[], Memory] = Memory
    shards: Callable[[Incarnation], Shards] = Shards
    core: Callable[[Parts, float, int], Core] = Core
    store: Apply = apply
    stamp: Stamp = by_position
    clock: Clock = counts_suspend
    acknowledgeable: Callable[[Position, Position], bool] = acknowledgeable
    deletable: Callable[[LeaseRow, list[ShardRow]], bool] = deletable
    page: Callable[[Sequence[Entry], Position, Position, int, int, int], Page] = pages.page
    aged: Callable[[Iterable[tuple[Position, int]], int], list[Position]] = pages.aged


class Scope(NamedTuple):
    """Times are in what a clock shows; one tick is what every clock agrees to be one step of time.

    `kinds`: actions that are possible at all. `reduced`: leave out what shows nothing new
    (docs/verification.md, "What is left out").
    """

    routers: int = 2
    shards: int = 1
    messages: int = 2
    fewer: int = 0  # messages in every shard but the first
    kinds: frozenset[str] = frozenset()
    reduced: bool = True
    lease: float = 2.0
    margin: float = 0.0
    drift: float = 0.0
    clocks: tuple[tuple[float, float], ...] = ()  # of each router: what it shows at 0, and a tick
    row_after: float = 1.0
    memory: int = 100_000  # bytes
    ticks: int = 3
    before: int = 0  # ticks that pass before anybody sends
    crashes: int = 0
    unknowns: int = 0
    delays: int = 0  # answers that come late
    retries: int = 0  # sends that are made again at another owner
    silent: bool = False  # no device acknowledges anything
    connects: int = 0  # of devices, each with a higher counter
    lies: int = 0  # acknowledgements above what was sent
    lives: int = 0  # incarnations after the first ones
    releases: int = 1
    forgets: int = 1
    steps: int = 0  # of the wall clock, backwards
    stops: int = 0  # a process that is not scheduled while its clock goes on
    suspends: int = 0  # a machine that sleeps
    ttl: int = 0  # ticks that an item lives, by the wall clock, from its acceptance (W2); 0: always
    sweeps: int = 1  # of one inbox, where `kinds` have "expire"

    def sends(self, n: int) -> int:
        """How many messages there are in shard n."""
        return self.messages - (self.fewer if n else 0)

    def budgets(self) -> dict[str, int]:
        """How often each action may still be done that is not free."""
        return {
            "tick": self.ticks, "crash": self.crashes, "timeout": self.unknowns,
            "apply": self.delays, "retry": self.retries, "lie": self.lies,
            "connect": self.connects, "start": self.lives, "step": self.steps,
            "forget": self.forgets, "release": self.releases, "stop": self.stops,
            "suspend": self.suspends, "expire": self.sweeps,
        }  # fmt: skip


class Shard(int):
    """A shard's number: its type tells it from other numbers when a state is renamed."""


class Where(int):
    """Which life wrote an item, into which segment, and when it was accepted: `accepted_ms` of a
    `Put`. The time is kept where items expire.
    """

    @classmethod
    def of(cls, lives: int, segment: int, accepted: int = 0) -> "Where":
        return cls((accepted * 1000 + lives) * 1000 + segment)

    def parts(self) -> tuple[int, int]:
        return self // 1000 % 1000, self % 1000

    def accepted(self) -> int:
        """The wall clock's tick."""
        return self // 1_000_000


class Token(int):
    """Which message of which shard is appended in which epoch; message 0: an acknowledgement."""

    @classmethod
    def of(cls, shard: int, epoch: int, message: int) -> "Token":
        return cls((message * 100 + epoch) * 10 + shard)

    def parts(self) -> tuple[int, Epoch, int]:
        return self % 10, Epoch(self // 10 % 100), self // 1000


def shard(n: int) -> ShardId:
    return ShardId(Shard(n))


def device(n: int) -> DeviceId:
    return DEVICES[n]


def life(n: int) -> Incarnation:
    return Incarnation(b"life%d" % n)


def number(incarnation: Incarnation) -> int:
    """Which life it is, from 1."""
    return int(incarnation[4:])


def user(n: int) -> UserId:
    return UserId(b"user%d" % n)


DEVICES = [DeviceId(user(n), 1) for n in range(8)]
