"""Many timers, one a key: set, set anew, cleared, popped in the order in which they are due.

Pure: times are numbers of one clock. Every call costs O(log n); what was set anew leaves an
entry behind, and there are never more of these than timers (and a few).
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

NEVER = float("inf")
_FEW = 64  # entries left behind that are not worth tidying


class Timers(Generic[K]):
    """Equal times are popped in the order in which they were set."""

    def __init__(self) -> None:
        self._times: dict[K, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._times)

    def set(self, key: K, at: float) -> None:
        """This key is due then, and at no other time."""
        self._count += 1
        self._times[key] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 2 * len(self._times) + _FEW:
            self._heap = [(*time, one) for one, time in self._times.items()]
            heapq.heapify(self._heap)

    def clear(self, key: K) -> None:
        """It is never due; no error where it was not set."""
        self._times.pop(key, None)

    def next_at(self) -> float:
        """When the first is due; NEVER where none is set."""
        while self._heap and self._is_past(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER

    def pop(self, now: float) -> K | None:
        """The first that is due, which is cleared; None where none is."""
        if self.next_at() > now:
            return None
        *_, key = heapq.heappop(self._heap)
        del self._times[key]
        return key

    def _is_past(self, entry: tuple[float, int, K]) -> bool:
        at, count, key = entry
        return self._times.get(key) != (at, count)
