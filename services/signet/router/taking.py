"""Items that this owner's users get from owners: their people loaded, appended, durable."""

import asyncio
from collections.abc import Callable, Iterable

from signet.core import limits
from signet.core.ids import UserId
from signet.ports.inbox import StoreUnavailable
from signet.router.context import Context
from signet.router.people import Person

Then = Callable[[], None]


def loaded(context: Context, users: Iterable[UserId], then: Then) -> None:
    """Call `then` when all of them are in memory."""
    missing = set(users)
    if not missing:
        then()

    def here(person: Person) -> None:
        missing.discard(person.id)
        if not missing:
            then()

    for user in list(missing):
        context.people.with_person(user, here)


async def taken(context: Context, users: set[UserId], append: Callable[[Then], None]) -> None:
    """Let `append` queue something for users of our shards; durable when it returns.

    `append` calls what it is given when that is so.

    Raises:
        StoreUnavailable: there is no room, or a shard was given away meanwhile; nothing is queued.
    """
    if context.writer.pending_bytes > limits.MAX_UNWRITTEN:
        raise StoreUnavailable("too much waits to be written")
    durable = asyncio.Event()
    queued: list[bool] = []
    given_up = False

    def write() -> None:
        if given_up:  # whoever brought it brings it again
            return
        if all(context.serves(context.shard(user)) for user in users):
            queued.append(True)
            append(durable.set)
        else:
            durable.set()

    loaded(context, users, write)
    try:
        await durable.wait()
    finally:
        given_up = True
    if not queued:
        raise StoreUnavailable("a shard was given away")
