"""Tells the owners of shards what was stored for them with a change (ports/telling).

At once after the change; and again and again, also after a restart, until they were told. A crash
or a race between processes makes it twice, never less than once.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from signet.core.ids import UserId
from signet.core.limits import TELL_AGAIN
from signet.ports.inbox import StoreUnavailable
from signet.ports.telling import Telling, Untold
from signet.ports.users import UserChanges

log = structlog.get_logger()

# What telling may raise: owners of shards are away, or the store that they read is.
AWAY = (OSError, TimeoutError, StoreUnavailable)


@dataclass(slots=True)
class Outbox:
    """One for a service."""

    directory: Telling
    changes: UserChanges
    _seen: set[Untold] = field(default_factory=set)

    async def tell(self, user: UserId) -> None:
        """Tell what is untold of one user; what cannot be told now stays for `run`."""
        try:
            for change in await self.directory.untold(user):
                await self._tell(change)
        except StoreUnavailable:
            log.warning("what is untold of a user could not be read")

    async def run(self, every_s: float = TELL_AGAIN) -> None:
        """Tell what is left from before, and then what is left each time, until it is cancelled."""
        fresh = True
        while True:
            try:
                await self.catch_up(fresh=fresh)
            except Exception as error:  # a bug that shall not leave everybody else untold
                log.error("telling what is untold failed", exc_info=error)
            fresh = False
            await asyncio.sleep(every_s)

    async def catch_up(self, *, fresh: bool = False) -> None:
        """Tell what was untold the last time and still is; `fresh`: also what is new.

        What is new is being told by whoever made it.
        """
        try:
            found = set(await self.directory.untold())
        except StoreUnavailable:
            return
        late = found if fresh else found & self._seen
        for change in sorted(late, key=lambda one: (one.user, one.version)):
            await self._tell(change)
        self._seen = found

    async def _tell(self, change: Untold) -> None:
        try:
            if change.replaced:
                await self.changes.replaced(change.user, change.dropped)
            else:
                await self.changes.changed(change.user)
            await self.directory.told(change)
        except AWAY as error:
            log.warning("a change of a user was not told yet", error=type(error).__name__)
