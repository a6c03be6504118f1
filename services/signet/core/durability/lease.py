"""Whose life it is: one's own lease, and the watch on others' (L1, L2, L4).

Times are seconds on this machine's own clock, which also counts suspend; two machines' clocks are
never compared (L2).
"""

from signet.core.durability.operations import (
    UNKNOWN,
    Answer,
    LeaseRow,
    MarkDead,
    ReadLease,
    Renew,
)
from signet.core.ids import Incarnation
from signet.core.lease import Lease


class OwnLease(Lease):
    """The owner's side, with the row. `counter` is the last renewal that is known to be in it."""

    __slots__ = ("counter", "incarnation", "mark", "sent_at")

    def __init__(self, incarnation: Incarnation, lease_s: float, margin_s: float) -> None:
        super().__init__(lease_s, margin_s)
        self.incarnation = incarnation
        self.counter = 0
        self.mark = 1  # the last confirmed one (J4)
        self.sent_at: float | None = None  # when the renewal under way was first sent

    def registered(self, sent_at: float) -> None:
        """The row was made; the request was sent at that time."""
        self.confirmed(sent_at)

    def renew(self, now: float, mark: int) -> Renew | None:
        """A renewal that carries the mark (J4). None while one is under way."""
        if self.sent_at is not None:
            return None
        self.sent_at = now
        return Renew(self.incarnation, self.counter, mark)

    def answered(self, answer: Answer) -> ReadLease | None:
        """The row after a renewal, or after the serial read of an unknown one (L4)."""
        if answer is UNKNOWN:
            return ReadLease(self.incarnation)
        assert isinstance(answer, LeaseRow)
        if answer.dead:
            self.end()  # L2: renewals fail for ever
            return None
        if answer.counter > self.counter and self.sent_at is not None:
            # The first attempt of this counter may be the one that counted: L2 asks for "before".
            self.confirmed(self.counted_from(self.sent_at))
            self.counter = answer.counter
            self.mark = max(self.mark, answer.mark)
            self.sent_at = None
        return None

    def counted_from(self, sent_at: float) -> float:
        """From when the lease runs: before the renewal was sent, not when it was answered (L2)."""
        return sent_at

    def again(self, mark: int) -> Renew | None:
        """The renewal that was unknown and is not in the row: the same counter, later."""
        if self.sent_at is None or self.ended:
            return None
        return Renew(self.incarnation, self.counter, mark)


class Watch:
    """The taker's side: when each counter was first seen as it is, by ourselves (L2)."""

    __slots__ = ("drift", "seen")

    def __init__(self, drift_s: float) -> None:
        self.drift = drift_s
        self.seen: dict[Incarnation, tuple[int, float]] = {}

    def look(self, row: LeaseRow, now: float) -> MarkDead | None:
        """Take in a row that was read before `now`; say what is to be marked dead."""
        if row.dead:
            self.seen.pop(row.incarnation, None)
            return None
        counter, since = self.seen.get(row.incarnation, (-1, now))
        if counter != row.counter:
            self.seen[row.incarnation] = (row.counter, now)
            return None
        if not self.expired(row, since, now):
            return None
        return MarkDead(row.incarnation, row.counter)  # an LWT on that counter

    def expired(self, row: LeaseRow, since: float, now: float) -> bool:
        """Unchanged for the lease plus drift, on our own clock."""
        return now >= since + row.lease_s + self.drift
