"""Timestamps of rows, and which numbers go on (W1, J6, R5)."""

from signet.core.ids import Position

SEQ_BITS = 40
EPOCH_BITS = 22


def timestamp(position: Position) -> int:
    """A cell's timestamp: a monotonic function of the position, never a clock (W1).

    Rows carry that of their own position; a range delete, the acknowledged position and the last
    number that of the position they go up to. At equal timestamps the tombstone wins, so a trim
    up to p beats every row at or below p whenever either arrives.

    Raises:
        ValueError: the position is beyond 2^22 epochs or 2^40 items.
    """
    if position.epoch >> EPOCH_BITS or position.seq >> SEQ_BITS:
        raise ValueError(f"no timestamp for {position}")
    return position.epoch << SEQ_BITS | position.seq


# A journal's row is written once, with one content: a late write loses against its deletion.
SEGMENT_TIMESTAMP = 1
DELETION_TIMESTAMP = 2


def acknowledgeable(position: Position, sent: Position) -> bool:
    """Whether a device may acknowledge it: only what was sent on its attachment (R5)."""
    return position <= sent


def next_number(last: Position, epoch: int) -> Position:
    """The position after `last`, the highest ever given, in the owner's epoch (J6)."""
    return Position(epoch, last.seq + 1 if last.epoch == epoch else 1)
