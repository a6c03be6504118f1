"""A device that stays away with items waiting is hinted again, more and more rarely (design.md §5).

Pure: times are seconds of one clock that only rises. A hint may be lost, and so may this memory: a
new owner reminds nobody until a new message comes.
"""

from collections.abc import Callable, Iterable

from signet.core import limits
from signet.core.grouped import Grouped
from signet.core.ids import ShardId, UserId
from signet.core.timers import Timers


class Reminders:
    """One owner's users who were hinted. Bounded: those who were hinted last are left out."""

    def __init__(
        self, shard: Callable[[UserId], ShardId], most: int = limits.REMEMBERED_USERS
    ) -> None:
        self._timers: Timers[UserId] = Timers()
        self._by_shard: Grouped[UserId, ShardId] = Grouped(shard)
        self._waits: dict[UserId, float] = {}
        self._most = most

    def hinted(self, user: UserId, now: float) -> None:
        """A message came for somebody who is away. Others that follow change nothing."""
        if user not in self._waits and len(self._waits) < self._most:
            self._set(user, now, limits.REMIND_AFTER)

    def due(self, now: float, away: Callable[[UserId], bool]) -> list[UserId]:
        """Whom to hint again. `away`: whether somebody still has items waiting, and no stream."""
        again: list[UserId] = []
        while (user := self._timers.pop(now)) is not None:
            wait = 2 * self._waits.pop(user)
            self._by_shard.discard(user)
            if not away(user):
                continue
            again.append(user)
            if wait <= limits.REMIND_AT_MOST:
                self._set(user, now, wait)
        return again

    def forget(self, shards: Iterable[ShardId]) -> None:
        """Those who are another owner's now."""
        for user in self._by_shard.take(shards):
            del self._waits[user]
            self._timers.clear(user)

    def _set(self, user: UserId, now: float, wait: float) -> None:
        self._waits[user] = wait
        self._by_shard.add(user)
        self._timers.set(user, now + wait)
