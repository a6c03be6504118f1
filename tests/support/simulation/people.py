"""What senders and devices do."""

from typing import Any

from signet.core.durability.operations import Acked, Noted, Put, Record
from signet.core.durability.rows import next_number
from signet.core.ids import START, Position
from tests.support.simulation import aging
from tests.support.simulation.effects import call, crash
from tests.support.simulation.scope import Token, Violation, Where, device, number, shard
from tests.support.simulation.state import World


def submit(world: World, router: int, n: Any) -> None:
    core, person, who = world.core(router), world.person(n), device(n)
    row = core.shards.held[shard(n)]
    here, following = (core.lease.incarnation, row.epoch), person.following
    if person.target not in (None, here):
        following = person.base  # go back N (O3)
        retries = world.names["retry"]
        world.left[retries] -= world.left[retries] > 0
    last = max(core.memory.last.get(who, START), world.inboxes[n].value.last[1])
    accepted = world.wall() if world.scope.ttl else 0
    where = Where.of(number(core.lease.incarnation), core.journal.next, accepted)
    put = Put(row.shard, who, next_number(last, row.epoch), where, b"%d" % following)
    token = Token.of(n, row.epoch, following)
    if _append(world, router, n, token, put):
        after = person._replace(following=following + 1, target=here)
        if world.scope.ttl:
            known, rest = person.accepted[: following - 1], person.accepted[following:]
            after = after._replace(accepted=(*known, (accepted, put.position), *rest))
        world.people[n] = world.memo.part(after)
        call(world, router, "write", world.clock(router))


def _append(world: World, router: int, n: int, token: int, record: Record) -> bool:
    row = world.core(router).shards.held[shard(n)]
    return bool(call(world, router, "append", token, row.shard, row.epoch, (record,)).said)


def deliver(world: World, router: int, n: Any) -> None:
    core, person = world.core(router), world.person(n)
    if core.lease.over(world.clock(router)):  # L3, before a delivery
        crash(world, router, 0)
        return
    read = aging.page(world, core, n)
    for _, gone in read.expired:
        person = person._replace(cursor=gone)
    for entry in read.entries:
        at, position, message = person.cursor, entry.position, int(entry.body)
        if position.seq != (at.seq + 1 if at.epoch == position.epoch else 1):
            raise Violation(f"P3: a gap from {at} to {position}")
        if message not in person.shown:
            if aging.missing(world, n, person.shown, message):
                raise Violation(f"P3: message {message} after {person.shown}")
            if world.scope.ttl and world.over(n, message):
                raise Violation(f"W2: message {message} is shown though its time is over")
            person = person._replace(shown=(*person.shown, message))
        person = person._replace(cursor=position)
    world.people[n] = world.memo.part(person)
    world.pushed[router * world.scope.shards + n] = person.cursor


def ack(world: World, router: int, n: Any) -> None:
    _acknowledge(world, router, n, world.person(n).cursor)


def connect(world: World, router: int, n: Any) -> None:
    """It attaches with a higher counter (O4), which is answered when it is durable."""
    person, row = world.person(n), world.core(router).shards.held[shard(n)]
    note = Noted(shard(n), device(n), row.epoch, person.counter + 1, ())
    if _append(world, router, n, Token.of(n, 0, person.counter + 1), note):
        world.people[n] = world.memo.part(person._replace(counter=person.counter + 1))
        call(world, router, "write", world.clock(router))


def lie(world: World, router: int, n: Any) -> None:
    at = world.person(n).cursor
    _acknowledge(world, router, n, Position(max(at.epoch, 1), at.seq + 1))


def _acknowledge(world: World, router: int, n: int, position: Position) -> None:
    if not world.rules.acknowledgeable(position, world.pushed_to(router, n)):
        return
    if _append(world, router, n, Token.of(n, 0, 0), Acked(shard(n), device(n), position)):
        call(world, router, "write", world.clock(router))
