"""How many streams are let in, how fast, and when the others are told to come back (T2).

Those who are refused get slots one after the other, at the rate at which streams are admitted: a
storm that is told its time comes back as a queue, not as a storm.
"""

import math

from signet.core.buckets import Bucket
from signet.core.limits import ACCEPT_PART, BACKOFF_CAP

_SOONEST = 1.0  # seconds. Lower: a refused client is back before anything has changed.
_FULL_PART = 0.1  # of a handshake's timeout: for how long a full house is watched at a time


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
            return self.slot(now)
        self.streams += 1
        self.handshakes += 1
        return 0.0

    def slot(self, now: float) -> float:
        """In how many seconds one that is not let in is to come: behind the one before."""
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


class Patience:
    """Whether handshakes end fast enough for those behind them to wait. Pure: times in seconds.

    They do not where, of a full house, fewer end in `window` than if each took all of `timeout`:
    their clients are slow, or strangers that say nothing.
    """

    def __init__(self, most: int, timeout: float) -> None:
        self.window = timeout * _FULL_PART
        self._enough = max(1, int(most * _FULL_PART))
        self._since = -math.inf
        self._ended = 0
        self._stuck = False

    def ended(self) -> None:
        """A handshake is over, well or badly."""
        self._ended += 1

    def full(self, now: float) -> float:
        """All are taken: for how long to wait for one to end; 0.0: do not wait any more."""
        passed = now - self._since
        if passed >= self.window:
            watched = passed < 2 * self.window  # else there was room, or nobody came
            self._stuck = watched and self._ended < self._enough
            self._since, self._ended, passed = now, 0, 0.0
        return 0.0 if self._stuck else self.window - passed
