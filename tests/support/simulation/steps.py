"""What happens in a world: each action, and what follows from it at once."""

from collections.abc import Callable
from typing import Any

from signet.core.durability.incarnation import Parts
from signet.core.durability.operations import UNKNOWN, LeaseRow, WriteSegment
from signet.core.ids import Epoch
from tests.support.simulation import aging
from tests.support.simulation.effects import answered, apply, call, crash, do, land, pause
from tests.support.simulation.people import ack, connect, deliver, lie, submit
from tests.support.simulation.possible import idle, wakes
from tests.support.simulation.scope import Action, device, life, shard
from tests.support.simulation.state import Late, World
from tests.support.simulation.store import PER_PARTITION, Log, reads

Step = Callable[[World, int, Any], None]


def start(world: World) -> World:
    """All routers begin; the first has all the shards."""
    for router in range(world.scope.routers):
        _start(world, router, 0)
    for n in range(world.scope.shards):
        row = world.row(n)._replace(owner=life(1), epoch=Epoch(1))
        world.shards[n] = world.memo.part(row)
        world.cores[0] = world.memo.call(world.part(0), "compare", row).core
    settle(world)
    for _ in range(world.scope.before):
        _tick(world, 0, 0)
        settle(world)
    return world


def step(world: World, action: Action) -> None:
    """Do it.

    Raises:
        Violation: a promise is broken by it.
    """
    kind, n, what = action
    budget = world.names.get(kind)
    if budget is not None and world.left[budget] > 0:
        world.left[budget] -= 1
    STEPS[kind](world, n, what)
    if world.scope.reduced:
        settle(world)


def settle(world: World) -> None:
    """What may as well happen at once: docs/verification.md, "What is left out"."""
    if not world.scope.reduced:
        return
    running = [r for r, core in enumerate(world.cores) if core and not world.paused(r)]
    for router in running:
        if world.memo.call(world.part(router), "write", world.clock(router)).ended:
            crash(world, router, 0)
        elif world.scope.kinds & {"wake", "idle"} and idle(world, router):
            _renew(world, router)
    for router in running:
        if world.cores[router] is not None:
            _look_around(world, router)
    if world.late:
        world.late = [part for part in world.late if _matters(world, part.value)]


def _renew(world: World, router: int) -> None:
    """Who holds nothing renews at once: it may do all that one may do that did not."""
    if wakes(world, world.core(router), world.clock(router)):
        _wake(world, router, 0)
        for part in [part for part in world.flying if part.value.router == router]:
            do(world, router, part.value.operation.value)


def _look_around(world: World, router: int) -> None:
    """See every lease that is not known as it is: the sooner, the more may follow (L2)."""
    for part in world.leases:
        core, row = world.core(router), part.value
        if row.incarnation == core.lease.incarnation:
            continue
        seen = core.watch.seen.get(row.incarnation)
        if (seen is not None) if row.dead else (seen is None or seen[0] != row.counter):
            called = world.memo.call(world.part(router), "look", world.clock(router), row)
            world.cores[router] = called.core


def _matters(world: World, late: Late) -> bool:
    """A late write that changes nothing now never will: every rule's condition only shuts."""
    operation = late.operation.value
    parts, n = world.place(operation)
    if isinstance(operation, WriteSegment) and operation.segment.number < _mark(world, operation):
        return False  # nobody reads below the mark (J4)
    if "sweep" in world.scope.kinds and parts is world.journals:
        return True
    return world.memo.apply(parts[n], late.operation, late.issued)[0] is not parts[n]


def _mark(world: World, write: WriteSegment) -> int:
    return world.lease(write.segment.incarnation).mark


# --- the network and the store --------------------------------------------------------------------


def _reach(world: World, router: int, operation: Any) -> None:
    """The store does it, and the answer is under way."""
    flying = land(world, router, operation)
    answer = apply(world, flying.operation, flying.issued)
    world.flying.append(world.memo.part(flying._replace(answer=(answer,))))


def _answered(world: World, router: int, operation: Any) -> None:
    flying = land(world, router, operation, answered=True)
    answered(world, flying, flying.answer[0])


def _timeout(world: World, router: int, operation: Any) -> None:
    flying = land(world, router, operation)
    if not reads(operation):
        world.late.append(world.memo.part(Late(flying.operation, flying.issued)))
    answered(world, flying, UNKNOWN)


def _late(world: World, _: int, operation: Any) -> None:
    for n, part in enumerate(world.late):
        found = part.value.operation.value
        if type(found) is type(operation) and found == operation:
            del world.late[n]
            apply(world, part.value.operation, part.value.issued)
            return
    raise KeyError(operation)


# --- machines and time ----------------------------------------------------------------------------


def _tick(world: World, _: int, __: Any) -> None:
    world.now += 1
    for router, part in enumerate(world.machines):
        if part.value.paused == "suspend":
            machine = part.value._replace(slept=part.value.slept + 1)
            world.machines[router] = world.memo.part(machine)


def _step(world: World, _: int, __: Any) -> None:
    world.skew -= 5  # the wall clock goes back; the boot-time clock does not


def _start(world: World, router: int, _: Any) -> None:
    world.lives += 1
    name, rules, scope = life(world.lives), world.rules, world.scope
    parts = Parts(
        rules.lease(name, scope.lease, scope.margin), rules.watch(scope.drift),
        rules.journal(name, PER_PARTITION), rules.memory(), rules.shards(name),
    )  # fmt: skip
    core = rules.core(parts, scope.row_after, scope.memory)
    core.lease.registered(world.clock(router))
    world.leases.append(world.memo.part(LeaseRow(name, 0, scope.lease, False, 1, None)))
    world.journals.append(world.memo.part(Log()))
    world.cores[router] = world.memo.core(core)


# --- routers --------------------------------------------------------------------------------------


def _write(world: World, router: int, _: Any) -> None:
    call(world, router, "write", world.clock(router))


def _wake(world: World, router: int, _: Any) -> None:
    call(world, router, "wake", world.clock(router))


def _look(world: World, router: int, n: Any) -> None:
    call(world, router, "look", world.clock(router), world.leases[n].value)


def _take(world: World, router: int, n: Any) -> None:
    row = world.row(n)
    call(world, router, "take", row, None if row.owner is None else world.lease(row.owner))


def _compare(world: World, router: int, n: Any) -> None:
    call(world, router, "compare", world.row(n))


def _release(world: World, router: int, n: Any) -> None:
    ready = any(part is not None for r, part in enumerate(world.cores) if r != router)
    call(world, router, "release", world.clock(router), shard(n), ready)


def _forget(world: World, router: int, n: Any) -> None:
    call(world, router, "forget", device(n))


def _expire(world: World, router: int, n: Any) -> None:
    aging.expire(world, router, n)


def _sweep(world: World, n: int, _: Any) -> None:
    log: Log = world.journals[n].value
    world.journals[n] = world.memo.part(log._replace(segments=()))


def _paused(how: str) -> Step:
    return lambda world, router, _: pause(world, router, how)


STEPS: dict[str, Step] = {
    "do": do, "reach": _reach, "apply": _reach, "answer": _answered, "timeout": _timeout,
    "late": _late, "tick": _tick, "step": _step, "stop": _paused("stop"),
    "suspend": _paused("suspend"), "resume": _paused(""), "start": _start, "crash": crash,
    "write": _write, "wake": _wake, "look": _look, "take": _take, "compare": _compare,
    "release": _release, "forget": _forget, "sweep": _sweep, "submit": submit,
    "expire": _expire, "deliver": deliver, "connect": connect, "ack": ack, "lie": lie,
}  # fmt: skip
