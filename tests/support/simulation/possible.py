"""What may happen next in a world."""

from collections.abc import Iterator

from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.operations import Acked, LeaseRow, MarkDead, ShardRow, SwapShard, Sweep
from signet.core.ids import START, Epoch
from tests.support.simulation import aging
from tests.support.simulation.scope import Action, device, number, shard
from tests.support.simulation.state import World
from tests.support.simulation.store import reads


def actions(world: World) -> Iterator[Action]:
    """Each once: equal operations under way are one."""
    yield from _network(world)
    for router, core in enumerate(world.cores):
        if core is None:
            yield from _if(world, "start", router)
            continue
        if not (world.scope.reduced and not world.scope.lives and idle(world, router)):
            yield from _if(world, "crash", router)
        if world.paused(router):
            yield ("resume", router, 0)
            continue
        yield from _if(world, "stop", router)
        yield from _if(world, "suspend", router)
        yield from _of(world, router, core.value)
    if any(core is not None for core in world.cores) or world.scope.lives:
        yield from _if(world, "tick", 0)
    yield from _if(world, "step", 0)
    if "sweep" in world.scope.kinds:
        yield from (("sweep", n, 0) for n in range(len(world.leases)) if _deletable(world, n))


def _if(world: World, kind: str, n: int, what: object = 0) -> Iterator[Action]:
    if world.left[world.names[kind]] > 0:
        yield (kind, n, what)


def _network(world: World) -> Iterator[Action]:
    before = None
    for part in world.flying:
        if part is before:
            continue
        before, flying = part, part.value
        operation = flying.operation.value
        if flying.answer:
            if not world.paused(flying.router):
                yield ("answer", flying.router, operation)
            continue
        if world.paused(flying.router):
            yield ("reach", flying.router, operation)
            continue
        yield ("do", flying.router, operation)
        if not (world.scope.reduced and (reads(operation) or isinstance(operation, MarkDead))):
            yield from _if(world, "timeout", flying.router, operation)
            yield from _if(world, "apply", flying.router, operation)
    before = None
    for part in world.late:
        if part is not before:
            yield ("late", 0, part.value.operation.value)
        before = part


def _deletable(world: World, n: int) -> bool:
    rows = [part.value for part in world.shards]
    row: LeaseRow = world.leases[n].value
    return bool(world.journals[n].value.segments) and world.rules.deletable(row, rows)


def _of(world: World, router: int, core: Core) -> Iterator[Action]:
    kinds, now = world.scope.kinds, world.clock(router)
    if "wake" in kinds and wakes(world, core, now):
        yield ("wake", router, 0)
    if core.journal.waiting:
        yield ("write", router, 0)
    for part in world.leases if "look" in kinds else ():
        if _news(world, core, part.value, now):
            yield ("look", router, number(part.value.incarnation) - 1)
    for n, part in enumerate(world.shards):
        row: ShardRow = part.value
        if "take" in kinds and _takes(world, router, core, row):
            yield ("take", router, n)
        if "compare" in kinds and _differs(world, router, core, row):
            yield ("compare", router, n)
        if row.shard in core.shards.held:
            yield from _serving(world, router, core, n)


def idle(world: World, router: int) -> bool:
    """Whether it holds no shard and has asked for nothing."""
    if world.core(router).shards.held:
        return False
    return not any(part.value.router == router for part in world.flying)


def wakes(world: World, core: Core, now: float) -> bool:
    """Something is due: the end, a renewal (one a tick), rows for what is old."""
    if core.lease.over(now):
        return True
    if core.lease.sent_at is not None:
        return False
    if core.lease.deadline < now + world.scope.lease - world.scope.margin:
        return True
    return ages(core, now)


def ages(core: Core, now: float) -> bool:
    """Whether items that are old should become rows, or a head be saved."""
    memory = core.memory
    if any(t <= now - core.row_after and who not in memory.rowing for who, t in memory.old.items()):
        return True
    return any(
        t <= now - core.head_after
        and who not in memory.saving
        and (who in memory.acks or who in memory.notes)
        for who, t in memory.quiet.items()
    )


def _news(world: World, core: Core, row: LeaseRow, now: float) -> bool:
    """Looking at that lease changes something."""
    if row.dead or row.incarnation == core.lease.incarnation:
        return False
    seen = core.watch.seen.get(row.incarnation)
    if seen is None or seen[0] != row.counter:
        return not world.scope.reduced  # else it was looked at already
    if not core.watch.expired(row, seen[1], now):
        return False
    mark = MarkDead(row.incarnation, row.counter)
    return not any(_is(part.value.operation.value, mark) for part in world.flying)


def _is(operation: object, other: object) -> bool:
    return type(operation) is type(other) and operation == other


def _takes(world: World, router: int, core: Core, row: ShardRow) -> bool:
    if row.owner == core.lease.incarnation:
        return False
    if row.owner is not None and not world.lease(row.owner).dead:
        return False
    return not any(
        part.value.router == router
        and isinstance(part.value.operation.value, SwapShard)
        and part.value.operation.value.old.shard == row.shard
        for part in world.flying
    )


def _differs(world: World, router: int, core: Core, row: ShardRow) -> bool:
    ours = row.owner == core.lease.incarnation
    if ours == (row.shard in core.shards.held) and row.shard not in core.shards.recovering:
        return False
    return not any(part.value.router == router for part in world.flying)


def _serving(world: World, router: int, core: Core, n: int) -> Iterator[Action]:
    kinds, who, here = world.scope.kinds, device(n), shard(n)
    if "release" in kinds:
        if here in core.shards.leaving:
            yield ("release", router, n)
        else:
            yield from _if(world, "release", router, n)
    if "forget" in kinds and who in core.memory.last:
        yield from _if(world, "forget", router, n)
    if "expire" in kinds and aging.due(world, core, n) and not _sweeping(world, router, n):
        yield from _if(world, "expire", router, n)
    if core.shards.serves(here) and unseen(world, core, n):
        yield ("deliver", router, n)
    if not world.scope.silent and _unacknowledged(world, core, router, n):
        yield ("ack", router, n)
    yield from _if(world, "lie", router, n)
    yield from _if(world, "connect", router, n)
    yield from _submits(world, core, router, n)


def unseen(world: World, core: Core, n: int) -> bool:
    """Whether it has something that the device did not take yet."""
    cursor = world.person(n).cursor
    if world.inboxes[n].value.swept[1] > cursor:
        return True
    if any(position > cursor for position in core.memory.items.get(device(n), ())):
        return True
    return any(put.position > cursor for put in world.inboxes[n].value.read())


def _sweeping(world: World, router: int, n: int) -> bool:
    return any(
        part.value.router == router
        and isinstance(part.value.operation.value, Sweep)
        and part.value.operation.value.device == device(n)
        for part in world.flying
    )


def _unacknowledged(world: World, core: Core, router: int, n: int) -> bool:
    acked = core.memory.acked.get(device(n), START)
    return world.pushed_to(router, n) > acked and not _acking(world, core, n)


def _acking(world: World, core: Core, n: int) -> bool:
    who, cursor = device(n), world.person(n).cursor
    groups = [records for _, records in core.journal.waiting]
    groups += [segment.records for segment in core.journal.submitted.values()]
    return any(
        isinstance(r, Acked) and r.device == who and r.position >= cursor for g in groups for r in g
    )


def _submits(world: World, core: Core, router: int, n: int) -> Iterator[Action]:
    person = world.person(n)
    here = (core.lease.incarnation, core.shards.held[shard(n)].epoch)
    if person.target in (None, here):
        if person.following <= min(world.scope.sends(n), person.base + 1):
            yield ("submit", router, n)
    elif person.base <= world.scope.sends(n):
        incarnation, epoch = person.target
        alive = any(
            part is not None
            and part.value.lease.incarnation == incarnation
            and part.value.shards.appends(shard(n), Epoch(epoch))
            for part in world.cores
        )
        if not alive or world.left[world.names["retry"]]:
            yield ("submit", router, n)
