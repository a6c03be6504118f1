"""What other owners, and keys, ask of a router: items for its inboxes, changes, what it holds."""

from collections.abc import Sequence

from signet.core.groups import GroupCopy, GroupId
from signet.core.ids import ShardId, UserId
from signet.core.link import NotOwner
from signet.ports.holdings import Held
from signet.ports.inbox import StoreUnavailable
from signet.ports.peers import OwnersItem
from signet.router.changes import Changes
from signet.router.context import Context
from signet.router.groups.owner import GroupOwner
from signet.router.ownership import Ownership
from signet.router.receipts import Receipts


class Asked:
    """The part of a router that they see (ports/holdings.Owners, and what peer_server.py calls)."""

    _context: Context
    _receipts: Receipts
    _groups: GroupOwner
    _changes: Changes
    _ownership: Ownership

    # --- what other owners have (ports/peers) ---------------------------------------------------

    async def deliver(self, items: Sequence[OwnersItem]) -> list[NotOwner]:
        """Items of other owners: those of our shards are durable; of the others, who owns them.

        Raises:
            StoreUnavailable: the outcome of some is unknown; the same again.
        """
        by_shard: dict[ShardId, list[OwnersItem]] = {}
        for item in items:
            by_shard.setdefault(self._context.shard(item.user), []).append(item)
        refused = [shard for shard in by_shard if not self._context.serves(shard)]
        ours = [item for shard in by_shard if shard not in refused for item in by_shard[shard]]
        if ours:
            await self._receipts.take(ours)
        return [self._context.not_owner(shard) for shard in refused]

    async def fan_out(self, copies: Sequence[GroupCopy]) -> tuple[list[NotOwner], list[ShardId]]:
        """Entries of other owners' groups, for members in our shards: see groups/owner.py."""
        return await self._groups.deliver(copies)

    def offered(self, shards: Sequence[ShardId]) -> None:
        """Another router has released them for us."""
        self._ownership.offered(shards)

    def not_owner_of(self, user: UserId) -> NotOwner | None:
        """None: the user's shard is served here."""
        shard = self._context.shard(user)
        return None if self._context.serves(shard) else self._context.not_owner(shard)

    # --- what keys tells (ports/users.UserChanges) ----------------------------------------------

    async def changed(self, user: UserId) -> None:
        """See changes.py."""
        await self._changes.changed(user)

    async def replaced(self, user: UserId, dropped_devices: Sequence[int]) -> None:
        """See changes.py."""
        await self._changes.replaced(user, dropped_devices)

    async def held(self, user: UserId) -> Held:
        """See ports/holdings. Raises StoreUnavailable."""
        try:
            return await self._changes.held(user)
        except TimeoutError as error:
            raise StoreUnavailable("the directory does not answer") from error

    async def group_changed(self, group: GroupId) -> None:
        """See ports/groups.GroupChanges."""
        await self._groups.changed(group)

    async def keys_low(self, user: UserId, device: int, pre_keys: int, kyber_pre_keys: int) -> None:
        """See changes.py."""
        await self._changes.keys_low(user, device, pre_keys, kyber_pre_keys)
