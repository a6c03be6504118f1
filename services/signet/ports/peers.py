"""What owners of shards have for each other, and for whom they release a shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from signet.core.groups import GroupCopy
from signet.core.ids import Incarnation, ShardId, UserId


@dataclass(frozen=True, slots=True)
class OwnersItem:
    """An item that an owner makes itself: a receipt, a notice. `body` is a serialised StoredItem.

    `device` 0 is every device of the user; else only the device of that registration gets it.
    """

    user: UserId
    body: bytes
    device: int = 0
    registration: int = 0


class Peers(Protocol):
    """The owners of the other shards. Order is kept by whoever waits for one call's end."""

    async def deliver(self, shard: ShardId, items: Sequence[OwnersItem]) -> None:
        """Durable in the inboxes of the shard when it returns.

        Raises:
            StoreUnavailable: (signet.ports.inbox) its owner is not known or does not answer; the
                outcome is unknown: the same again, until it returns.
        """
        ...

    async def fan_out(self, shard: ShardId, copies: Sequence[GroupCopy]) -> None:
        """Durable in the inboxes of members in the shard when it returns; `to` names no others.

        A copy that was taken before is not taken again, as far as memory goes.

        Raises:
            StoreUnavailable: as `deliver`; the same again, before any later entry of its group.
        """
        ...

    async def offer(self, taker: Incarnation, shards: Sequence[ShardId]) -> None:
        """Say that shards were released for that router (L6). A hint: never raises."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...
