"""The inbox store: what is undelivered, and who owns which shard.

One inbox a device, numbered by the owner of the device's shard. All calls take and give
batches. What may be relied upon, of every adapter:

- `append` is durable when it returns (a quorum in Cassandra, an fsync in SQLite), atomic for each
  device, and in order within the call. When it raises, the outcome of the *whole* batch is
  unknown: the same batch may be appended again (same positions, same bytes: no effect twice), and
  its numbers are used for nothing else (J2).
- A later `append`, in the same epoch, that returned implies that all earlier ones are durable.
- An item at or below the acknowledged position of its device is never returned again, whatever
  the order in which writes arrive (W1).
- Only the owner of a shard writes to it; a store that can tell refuses others with `NotOwner`
  (the fence), one that cannot leaves it to leases (L1–L3).
- Reads of inboxes are asked of the store object that holds the shard: it sees every append that
  returned. Another may miss what is younger than some seconds, and sees all once the shard was
  released or taken over. A device's shard is `shard_of(user, shards)`.
- What a crash can lose: nothing that returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId


class StoreUnavailable(Exception):
    """The store did not answer, or refused for now; the outcome of a write is unknown (J2)."""


class NotOwner(Exception):
    """The shard has another owner or epoch than the call names; nothing was written."""


class OtherShards(Exception):
    """Inboxes are in the shards of another number: that of whoever registered first."""

    def __init__(self, here: int, there: int) -> None:
        super().__init__(f"shards is {here} here, and the inboxes are in {there}")
        self.here, self.there = here, there


@dataclass(frozen=True, slots=True)
class Entry:
    """One item for one device. `body` is a serialised StoredItem, opaque to the store."""

    device: DeviceId
    position: Position
    accepted_ms: int  # Unix time; time to live runs from here (W2)
    body: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The device has everything up to `position`: delete it, and never return it again."""

    device: DeviceId
    position: Position


@dataclass(frozen=True, slots=True)
class Connected:
    """The device's connection counter (O4) and which resume token holds; written whole."""

    device: DeviceId
    counter: int
    resumable: tuple[int, ...]  # counters whose resume tokens are valid, newest last


@dataclass(frozen=True, slots=True)
class Batch:
    """What waits in one shard, in the order in which it became so. Written together."""

    shard: ShardId
    epoch: Epoch
    entries: Sequence[Entry] = field(default=())
    acknowledged: Sequence[Acknowledged] = field(default=())
    connected: Sequence[Connected] = field(default=())


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a device's inbox without reading its items.

    `last` is the highest number ever given (J6), START for a new inbox. `items` and `bytes` count
    what is stored.
    """

    device: DeviceId
    last: Position
    acknowledged: Position
    counter: int = 0
    resumable: tuple[int, ...] = ()
    items: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Items in order. `more` says that others follow. `expired` are ranges dropped by age (W2)."""

    entries: Sequence[Entry]
    more: bool
    expired: Sequence[tuple[Position, Position]] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """A shard that is now ours, in this epoch."""

    shard: ShardId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class ShardRow:
    """Who owns a shard, as the store says. `owner` is None for a shard that was released."""

    shard: ShardId
    owner: Incarnation | None
    epoch: Epoch


class InboxStore(Protocol):
    """See the module's text for what may be relied upon."""

    async def append(self, batches: Sequence[Batch]) -> None:
        """Write all of it, durably, in one transaction or segment.

        Raises:
            StoreUnavailable: the outcome is unknown; append the same again.
            NotOwner: another owns one of the shards; nothing of the call was written.
        """
        ...

    async def heads(self, devices: Sequence[DeviceId]) -> Sequence[Head]:
        """One head for each device, in the order asked; an unknown device has a head at START."""
        ...

    async def read(
        self, device: DeviceId, after: Position, items: int, size: int, now_ms: int
    ) -> Page:
        """Up to `items` items, about `size` bytes, that follow `after`, across epochs."""
        ...

    async def logs(self, shards: Sequence[ShardId]) -> Sequence[DeviceId]:
        """Of shards that are held: inboxes under LOG_DEVICE (groups' logs) with items, maybe more.

        An inbox whose items are all acknowledged may be among them, one that has items is.
        """
        ...

    async def newest(self, device: DeviceId, items: int, size: int) -> Sequence[Entry]:
        """The last items of an inbox, oldest first: up to `items`, about `size` bytes."""
        ...

    async def drop(
        self, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId], *, for_good: bool = False
    ) -> None:
        """Empty the inboxes of removed devices; their numbers go on if one comes again (J6).

        `for_good`: none ever does, for the account is deleted. SQLite then forgets the heads, too;
        in Cassandra they stay, with the numbers alone (W1: nothing there is deleted as a whole).
        """
        ...

    async def sweep(self, before_ms: int, limit: int) -> int:
        """Drop up to `limit` items accepted before that time (P4); says how many went."""
        ...

    async def register(self, incarnation: Incarnation, lease_s: float) -> None:
        """Make the incarnation's lease row (L1). Once in its life, before any take.

        Raises:
            OtherShards: the number of shards is not that of the inboxes; nothing was written.
        """
        ...

    async def renew(self, incarnation: Incarnation) -> None:
        """Raise the lease's counter.

        Raises:
            NotOwner: it was marked dead; it never comes back (L2).
        """
        ...

    async def leases(self) -> dict[Incarnation, int | None]:
        """Every known incarnation with its renewal counter; None is marked dead."""
        ...

    async def mark_dead(self, incarnation: Incarnation, counter: int) -> bool:
        """Mark dead if its counter still is this; False if it has moved on (L2)."""
        ...

    async def shards(self) -> Sequence[ShardRow]:
        """All rows; a shard that was never taken has no owner and epoch 0."""
        ...

    async def take(self, incarnation: Incarnation, shards: Sequence[ShardId]) -> Sequence[Taken]:
        """Take those that are released or whose owner is dead, each with a raised epoch (L5).

        The caller asks for TAKE_AT_ONCE at most: one answer for all, within a lease.
        """
        ...

    async def release(self, incarnation: Incarnation, shards: Sequence[Taken]) -> None:
        """Give them up; only what is still ours at that epoch (L6)."""
        ...

    async def close(self) -> None:
        """Finish what waits, then give back what is held."""
        ...
