"""Which router has which shard, by what routers say (L6, L7). Pure: events in, what moved out.

A router says what it holds over its own link, and anybody's NotOwner names the row that was read.
The higher epoch is believed; in the same epoch, a link's own word about itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from signet.core.ids import Epoch, Incarnation, ShardId
from signet.core.link import ANY_EPOCH, ANY_INCARNATION

L = TypeVar("L")


@dataclass(frozen=True, slots=True)
class Owner(Generic[L]):
    """Who has a shard, as far as is known here. `link` is how it is reached."""

    link: L
    incarnation: Incarnation = ANY_INCARNATION
    epoch: Epoch = ANY_EPOCH


class Ownership(Generic[L]):
    """`only`: one router has everything, even before it says what it holds; None in a cluster."""

    def __init__(self) -> None:
        self.only: Owner[L] | None = None
        self._owner: dict[ShardId, Owner[L]] = {}
        self._refused: set[ShardId] = set()  # by who was thought to be the owner

    def of(self, shard: ShardId) -> Owner[L] | None:
        """Who is to get what is meant for a shard; None: nobody is known."""
        return self._owner.get(shard) or self.only

    def has_any(self, link: L) -> bool:
        """Whether a link leads to the owner of anything."""
        return any(owner.link is link for owner in self._owner.values())

    def holding(
        self, link: L, incarnation: Incarnation, shards: Mapping[ShardId, Epoch]
    ) -> set[ShardId]:
        """All that a router holds. Returns what has another owner or epoch than was known."""
        moved = set()
        for shard, epoch in shards.items():
            known = self._owner.get(shard)
            if known is not None and (
                known.epoch > epoch or (known.link is link and known.epoch == epoch)
            ):
                continue
            self._owner[shard] = Owner(link, incarnation, epoch)
            if known is not None or self.only is None or shard in self._refused:
                moved.add(shard)
        self._refused -= moved
        self._forget(link, shards)
        return moved

    def _forget(self, link: L, shards: Mapping[ShardId, Epoch]) -> None:
        gone = [s for s, owner in self._owner.items() if owner.link is link and s not in shards]
        for shard in gone:
            del self._owner[shard]

    def not_owner(
        self, link: L, shard: ShardId, epoch: Epoch, named: L | None, incarnation: Incarnation
    ) -> bool:
        """A router does not own a shard; `named` does, by the row. True: the shard has moved.

        Over one link things are said in order, so who was believed to hold a shard, and now names
        nobody, has given it away; another's word is older than what the owner itself has said.
        """
        known = self._owner.get(shard)
        believed = known is not None and known.link is link
        if known is not None and known.epoch >= epoch and not believed:
            return False
        if known is not None and known.link is named and known.epoch == epoch:
            return False
        if named is None or (known is not None and epoch < known.epoch):
            self._owner.pop(shard, None)
            self._refused.add(shard)
            return False
        self._owner[shard] = Owner(named, incarnation, epoch)
        return True

    def lost(self, link: L) -> None:
        """A link is gone, and what was on it is unknown."""
        self._forget(link, {})
        if self.only is not None and self.only.link is link:
            self.only = None
