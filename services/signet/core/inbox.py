"""What a device does with the items of its inbox.

Every item has a position (epoch, seq) and says which position it follows. The wire may lose,
repeat or reorder items, and the inbox may change its owner; these rules make each item shown
once, in order. Rule numbers are those of protos/protocol.md, "Inbox".
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from signet.core.ids import Position


class Placed(Protocol):
    """Anything with a place in an inbox. `follows` None: the wire did not say (R3)."""

    @property
    def position(self) -> Position: ...

    @property
    def follows(self) -> Position | None: ...


T = TypeVar("T", bound=Placed)


@dataclass(frozen=True, slots=True)
class Show(Generic[T]):
    """Take the item: durably, together with its position."""

    item: T


@dataclass(frozen=True, slots=True)
class Ack:
    """Say that everything up to there is durable here; only after what was to be shown is."""

    up_to: Position


@dataclass(frozen=True, slots=True)
class ReadFrom:
    """Ask for what comes after a position."""

    after: Position


Effect = Show[T] | Ack | ReadFrom


def accept(at: Position, item: T) -> tuple[Position, list[Effect[T]]]:
    """Take one item off the wire. Do the effects in order; stop at the first that fails.

    An item that does not say what it follows is never taken, not even by a device that has
    nothing yet: an earlier epoch may hold items that are still to come. The server says "follows
    nothing" as the position START; the answer to a `ReadFrom` always says what it follows.
    """
    if item.position <= at:  # R2: acknowledged again, never shown again
        return at, [Ack(at)]
    if item.follows != at:  # R3: what is missing is read from the store, never skipped
        return at, [ReadFrom(at)]
    return item.position, [Show(item), Ack(item.position)]  # R1


def expire(at: Position, first: Position, last: Position) -> tuple[Position, list[Ack | ReadFrom]]:
    """Items from `first` to `last` were dropped by age (R7): the position moves behind them."""
    if last <= at:
        return at, []
    if first.epoch == at.epoch and first.seq > at.seq + 1:  # something before them is missing
        return at, [ReadFrom(at)]
    return last, [Ack(last)]
