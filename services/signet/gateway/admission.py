"""How many streams are let in, how fast, and when the others are told to come back (T2).

Those who are refused get slots one after the other, at the rate at which streams are admitted: a
storm that is told its time comes back as a queue, not as a storm.
"""

from signet.core.buckets import Bucket
from signet.core.limits import ACCEPT_PART, BACKOFF_CAP

_SOONEST = 1.0  # seconds. Lower: a refused client is back before anything has changed.


class Admission:
    """Counts what is open and what is in its handshake. Pure: `now` is an argument, in seconds."""

    def __init__(
        self, *, streams: int, handshakes: int, burst: float, rate: float, now: float
    ) -> None:
        self._most_streams, self._most_handshakes = streams, handshakes
        self._burst, self._rate = burst, rate
        self._bucket = Bucket(burst, now)
        self._next_slot = now
        self.streams = 0
        self.handshakes = 0

    def admit(self, now: float) -> float:
        """0.0: the stream is in, in its handshake; else it is not, and when to come (seconds)."""
        full = self.streams >= self._most_streams or self.handshakes >= self._most_handshakes
        if full or self._bucket.take(now, self._burst, self._rate):
            return self._slot(now)
        self.streams += 1
        self.handshakes += 1
        return 0.0

    def _slot(self, now: float) -> float:
        self._next_slot = max(self._next_slot, now + _SOONEST) + 1 / self._rate
        wait = self._next_slot - now
        if wait > BACKOFF_CAP:  # the queue is long enough: start at its front again
            self._next_slot = now + _SOONEST
        return wait

    def accepts(self, now: float) -> float:
        """How many moved streams a second may be sent here; 0: it is full, or has a queue."""
        if self._next_slot > now + _SOONEST:
            return 0.0
        room = min(self._most_streams - self.streams, self._most_handshakes - self.handshakes)
        return max(0.0, min(self._rate * ACCEPT_PART, room))

    def greeted(self) -> None:
        """A handshake is over: the stream is ACTIVE."""
        self.handshakes -= 1

    def left(self, *, greeted: bool) -> None:
        """A stream that was let in is gone."""
        self.streams -= 1
        if not greeted:
            self.handshakes -= 1
