"""What must hold in every state: P1, P4, R1. P3 and "one owner" are looked at as they happen."""

from collections.abc import Iterator

from signet.core.durability.operations import Noted, Put, Record
from signet.core.ids import Epoch, Incarnation
from tests.support.simulation.memo import Part
from tests.support.simulation.scope import Violation, Where, device
from tests.support.simulation.state import Person, World
from tests.support.simulation.store import Inbox


def check(world: World) -> None:
    """Raises:
    Violation: with the promise that is broken.
    """
    leases, journals = tuple(world.leases), tuple(world.journals)
    for n in range(world.scope.shards):
        wall = world.wall() if world.scope.ttl else 0
        name = (world.people[n], world.inboxes[n], world.shards[n], leases, journals, wall)
        broken = world.memo.facts.get(name)
        if broken is None:
            broken = _broken(world, n)
            if world.memo.remember:
                world.memo.facts[name] = broken
        if broken:
            raise Violation(broken)


def _broken(world: World, n: int) -> str:
    person, inbox = world.person(n), world.inboxes[n].value
    for message in sorted(person.sent.difference(person.shown)):
        if not _stored(world, n, person, message):
            if not world.over(n, message):
                return f"P1: message {message} was answered SENT and is gone"
            if person.accepted[message - 1][1] > max(person.cursor, inbox.swept[1]):
                return f"W2: message {message} is gone by its age, and nobody is told"
    if person.noted > _highest(world, n):
        return f"J5: connection {person.noted} was durable and is gone"
    for _, put in inbox.rows:
        lives, segment = Where(put.accepted_ms).parts()
        seal = world.leases[lives - 1].value.seal
        if seal is not None and segment > seal:
            return f"R1: {put.position} lies beyond the seal and became a row"
    if _back(world.inboxes[n]):
        return "P4: what was acknowledged and trimmed is back"
    return ""


def _back(part: Part) -> bool:
    inbox: Inbox = part.value
    end = max((end for _, end in inbox.trims), default=None)
    return end is not None and any(put.position <= end for put in inbox.read())


def _stored(world: World, n: int, person: Person, message: int) -> bool:
    """It is a row, or in a journal that the shard's row names, where a reader would find it."""
    body = b"%d" % message
    if any(p.body == body and p.position > person.cursor for p in world.inboxes[n].value.read()):
        return True
    return any(
        isinstance(record, Put) and record.body == body and record.position > person.cursor
        for record in _named(world, n)
    )


def _highest(world: World, n: int) -> int:
    """The highest counter of a connection that a new owner would find (J5, O4)."""
    note = world.inboxes[n].value.note
    found = [record.counter for record in _named(world, n) if isinstance(record, Noted)]
    return max(found, default=0) if note is None else max(note.counter, *found, 0)


def _named(world: World, n: int) -> Iterator[Record]:
    """The device's records that a reader of the journals in its shard's row would find."""
    row = world.row(n)
    pairs: list[tuple[Incarnation, Epoch]] = list(row.unrecovered)
    if row.owner is not None:
        pairs.append((row.owner, row.epoch))
    for incarnation, epoch in pairs:
        lease, log = world.lease(incarnation), world.log(incarnation)
        at = lease.mark
        while (segment := log.get(at)) is not None and (lease.seal is None or at <= lease.seal):
            for record in segment.records:
                if record.device == device(n) and _epoch(record) == epoch:
                    yield record
            at += 1


def _epoch(record: Record) -> int:
    return record.epoch if isinstance(record, Noted) else record.position.epoch
