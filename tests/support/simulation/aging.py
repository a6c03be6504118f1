"""Time to live, and what a reader is told of what is gone (W2): by the reader's and sweeper's code.

A tick of the wall clock is so long that `Scope.ttl` of them are an item's time to live.
"""

from signet.adapters.inbox_cassandra import pages
from signet.core import limits
from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.operations import Put
from signet.core.ids import Position
from signet.ports.inbox import Entry, Page
from tests.support.simulation.effects import call
from tests.support.simulation.scope import Where, device, shard
from tests.support.simulation.state import World

EVERYTHING = 1 << 30


def ms(world: World, tick: int) -> int:
    """A time of the wall clock; 0 where nothing expires."""
    return tick * limits.ITEM_TTL * 1000 // world.scope.ttl if world.scope.ttl else 0


def entry(world: World, put: Put) -> Entry:
    accepted = Where(put.accepted_ms).accepted()
    return Entry(put.device, put.position, ms(world, accepted), put.body)


def entries(world: World, core: Core, n: int, begin: Position) -> list[Entry]:
    """Rows, and what is in memory."""
    held = core.memory.items.get(device(n), {}).items()
    memory = {position: entry(world, one.put) for position, one in held}
    rows = [entry(world, put) for put in world.inboxes[n].value.read() if put.position > begin]
    return pages.merged(rows, memory, begin)


def page(world: World, core: Core, n: int) -> Page:
    """What device n is given behind its cursor."""
    begin, swept = world.person(n).cursor, world.inboxes[n].value.swept[1]
    found = entries(world, core, n, begin)
    return world.rules.page(found, begin, swept, EVERYTHING, EVERYTHING, ms(world, world.wall()))


def missing(world: World, n: int, shown: tuple[int, ...], message: int) -> bool:
    """Whether one before it is to be shown first."""
    return any(m not in shown and not world.over(n, m) for m in range(1, message))


def due(world: World, core: Core, n: int) -> list[Position]:
    """What a sweeper finds too old in inbox n."""
    if not world.scope.ttl or not core.shards.serves(shard(n)):
        return []
    begin = max(world.inboxes[n].value.acked[1], core.memory.acked.get(device(n), Position(0, 0)))
    found = [(one.position, one.accepted_ms) for one in entries(world, core, n, begin)]
    return world.rules.aged(found, ms(world, world.wall() - world.scope.ttl))


def expire(world: World, router: int, n: int) -> None:
    """A sweep begins."""
    old = due(world, world.core(router), n)
    call(world, router, "sweep", device(n), old[-1], shard(n))
