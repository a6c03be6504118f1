"""Token buckets: so many at once, and so many a second. Time is an argument, in seconds."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
_FEW = 1024  # buckets that are kept without a look at which are full again


class Bucket:
    """Full at first. One for each thing that is limited; `burst` and `rate` are its owner's."""

    __slots__ = ("_at", "_level")

    def __init__(self, burst: float, now: float) -> None:
        self._level = burst
        self._at = now

    def wait(self, now: float, burst: float, rate: float) -> float:
        """In how many seconds a token will be there; 0.0: now. A clock that steps back adds none.

        Nothing is taken.
        """
        if now > self._at:
            self._level = min(burst, self._level + (now - self._at) * rate)
            self._at = now
        return 0.0 if self._level >= 1.0 else (1.0 - self._level) / rate

    def take(self, now: float, burst: float, rate: float) -> float:
        """Take one token. 0.0: taken; else nothing was, and so many seconds are to be waited."""
        wait = self.wait(now, burst, rate)
        if not wait:
            self._level -= 1.0
        return wait

    def full_at(self, burst: float, rate: float) -> float:
        """When it will be full again, and may be forgotten."""
        return self._at + (burst - self._level) / rate


class Buckets(Generic[K]):
    """A bucket for each key. Those that are full again are forgotten."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst, self._rate = burst, rate
        self._buckets: dict[K, Bucket] = {}
        self._most = _FEW

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: K, now: float) -> float:
        """As Bucket.take."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._forget(now)
            bucket = self._buckets[key] = Bucket(self._burst, now)
        return bucket.take(now, self._burst, self._rate)

    def wait(self, key: K, now: float) -> float:
        """As Bucket.wait: nothing is taken."""
        bucket = self._buckets.get(key)
        return bucket.wait(now, self._burst, self._rate) if bucket else 0.0

    def _forget(self, now: float) -> None:
        burst, rate = self._burst, self._rate
        self._buckets = {k: b for k, b in self._buckets.items() if b.full_at(burst, rate) > now}
        self._most = max(_FEW, 2 * len(self._buckets))
