"""Who is believed to be there, given what the members' store says (durability.md, L6).

Who comes, changes or says goodbye is believed at once; so is a single absence. A sudden loss of
more than a third, or any loss just after the store was away, says more about the store than
about the members: the last list stands until the loss has lasted `settle_s`, seen by a store that
answers all the while. So a flush, a restart or a partition of the store moves nothing.
"""

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class Roster(Generic[K, V]):
    """The last list. Times are seconds of one clock that only rises."""

    settle_s: float
    believed: dict[K, V] = field(default_factory=dict)
    _doubt_since: float | None = None
    _was_away: bool = False
    _lost: list[tuple[float, int]] = field(default_factory=list)  # when, how many

    def see(self, now: float, there: Mapping[K, V], left: Set[K] = frozenset()) -> bool:
        """Take what the store says now. True if what is believed has changed.

        `left` are those who took their own record away.
        """
        before = dict(self.believed)
        for key in left:
            self.believed.pop(key, None)
        lost = self.believed.keys() - there.keys()
        if self._believes(now, len(lost)):
            for key in lost:
                del self.believed[key]
        self.believed |= there
        self._was_away = False
        return self.believed != before

    def away(self) -> None:
        """The store does not answer: the last list stands, and a doubt begins anew after it."""
        self._was_away = True

    def _believes(self, now: float, lost: int) -> bool:
        if lost == 0:
            self._doubt_since = None
            return True
        if self._was_away or (self._doubt_since is None and self._is_sudden(now, lost)):
            self._doubt_since = now
        if self._doubt_since is not None and now - self._doubt_since < self.settle_s:
            return False
        self._doubt_since = None
        self._lost.append((now, lost))
        return True

    def _is_sudden(self, now: float, lost: int) -> bool:
        """Records that run out one after the other are one loss: others just before count."""
        self._lost = [(when, count) for when, count in self._lost if now - when < self.settle_s]
        recently = sum(count for _, count in self._lost)
        return (lost + recently) * 3 > len(self.believed) + recently
