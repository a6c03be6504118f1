"""The group commit of one incarnation: segments, what follows from them, and the mark (J1–J5)."""

from collections.abc import Iterable, Sequence

from signet.core import limits
from signet.core.durability.operations import DeletePartition, Record, Segment, WriteSegment
from signet.core.durability.weights import weight
from signet.core.ids import Incarnation


class Journal:
    """Segments are numbered from 1. `run` is the highest with all up to it confirmed."""

    __slots__ = (
        "ahead", "bytes", "deleted", "incarnation", "live", "next", "per_partition",
        "run", "sizes", "submitted", "tokens", "waiting",
    )  # fmt: skip

    def __init__(self, incarnation: Incarnation, per_partition: int) -> None:
        self.incarnation = incarnation
        self.per_partition = per_partition
        self.next = 1
        self.run = 0
        self.ahead: set[int] = set()  # confirmed, with a gap below
        self.waiting: list[tuple[int, tuple[Record, ...]]] = []
        self.submitted: dict[int, Segment] = {}
        self.tokens: dict[int, tuple[int, ...]] = {}
        self.live: dict[int, int] = {}  # segment -> records that are not done; in order
        self.deleted = 0  # partitions below it are asked to be deleted
        self.bytes = 0  # of what waits or is submitted
        self.sizes: list[int] = []  # of what waits

    def add(self, token: int, records: Sequence[Record]) -> None:
        """Queue what belongs together (a Send): it is never split over segments (J1)."""
        self.waiting.append((token, tuple(records)))
        self.sizes.append(sum(map(weight, records)))
        self.bytes += self.sizes[-1]

    def write(self) -> WriteSegment | None:
        """All that waits as one segment (J1), as far as one row may hold it."""
        if not self.waiting:
            return None
        groups = self._gathered()
        records = tuple(record for _, group in groups for record in group)
        segment = Segment(self.incarnation, self.next, records)
        self.tokens[self.next] = tuple(token for token, _ in groups)
        self.submitted[self.next] = segment
        self.live[self.next] = len(records)
        self.next += 1
        return WriteSegment(segment)

    def _gathered(self) -> list[tuple[int, tuple[Record, ...]]]:
        """The first that waits, and what still fits behind it."""
        count, size = 1, self.sizes[0]
        while count < len(self.sizes) and size + self.sizes[count] <= limits.SEGMENT_BYTES:
            size += self.sizes[count]
            count += 1
        groups, self.waiting = self.waiting[:count], self.waiting[count:]
        self.sizes = self.sizes[count:]
        return groups

    def again(self, number: int) -> WriteSegment:
        """A segment whose outcome is unknown: the same key, the same bytes (J2)."""
        return WriteSegment(self.submitted[number])

    def confirmed(self, number: int) -> list[tuple[Segment, tuple[int, ...]]]:
        """A segment is durable: the segments that follow from now on, with their tokens (J3)."""
        self.ahead.add(number)
        follow = []
        for ready in self.followers(number):
            self.ahead.discard(ready)
            self.run = max(self.run, ready)
            segment = self.submitted.pop(ready)
            self.bytes -= sum(map(weight, segment.records))
            follow.append((segment, self.tokens.pop(ready)))
        return follow

    def followers(self, number: int) -> Iterable[int]:
        """Every segment whose predecessors are all confirmed (J3)."""
        ready = self.run + 1
        while ready in self.ahead:
            yield ready
            ready += 1

    def done(self, number: int) -> None:
        """One record of a segment needs the journal no longer (J5)."""
        self.live[number] -= 1

    def mark(self) -> int:
        """The lowest segment that is still needed: to be written with the next renewal (J4)."""
        over, mark = [], self.next
        for number, live in self.live.items():
            if live > 0 or number > self.run:
                mark = number
                break
            over.append(number)
        for number in over:
            del self.live[number]
        return mark

    def deletions(self, confirmed_mark: int) -> list[DeletePartition]:
        """Partitions that are wholly below the mark that is confirmed (J4)."""
        end = self.safe_mark(confirmed_mark) // self.per_partition
        asked = [DeletePartition(self.incarnation, p) for p in range(self.deleted, end)]
        self.deleted = max(self.deleted, end)
        return asked

    def safe_mark(self, confirmed_mark: int) -> int:
        """The mark that a reader would start from: what is confirmed, not what is hoped (J4)."""
        return confirmed_mark
