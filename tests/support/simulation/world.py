"""Routers, devices and senders around the real core; every step is an action with a name."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.incarnation import Parts
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.operations import (
    UNKNOWN,
    Acked,
    Answer,
    Appended,
    Effect,
    End,
    LeaseRow,
    MarkDead,
    Operation,
    Put,
    Segment,
    ShardRow,
    SwapShard,
    WriteSegment,
)
from signet.core.durability.recovery import deletable
from signet.core.durability.rows import acknowledgeable, next_number
from signet.core.durability.shards import Shards
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from tests.support.simulation.clone import clone, key
from tests.support.simulation.store import PER_PARTITION, Stamp, Store, by_position

LEASE, MARGIN, DRIFT = 2.0, 0.0, 0.0  # ticks; the margins of real clocks have no meaning here
Action = tuple[str, int, int]


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
    stamp: Stamp = by_position
    acknowledgeable: Callable[[Position, Position], bool] = acknowledgeable
    deletable: Callable[[LeaseRow, list[ShardRow]], bool] = deletable


class Scope(NamedTuple):
    """What may happen, how often. `kinds`: actions that are possible at all."""

    routers: int = 2
    shards: int = 1
    messages: int = 2
    kinds: frozenset[str] = frozenset()
    ticks: int = 3
    crashes: int = 0
    unknowns: int = 0
    delays: int = 0  # answers that come late
    retries: int = 0  # sends that are made again at another owner
    lies: int = 0  # acknowledgements above what was sent
    lives: int = 0  # incarnations after the first ones
    memory: int = 100_000  # bytes
    row_after: float = 1.0
    turns: int = 1  # forgets, releases
    steps: int = 0  # of the wall clock, backwards


class Flying(NamedTuple):
    """An operation under way. `answer`: the store did it, and has not said so yet."""

    router: int
    life: Incarnation
    operation: Operation
    issued: int
    answer: Answer | None = None


class World:
    """One state. `step` changes it; `clone` first."""

    __slots__ = (
        "cursor",
        "flying",
        "keys",
        "late",
        "left",
        "lives",
        "now",
        "own",
        "owners",
        "pushed",
        "routers",
        "rules",
        "scope",
        "senders",
        "sent",
        "shown",
        "skew",
        "store",
        "written",
    )  # fmt: skip

    def __init__(self, scope: Scope, rules: Rules) -> None:
        self.scope, self.rules = scope, rules
        self.store = Store(rules.stamp)
        self.now, self.lives, self.skew = 0, 0, 10
        self.left = {
            "tick": scope.ticks, "crash": scope.crashes, "timeout": scope.unknowns,
            "apply": scope.delays, "retry": scope.retries, "lie": scope.lies,
            "start": scope.lives, "step": scope.steps,
            "forget": scope.turns, "release": scope.turns,
        }  # fmt: skip
        self.flying: list[Flying] = []
        self.late: list[tuple[Operation, int]] = []
        self.own: set[int] = {-1}
        self.keys: list[int | None] = [None] * (scope.routers + 1)
        self.routers: list[Core | None] = [None] * scope.routers
        self.pushed: dict[tuple[int, DeviceId], Position] = {}
        self.senders: dict[DeviceId, tuple[int, int, tuple[Incarnation, int] | None]] = {}
        self.sent: dict[tuple[DeviceId, int], Position] = {}
        self.shown: dict[DeviceId, tuple[int, ...]] = {}
        self.cursor: dict[DeviceId, Position] = {}
        self.owners: dict[ShardId, tuple[Epoch, Incarnation]] = {}
        self.written: dict[tuple[DeviceId, Position], tuple[Incarnation, int]] = {}
        for n in range(scope.shards):
            self.senders[device(n)] = (1, 1, None)
            self.shown[device(n)] = ()
            self.cursor[device(n)] = START
            self.store.shards[ShardId(n)] = ShardRow(ShardId(n), None, Epoch(0))
        for router in range(scope.routers):
            self._start(router)
        first = self.routers[0]
        assert first is not None
        for n in range(scope.shards):
            row = self.store.shards[ShardId(n)]._replace(
                owner=first.lease.incarnation, epoch=Epoch(1)
            )
            self.store.shards[ShardId(n)] = row
            first.compare(row)

    def clone(self) -> "World":
        new = object.__new__(World)
        new.scope, new.rules, new.skew = self.scope, self.rules, self.skew
        new.now, new.lives = self.now, self.lives
        new.store, new.routers = self.store, list(self.routers)
        new.own, new.keys = set(), list(self.keys)
        new.flying, new.late = list(self.flying), list(self.late)
        for name in ("left", "pushed", "senders", "sent", "shown", "cursor", "owners", "written"):
            setattr(new, name, dict(getattr(self, name)))
        return new

    def _core(self, router: int) -> Core:
        """A router, to be changed: copied when this state does not have it alone."""
        core = self.routers[router]
        assert core is not None
        if router not in self.own:
            core = clone(core)
            self.own.add(router)
            self.routers[router] = core
        self.keys[router] = None
        return core

    def _writable(self) -> Store:
        """The store, to be changed."""
        if -1 not in self.own:
            self.store = self.store.clone()
            self.own.add(-1)
        self.keys[-1] = None
        return self.store

    def _key_of(self, n: int) -> int:
        found = self.keys[n]
        if found is None:
            found = hash(self.store.key() if n < 0 else key(self.routers[n]))
            self.keys[n] = found
        return found

    def key(self) -> int:
        plain = ("left", "pushed", "senders", "sent", "shown", "cursor", "owners")
        return hash(
            (
                self.now, self._key_of(-1), frozenset(Counted(self.flying)),
                frozenset(Counted(self.late)), *(self._key_of(n) for n in range(len(self.routers))),
                *(frozenset(getattr(self, name).items()) for name in plain),
            )
        )  # fmt: skip

    # --- what may happen next ---------------------------------------------------------------

    def actions(self) -> Iterator[Action]:
        for n, flying in enumerate(self.flying):
            if flying in self.flying[:n]:
                continue
            yield ("do", n, 0)
            if flying.answer is None:
                yield from self._if("timeout", n)
                yield from self._if("apply", n)
        for n in range(len(self.late)):
            yield ("late", n, 0)
        for router, core in enumerate(self.routers):
            if core is None:
                yield from self._if("start", router)
            else:
                yield from self._if("crash", router)
                yield from self._of(router, core)
        yield from self._if("tick", 0)
        yield from self._if("step", 0)
        if "sweep" in self.scope.kinds:
            yield from (("sweep", n, 0) for n in range(len(self.store.leases)) if self._dead(n))

    def _if(self, kind: str, n: int, m: int = 0) -> Iterator[Action]:
        if self.left[kind] > 0:
            yield (kind, n, m)

    def _dead(self, n: int) -> bool:
        row = self.store.leases[life(n + 1)]
        held = any(where[0] == row.incarnation for where in self.store.segments)
        return held and self.rules.deletable(row, list(self.store.shards.values()))

    def _of(self, router: int, core: Core) -> Iterator[Action]:
        kinds = self.scope.kinds
        if "wake" in kinds and self._wakes(core):
            yield ("wake", router, 0)
        if core.journal.waiting:
            yield ("write", router, 0)
        for n in range(len(self.store.leases)) if "look" in kinds else ():
            if self._news(core, self.store.leases[life(n + 1)]):
                yield ("look", router, n)
        for n in range(self.scope.shards):
            row = self.store.shards[ShardId(n)]
            if "take" in kinds and row.owner != core.lease.incarnation and self._free(row):
                yield ("take", router, n)
            if "compare" in kinds and self._differs(core, row):
                yield ("compare", router, n)
            if row.shard in core.shards.held:
                yield from self._serving(router, core, n)

    def _wakes(self, core: Core) -> bool:
        """Something is due: the end, a renewal (one a tick), rows for what is old."""
        if core.lease.over(self.now) or core.lease.deadline < self.now + LEASE:
            return core.lease.sent_at is None or core.lease.over(self.now)
        before = self.now - core.row_after
        writing = {put.position for write in core.memory.writing for put in write.rows}
        return core.lease.sent_at is None and any(
            held.since <= before and held.put.position not in writing
            for items in core.memory.items.values()
            for held in items.values()
        )

    def _news(self, core: Core, row: LeaseRow) -> bool:
        """Looking at that lease changes something."""
        if row.dead or row.incarnation == core.lease.incarnation:
            return False
        seen = core.watch.seen.get(row.incarnation)
        if seen is None or seen[0] != row.counter:
            return True
        under_way = any(isinstance(f.operation, MarkDead) for f in self.flying)
        return core.watch.expired(row, seen[1], self.now) and not under_way

    def _free(self, row: ShardRow) -> bool:
        return row.owner is None or self.store.leases[row.owner].dead

    def _differs(self, core: Core, row: ShardRow) -> bool:
        ours = row.owner == core.lease.incarnation
        return ours != (row.shard in core.shards.held) or row.shard in core.shards.recovering

    def _serving(self, router: int, core: Core, n: int) -> Iterator[Action]:
        kinds, who = self.scope.kinds, device(n)
        if "release" in kinds:
            if ShardId(n) in core.shards.leaving:
                yield ("release", router, n)
            else:
                yield from self._if("release", router, n)
        if "forget" in kinds and who in core.memory.last:
            yield from self._if("forget", router, n)
        if core.shards.serves(ShardId(n)) and self._items(core, n):
            yield ("deliver", router, n)
        pushed = self.pushed.get((router, who), START)
        if pushed > core.memory.acked.get(who, START) and not self._acking(core, who):
            yield ("ack", router, n)
        yield from self._if("lie", router, n)
        yield from self._submits(router, core, n)

    def _acking(self, core: Core, who: DeviceId) -> bool:
        cursor = self.cursor[who]
        groups = [g for _, g in core.journal.waiting]
        groups += [s.records for s in core.journal.submitted.values()]
        return any(
            isinstance(r, Acked) and r.device == who and r.position >= cursor
            for g in groups
            for r in g
        )

    def _submits(self, router: int, core: Core, n: int) -> Iterator[Action]:
        base, following, target = self.senders[device(n)]
        row = core.shards.held[ShardId(n)]
        here = (core.lease.incarnation, row.epoch)
        if target in (None, here):
            if following <= min(self.scope.messages, base + 1):
                yield ("submit", router, n)
        elif base <= self.scope.messages:
            gone = all(
                c is None
                or c.lease.incarnation != target[0]
                or not c.shards.appends(ShardId(n), Epoch(target[1]))
                for c in self.routers
            )
            if gone or self.left["retry"]:
                yield ("submit", router, n)

    # --- what happens -----------------------------------------------------------------------

    def step(self, action: Action) -> None:
        kind, n, m = action
        if self.left.get(kind, 0) > 0:
            self.left[kind] -= 1
        getattr(self, "_" + kind)(n, m)
        self.check()

    def _step(self, n: int, m: int) -> None:
        self.skew -= 5  # the wall clock goes back; the boot-time clock does not

    def _tick(self, n: int, m: int) -> None:
        self.now += 1

    def _start(self, router: int, m: int = 0) -> None:
        self.lives += 1
        name, rules = life(self.lives), self.rules
        parts = Parts(
            rules.lease(name, LEASE, MARGIN), rules.watch(DRIFT),
            rules.journal(name, PER_PARTITION), rules.memory(), rules.shards(name),
        )  # fmt: skip
        core = rules.core(parts, self.scope.row_after, self.scope.memory)
        core.lease.registered(self.now)
        self._writable().leases[name] = LeaseRow(name, 0, LEASE, False, 1, None)
        self.routers[router], self.keys[router] = core, None
        self.own.add(router)

    def _crash(self, router: int, m: int = 0) -> None:
        self.routers[router], self.keys[router] = None, None
        mine = [flying for flying in self.flying if flying.router == router]
        self.flying = [flying for flying in self.flying if flying.router != router]
        self.late += [(f.operation, f.issued) for f in mine if f.answer is None and writes(f)]
        self.pushed = {k: v for k, v in self.pushed.items() if k[0] != router}

    def _do(self, n: int, m: int) -> None:
        flying = self.flying.pop(n)
        answer = flying.answer
        if answer is None:
            answer = self._apply(flying.operation, flying.issued)
        self._answer(flying, answer)

    def _timeout(self, n: int, m: int) -> None:
        flying = self.flying.pop(n)
        if writes(flying):
            self.late.append((flying.operation, flying.issued))
        self._answer(flying, UNKNOWN)

    def _apply(self, operation: Operation | int, issued: int) -> Answer:
        if isinstance(operation, int):  # the action: done, and not yet answered
            flying = self.flying.pop(operation)
            answer = self._apply(flying.operation, flying.issued)
            self.flying.append(flying._replace(answer=answer))
            return answer
        if type(operation).__name__.startswith("Read"):
            return self.store.apply(operation, issued)
        return self._writable().apply(operation, issued)

    def _late(self, n: int, m: int) -> None:
        self._apply(*self.late.pop(n))

    def _answer(self, flying: Flying, answer: Answer) -> None:
        core = self._core(flying.router)
        self._effects(flying.router, core.answered(self.now, flying.operation, answer))

    def _effects(self, router: int, effects: list[Effect]) -> None:
        core = self._core(router)
        for effect in effects:
            match effect:
                case End():
                    self._crash(router)
                    return
                case Appended(token):
                    self._appended(core, token)
                case _:
                    if isinstance(effect, WriteSegment):
                        self._note(effect.segment)
                    self.flying.append(
                        Flying(router, core.lease.incarnation, effect, self.now + self.skew)
                    )

    def _note(self, segment: Segment) -> None:
        for record in segment.records:
            if isinstance(record, Put):
                where = (segment.incarnation, segment.number)
                self.written[record.device, record.position] = where

    def _appended(self, core: Core, token: int) -> None:
        if token < 0:
            return
        shard, rest = ShardId(token % 10), token // 10
        epoch, number = Epoch(rest % 100), rest // 100
        was = self.owners.get(shard, (Epoch(0), core.lease.incarnation))
        if epoch < was[0] or (epoch == was[0] and was[1] != core.lease.incarnation):
            raise Violation(f"two owners answer SENT: epoch {epoch} after {was[0]}")
        self.owners[shard] = (epoch, core.lease.incarnation)
        who = device(shard)
        base, following, target = self.senders[who]
        place = [p for p, b in self._known(core, who) if b == number and p.epoch == epoch]
        self.sent.setdefault((who, number), max(place, default=START))
        while (who, base) in self.sent:
            base += 1
        self.senders[who] = (base, max(base, following), target)

    def _known(self, core: Core, who: DeviceId) -> list[tuple[Position, int]]:
        """Where this incarnation put its messages."""
        found = [
            (put.position, int(put.body))
            for (inc, _), segment in self.store.segments.items()
            if inc == core.lease.incarnation
            for put in segment.records
            if isinstance(put, Put) and put.device == who
        ]
        found += [
            (h.put.position, int(h.put.body)) for h in core.memory.items.get(who, {}).values()
        ]
        return found

    def _submit(self, router: int, n: int) -> None:
        core, who = self._core(router), device(n)
        row = core.shards.held[ShardId(n)]
        base, following, target = self.senders[who]
        here = (core.lease.incarnation, row.epoch)
        if target not in (None, here):
            following = base  # go back N (O3)
            self.left["retry"] -= self.left["retry"] > 0
        last = max(core.memory.last.get(who, START), self.store.last.get(who, (0, START))[1])
        put = Put(row.shard, who, next_number(last, row.epoch), 0, b"%d" % following)
        token = (following * 100 + row.epoch) * 10 + n
        if core.append(token, row.shard, row.epoch, [put]):
            self.senders[who] = (base, following + 1, here)
            self._effects(router, core.write(self.now))

    def _write(self, router: int, m: int) -> None:
        core = self._core(router)
        self._effects(router, core.write(self.now))

    def _wake(self, router: int, m: int) -> None:
        core = self._core(router)
        self._effects(router, core.wake(self.now))

    def _look(self, router: int, n: int) -> None:
        core = self._core(router)
        self._effects(router, core.look(self.now, self.store.leases[life(n + 1)]))

    def _take(self, router: int, n: int) -> None:
        core, row = self._core(router), self.store.shards[ShardId(n)]
        under_way = any(
            f.router == router and isinstance(f.operation, SwapShard) for f in self.flying
        )
        if not under_way:
            owner = None if row.owner is None else self.store.leases[row.owner]
            self._effects(router, core.take(row, owner))

    def _compare(self, router: int, n: int) -> None:
        core = self._core(router)
        if not any(f.router == router for f in self.flying):
            self._effects(router, core.compare(self.store.shards[ShardId(n)]))

    def _release(self, router: int, n: int) -> None:
        core = self._core(router)
        ready = any(c is not None for r, c in enumerate(self.routers) if r != router)
        self._effects(router, core.release(self.now, ShardId(n), ready))

    def _forget(self, router: int, n: int) -> None:
        core = self._core(router)
        self._effects(router, core.forget(device(n)))

    def _sweep(self, n: int, m: int) -> None:
        for where in [w for w in self.store.segments if w[0] == life(n + 1)]:
            del self._writable().segments[where]

    def _items(self, core: Core, n: int) -> list[Put]:
        who = device(n)
        held = [h.put for h in core.memory.items.get(who, {}).values()]
        found = {put.position: put for put in [*self.store.inbox(who), *held]}
        return [found[p] for p in sorted(found) if p > self.cursor[who]]

    def _deliver(self, router: int, n: int) -> None:
        core, who = self._core(router), device(n)
        if core.lease.over(self.now):  # L3, before a delivery
            self._crash(router)
            return
        for put in self._items(core, n):
            at = self.cursor[who]
            follows = put.position.seq == (at.seq + 1 if at.epoch == put.position.epoch else 1)
            if not follows:
                raise Violation(f"P3: a gap from {at} to {put.position}")
            number = int(put.body)
            if number not in self.shown[who]:
                if number != len(self.shown[who]) + 1:
                    raise Violation(f"P3: message {number} after {self.shown[who]}")
                self.shown[who] += (number,)
            self.cursor[who] = put.position
        self.pushed[router, who] = self.cursor[who]

    def _ack(self, router: int, n: int) -> None:
        self._acknowledge(router, n, self.cursor[device(n)])

    def _lie(self, router: int, n: int) -> None:
        at = self.cursor[device(n)]
        self._acknowledge(router, n, Position(max(at.epoch, 1), at.seq + 1))

    def _acknowledge(self, router: int, n: int, position: Position) -> None:
        core, who = self._core(router), device(n)
        row = core.shards.held[ShardId(n)]
        if not self.rules.acknowledgeable(position, self.pushed.get((router, who), START)):
            return
        if core.append(-1, row.shard, row.epoch, [Acked(row.shard, who, position)]):
            self._effects(router, core.write(self.now))

    # --- what must hold ---------------------------------------------------------------------

    def check(self) -> None:
        for who, number in self.sent:
            if number not in self.shown[who] and not self._stored(who, number):
                raise Violation(f"P1: message {number} was answered SENT and is gone")
        for (who, position), (inc, n) in self.written.items():
            row = self.store.leases[inc]
            if row.seal is not None and n > row.seal and (who, position) in self.store.rows:
                raise Violation(f"R1: {position} lies beyond the seal and became a row")
        for who, trims in self.store.trims.items():
            if any(put.position <= max(trims) for put in self.store.inbox(who)):
                raise Violation("P4: what was acknowledged and trimmed is back")

    def _stored(self, who: DeviceId, number: int) -> bool:
        body, at = b"%d" % number, self.cursor[who]
        if any(p.body == body and p.position > at for p in self.store.inbox(who)):
            return True
        shard = ShardId(next(n for n in range(self.scope.shards) if device(n) == who))
        row = self.store.shards[shard]
        pairs = [*row.unrecovered]
        if row.owner is not None:
            pairs.append((row.owner, row.epoch))  # type: ignore[arg-type]
        return any(self._in_journal(inc, epoch, who, body, at) for inc, epoch in pairs)

    def _in_journal(
        self, inc: Incarnation, epoch: Epoch, who: DeviceId, body: bytes, at: Position
    ) -> bool:
        lease = self.store.leases[inc]
        n = lease.mark
        while (inc, n) in self.store.segments and (lease.seal is None or n <= lease.seal):
            for put in self.store.segments[inc, n].records:
                if (
                    isinstance(put, Put)
                    and (put.device, put.body, put.position.epoch) == (who, body, epoch)
                    and put.position > at
                ):
                    return True
            n += 1
        return False


class Counted(frozenset[object]):
    """A multiset as a set of (value, how often)."""

    def __new__(
        cls, values: list[object] | list[Flying] | list[tuple[Operation, int]]
    ) -> "Counted":
        counts: dict[object, int] = {}
        for value in values:
            counts[value] = counts.get(value, 0) + 1
        return super().__new__(cls, counts.items())


def writes(flying: Flying) -> bool:
    return not type(flying.operation).__name__.startswith("Read")


def device(n: int) -> DeviceId:
    return DEVICES[n]


def life(n: int) -> Incarnation:
    return Incarnation(b"%d" % n)


DEVICES = [DeviceId(UserId(b"%d" % n), 1) for n in range(8)]
