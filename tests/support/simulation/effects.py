"""What follows from an event at a router: operations fly to the store, SENT to the sender."""

from typing import Any

from signet.core.durability.operations import (
    Answer,
    DeletePartition,
    MarkDead,
    Operation,
    ReadLease,
)
from signet.core.ids import START, Epoch
from tests.support.simulation.memo import Called, Part
from tests.support.simulation.scope import Token, Violation
from tests.support.simulation.state import Flying, Late, World
from tests.support.simulation.store import reads


def apply(world: World, operation: Part, issued: int) -> Answer:
    parts, n = world.place(operation.value)
    parts[n], answer = world.memo.apply(parts[n], operation, issued)
    if world.scope.reduced and isinstance(operation.value, DeletePartition):
        parts[n] = world.memo.part(parts[n].value._replace(deleted=frozenset()))
    return answer


def land(world: World, router: int, operation: Operation, answered: bool = False) -> Flying:
    """Take it from those that are under way."""
    for n, part in enumerate(world.flying):
        flying: Flying = part.value
        found = flying.operation.value
        if flying.router != router or bool(flying.answer) != answered:
            continue
        if found is operation or (type(found) is type(operation) and found == operation):
            del world.flying[n]
            return flying
    raise KeyError(operation)


def do(world: World, router: int, operation: Any) -> None:
    flying = land(world, router, operation)
    answered(world, flying, apply(world, flying.operation, flying.issued))


def answered(world: World, flying: Flying, answer: Answer) -> None:
    call(world, flying.router, "answered", world.clock(flying.router), flying.operation, answer)


def call(world: World, router: int, method: str, *arguments: object) -> Called:
    """The core does it; what follows is done."""
    called = world.memo.call(world.part(router), method, *arguments)
    world.cores[router] = called.core
    if called.ended:
        crash(world, router, 0)
        return called
    for token in called.tokens:
        tell(world, router, token)
    for operation in called.operations:
        if world.cores[router] is None:
            break
        issued = world.wall() if world.rules.stamp.__name__ == "by_clock" else 0
        world.flying.append(world.memo.part(Flying(router, operation, issued)))
        if world.scope.reduced and _at_once(world, operation.value):
            do(world, router, operation.value)
    return called


def _at_once(world: World, operation: Operation) -> bool:
    """Whether it shows nothing more when it is done later.

    A mark that lands late is made late; what is below the mark is not read; a dead lease that has
    its seal does not change.
    """
    match operation:
        case MarkDead() | DeletePartition():
            return True
        case ReadLease(incarnation):
            return world.lease(incarnation).dead and world.lease(incarnation).seal is not None
    return False


def tell(world: World, router: int, token: Any) -> None:
    """SENT arrives at the sender: from one owner, in rising epochs."""
    n, epoch, message = Token(token).parts()
    name, person = world.core(router).lease.incarnation, world.person(n)
    if not epoch:
        after = person._replace(noted=max(person.noted, message))
        world.people[n] = world.memo.part(after)
        return
    was = person.owner or (Epoch(0), name)
    if epoch < was[0] or (epoch == was[0] and was[1] != name):
        raise Violation(f"two owners answer SENT: epoch {epoch} after {was[0]}")
    sent, base = person.sent | {message}, person.base
    while base in sent:
        base += 1
    following = max(base, person.following)
    after = person._replace(base=base, following=following, sent=sent, owner=(epoch, name))
    world.people[n] = world.memo.part(after)


def pause(world: World, router: int, how: str) -> None:
    machine = world.machines[router].value._replace(paused=how)
    world.machines[router] = world.memo.part(machine)


def crash(world: World, router: int, _: Any) -> None:
    """It is gone; what it had asked may yet take effect."""
    world.cores[router] = None
    pause(world, router, "")
    for part in [part for part in world.flying if part.value.router == router]:
        world.flying.remove(part)
        flying: Flying = part.value
        if not flying.answer and not reads(flying.operation.value):
            world.late.append(world.memo.part(Late(flying.operation, flying.issued)))
    for n in range(world.scope.shards):
        world.pushed[router * world.scope.shards + n] = START
