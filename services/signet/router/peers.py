"""The peers of a router that has none: it holds every shard, or will when it has taken them."""

from collections.abc import Sequence

from signet.core.groups import GroupCopy
from signet.core.ids import Incarnation, ShardId
from signet.ports.inbox import StoreUnavailable
from signet.ports.peers import OwnersItem


class NoPeers:
    """See ports/peers.Peers."""

    async def deliver(self, shard: ShardId, items: Sequence[OwnersItem]) -> None:
        """Raises StoreUnavailable: nobody owns the shard yet."""
        raise StoreUnavailable(f"nobody owns shard {shard}")

    async def fan_out(self, shard: ShardId, copies: Sequence[GroupCopy]) -> None:
        """Raises StoreUnavailable: nobody owns the shard yet."""
        raise StoreUnavailable(f"nobody owns shard {shard}")

    async def offer(self, taker: Incarnation, shards: Sequence[ShardId]) -> None:
        """Nobody is there to take them."""

    async def close(self) -> None:
        """Nothing is held."""
