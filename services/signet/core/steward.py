"""What a router does about shards: takes, adopts, gives away, marks the dead (L2, L4–L6).

Pure. Each look is given the rows of shards and leases as the store says them and the members' list;
the rows say who owns what, the list only where shards are wanted. `now` is in seconds on this
machine's boot-time clock; no two machines' clocks are compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from signet.core import limits
from signet.core.ids import Epoch, Incarnation, ShardId
from signet.core.shards import place


class Row(NamedTuple):
    """A shard's row: `owner` None when it was released."""

    shard: ShardId
    owner: Incarnation | None
    epoch: Epoch


class Candidate(NamedTuple):
    """A router of the members' list. `ready` is its own word: it takes shards now."""

    name: str
    incarnation: Incarnation
    ready: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """What is to be done, in this order."""

    lost: bool = False  # a row that we serve has another owner or epoch: this life ends (L3)
    bury: Sequence[tuple[Incarnation, int]] = ()  # mark dead at that counter (L2)
    adopt: Sequence[Row] = ()  # ours by the row, and not known here (L4)
    give_again: Sequence[Row] = ()  # a release of ours has not reached the row (L4)
    take: Sequence[ShardId] = ()
    release: Mapping[Incarnation, Sequence[ShardId]] = field(default_factory=dict)  # by taker (L6)


class Steward:
    """One router. `alone`: no other router can live, so all others are dead at once (one process
    holds the lock of the data folder).
    """

    def __init__(
        self, name: str, incarnation: Incarnation, shards: int, *, alone: bool = False
    ) -> None:
        self.name, self.incarnation = name, incarnation
        self.leaving = False  # it drains: every shard is wanted elsewhere
        self.given: dict[ShardId, Epoch] = {}  # released in that epoch: never served in it again
        self._shards, self.alone = shards, alone
        self._counters: dict[Incarnation, tuple[int, float]] = {}  # value, and since when
        self._ownerless: dict[ShardId, float] = {}  # since when
        self._served: dict[ShardId, tuple[Epoch, float]] = {}  # in which epoch, and since when
        self._placed: dict[ShardId, str] = {}
        self._among: tuple[str, ...] = ()
        self._changed_at = float("-inf")  # when the routers that shards are placed on changed

    def look(
        self,
        now: float,
        rows: Iterable[Row],
        leases: Mapping[Incarnation, int | None],
        routers: Sequence[Candidate],
        held: Mapping[ShardId, Epoch],
        room: int,
    ) -> Steps:
        """Decide. `held` is what is served here, `room` how many may be given away now."""
        self._watch(now, leases)
        standing = {i for i in self._counters if self._stands_still(i, now)}
        living = {i for i, counter in leases.items() if counter is not None} - standing
        ready = {c.name: c.incarnation for c in routers if c.ready and c.incarnation in living}
        ready.pop(self.name, None)  # another life of ours, or this one: it knows itself
        self._place(now, ready)
        found = _Found()
        for row in rows:
            self._judge(now, row, leases, ready, held, found)
        for shard in self._ownerless.keys() - found.ownerless:
            del self._ownerless[shard]
        self._served = found.served
        return Steps(
            lost=found.lost,
            bury=[(i, self._counters[i][0]) for i in standing],
            adopt=found.adopt,
            give_again=found.again,
            take=found.take,
            release=self._giving(found.unwanted, room),
        )

    # --- others' lives (L2) -------------------------------------------------------------------

    def _watch(self, now: float, leases: Mapping[Incarnation, int | None]) -> None:
        seen: dict[Incarnation, tuple[int, float]] = {}
        for incarnation, counter in leases.items():
            if counter is None or incarnation == self.incarnation:
                continue
            known = self._counters.get(incarnation)
            seen[incarnation] = known if known and known[0] == counter else (counter, now)
        self._counters = seen

    def _stands_still(self, incarnation: Incarnation, now: float) -> bool:
        """We have ourselves seen its counter unchanged for the lease and the drift."""
        since = self._counters[incarnation][1]
        return self.alone or now - since >= limits.LEASE + limits.LEASE_DRIFT

    # --- where shards are wanted --------------------------------------------------------------

    def _place(self, now: float, ready: Mapping[str, Incarnation]) -> None:
        among = tuple(sorted(ready if self.leaving else {*ready, self.name}))
        if among != self._among:
            self._among, self._changed_at = among, now
            self._placed = place(self._shards, among)

    def wanted_at(self, shard: ShardId) -> str | None:
        """The router that a shard is placed on; None when there is none."""
        return self._placed.get(shard)

    def _judge(
        self,
        now: float,
        row: Row,
        leases: Mapping[Incarnation, int | None],
        ready: Mapping[str, Incarnation],
        held: Mapping[ShardId, Epoch],
        found: "_Found",
    ) -> None:
        epoch = held.get(row.shard)
        if row.owner == self.incarnation:
            self._ours(now, row, epoch, ready, found)
        elif epoch is not None:
            found.lost = found.lost or row.epoch >= epoch  # an older row is old news
        elif row.owner is None or leases.get(row.owner) is None:
            found.ownerless.add(row.shard)
            since = self._ownerless.setdefault(row.shard, now)
            here = self._placed.get(row.shard) == self.name
            # Whoever it is placed on may see another list: nobody's shard does not wait for that.
            if not self.leaving and (here or now - since >= limits.SHARD_ORPHANED):
                found.take.append(row.shard)

    def _ours(
        self,
        now: float,
        row: Row,
        epoch: Epoch | None,
        ready: Mapping[str, Incarnation],
        found: "_Found",
    ) -> None:
        if epoch == row.epoch:
            known = self._served.get(row.shard)
            since = known[1] if known and known[0] == epoch else now
            found.served[row.shard] = (epoch, since)
            wanted = self._placed.get(row.shard)
            if wanted is not None and wanted != self.name and self._settled(now, since):
                found.unwanted.setdefault(ready[wanted], []).append(row.shard)
        elif epoch is not None:
            found.lost = found.lost or row.epoch > epoch
        elif row.epoch > self.given.get(row.shard, 0):
            found.adopt.append(row)
        else:
            found.again.append(row)

    def _settled(self, now: float, since: float) -> bool:
        """A shard goes back where it came from only when the list has had time to say why."""
        return self.leaving or now - max(since, self._changed_at) >= limits.REBALANCE_QUIET

    def _giving(
        self, unwanted: Mapping[Incarnation, Sequence[ShardId]], room: int
    ) -> dict[Incarnation, list[ShardId]]:
        """A few at a time, to each taker in turn, only to those that are ready (L6)."""
        giving: dict[Incarnation, list[ShardId]] = {}
        queues = {incarnation: list(unwanted[incarnation]) for incarnation in sorted(unwanted)}
        while room > 0 and any(queues.values()):
            for incarnation, queue in queues.items():
                if queue and room > 0:
                    giving.setdefault(incarnation, []).append(queue.pop(0))
                    room -= 1
        return giving


@dataclass(slots=True)
class _Found:
    """What one look gathers."""

    lost: bool = False
    adopt: list[Row] = field(default_factory=list)
    again: list[Row] = field(default_factory=list)
    take: list[ShardId] = field(default_factory=list)
    ownerless: set[ShardId] = field(default_factory=set)
    served: dict[ShardId, tuple[Epoch, float]] = field(default_factory=dict)
    unwanted: dict[Incarnation, list[ShardId]] = field(default_factory=dict)
