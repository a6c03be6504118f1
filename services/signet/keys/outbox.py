"""Tells the owners of shards what was stored for them with a change (ports/telling).

At once after the change; and again and again, also after a restart, until they were told. A crash
or a race between processes makes it twice, never less than once.
"""

from collections.abc import Sequence

import structlog

from signet.core.ids import UserId
from signet.keys.retelling import AWAY, Retelling
from signet.ports.directory import Directory
from signet.ports.holdings import Owners
from signet.ports.inbox import StoreUnavailable
from signet.ports.telling import Untold

log = structlog.get_logger()

__all__ = ["AWAY", "Outbox"]


class Outbox(Retelling[Untold]):
    """One for a service."""

    def __init__(self, directory: Directory, changes: Owners) -> None:
        super().__init__()
        self.directory, self.changes = directory, changes

    async def tell(self, user: UserId) -> None:
        """Tell what is untold of one user; what cannot be told now stays for `run`."""
        try:
            for change in await self.directory.untold(user):
                await self._tell(change)
        except StoreUnavailable:
            log.warning("what is untold of a user could not be read")

    async def _untold(self) -> Sequence[Untold]:
        return await self.directory.untold()

    def _order(self, change: Untold) -> tuple[bytes, int]:
        return change.user, change.version

    async def _tell(self, change: Untold) -> None:
        try:
            if change.replaced:
                await self.changes.replaced(change.user, change.dropped)
            else:
                await self.changes.changed(change.user)
            await self.directory.told(change)
        except AWAY as error:
            log.warning("a change of a user was not told yet", error=type(error).__name__)
        else:
            await self._hint_groups(change.user)

    async def _hint_groups(self, user: UserId) -> None:
        """Sends to groups are judged by members' devices. USER_TTL makes good what is lost."""
        try:
            for group in await self.directory.groups_of(user):
                await self.changes.group_changed(group)
        except AWAY as error:
            log.info("groups were not told of a member's devices", error=type(error).__name__)
