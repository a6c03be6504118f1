"""A router's own lease: until when it may let anything follow from a write (L1–L3).

The deadline is counted from before the last confirmed renewal was sent, on a clock that also
counts suspend; no two machines' clocks are compared.
"""


class Lease:
    """`now` is in seconds on the boot-time clock. Once over, it stays over."""

    def __init__(self, lease_s: float, margin_s: float) -> None:
        self._length = lease_s - margin_s
        self._deadline = float("-inf")
        self._ended = False

    def confirmed(self, sent_at: float) -> None:
        """A renewal that was sent at that time has been confirmed."""
        self._deadline = max(self._deadline, sent_at + self._length)

    def end(self) -> None:
        """Somebody has marked this incarnation dead."""
        self._ended = True

    def over(self, now: float) -> bool:
        """Whether the deadline has passed; from then on it always has (L3)."""
        self._ended = self._ended or now >= self._deadline
        return self._ended
