"""Token buckets: so many at once, and so many a second. Time is an argument, in seconds."""


class Bucket:
    """Full at first. One for each thing that is limited; `burst` and `rate` are its owner's."""

    __slots__ = ("_at", "_level")

    def __init__(self, burst: float, now: float) -> None:
        self._level = burst
        self._at = now

    def take(self, now: float, burst: float, rate: float) -> float:
        """Take one token. 0.0: taken; else nothing was, and in so many seconds one will be there.

        A clock that steps back adds nothing.
        """
        if now > self._at:
            self._level = min(burst, self._level + (now - self._at) * rate)
            self._at = now
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / rate

    def full_at(self, burst: float, rate: float) -> float:
        """When it will be full again, and may be forgotten."""
        return self._at + (burst - self._level) / rate
