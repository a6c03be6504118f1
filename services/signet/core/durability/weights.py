"""What records weigh, and counts that forget zeros."""

from collections.abc import Iterable
from typing import TypeVar

from signet.core import limits
from signet.core.durability.operations import Put, Record

K = TypeVar("K")


def weight(record: Record) -> int:
    """What a record costs in memory, in bytes."""
    return limits.RECORD_BYTES + (len(record.body) if isinstance(record, Put) else 0)


def less(counts: dict[K, int], key: K, by: int) -> None:
    """Count down; what is zero is not kept."""
    counts[key] -= by
    if not counts[key]:
        del counts[key]


def batch(puts: Iterable[Put]) -> tuple[Put, ...]:
    """The first of them, as many as are written to the rows of one device at once."""
    taken, size = [], 0
    for put in puts:
        if size >= limits.ROW_BATCH_BYTES:
            break
        taken.append(put)
        size += weight(put)
    return tuple(taken)
