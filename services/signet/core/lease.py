"""One's own lease: until when anything may follow from a write (L1–L3).

The deadline is counted from before the last confirmed renewal was sent, on a clock that also
counts suspend; no two machines' clocks are compared.
"""


class Lease:
    """`now` is in seconds on the boot-time clock. Once over, it stays over."""

    __slots__ = ("deadline", "ended", "length")

    def __init__(self, lease_s: float, margin_s: float) -> None:
        self.length = lease_s - margin_s
        self.deadline = float("-inf")
        self.ended = False

    def confirmed(self, sent_at: float) -> None:
        """A renewal that was sent at that time has been confirmed."""
        self.deadline = max(self.deadline, sent_at + self.length)

    def end(self) -> None:
        """Somebody has marked this incarnation dead."""
        self.ended = True

    def over(self, now: float) -> bool:
        """Whether the deadline has passed; from then on it always has (L3)."""
        self.ended = self.ended or now >= self.deadline
        return self.ended
