"""Tells owners of groups' shards that a group has changed, until it stands in the order (G2)."""

from collections.abc import Sequence

import structlog

from signet.keys.retelling import AWAY, Retelling
from signet.ports.groups import GroupChanges, GroupStore, Untold
from signet.ports.inbox import StoreUnavailable

log = structlog.get_logger()


class GroupOutbox(Retelling[Untold]):
    """One for a service."""

    def __init__(self, directory: GroupStore, changes: GroupChanges) -> None:
        super().__init__()
        self._directory, self._changes = directory, changes

    async def tell(self, change: Untold) -> None:
        """Tell one that was just stored.

        Raises:
            StoreUnavailable: it was not told yet; `run` tells it.
        """
        try:
            await self._changes.group_changed(change.group)
        except AWAY as error:
            raise StoreUnavailable("the owner of the group's shard is away") from error
        await self._directory.told_group(change)

    async def _untold(self) -> Sequence[Untold]:
        return await self._directory.untold_groups()

    async def _tell(self, change: Untold) -> None:
        try:
            await self.tell(change)
        except StoreUnavailable as error:
            log.warning("a change of a group was not told yet", reason=str(error))

    def _order(self, change: Untold) -> tuple[bytes, int]:
        return change.group, change.version
