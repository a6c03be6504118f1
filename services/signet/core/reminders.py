"""A device that stays away with items waiting is hinted again, more and more rarely (design.md §5).

Pure: times are seconds of one clock that only rises. A hint may be lost, and so may this memory: a
new owner reminds nobody until a new message comes.
"""

from collections.abc import Callable, Iterable

from signet.core import limits
from signet.core.grouped import Grouped
from signet.core.ids import DeviceId, ShardId
from signet.core.timers import Timers


class Reminders:
    """One owner's devices that were hinted. Bounded: those that were hinted last are left out."""

    def __init__(
        self, shard: Callable[[DeviceId], ShardId], most: int = limits.REMEMBERED_USERS
    ) -> None:
        self._timers: Timers[DeviceId] = Timers()
        self._by_shard: Grouped[DeviceId, ShardId] = Grouped(shard)
        self._waits: dict[DeviceId, float] = {}
        self._away: set[DeviceId] = set()  # of those, who has not come since the last hint
        self._most = most

    def hinted(self, device: DeviceId, now: float) -> None:
        """A message came for a device that is away. Others that follow put nothing off."""
        if device not in self._waits:
            if len(self._waits) >= self._most:
                return
            self._set(device, now, limits.REMIND_AFTER)
        self._away.add(device)

    def came_back(self, device: DeviceId) -> bool:
        """Whether it was hinted since it was last here. It is reminded all the same if it goes."""
        if device not in self._away:
            return False
        self._away.remove(device)
        return True

    def due(self, now: float, away: Callable[[DeviceId], bool]) -> list[DeviceId]:
        """What to hint again. `away`: whether a device still has items waiting, and no stream."""
        again: list[DeviceId] = []
        while (device := self._timers.pop(now)) is not None:
            wait = 2 * self._waits.pop(device)
            self._by_shard.discard(device)
            self._away.discard(device)
            if not away(device):
                continue
            again.append(device)
            if wait <= limits.REMIND_AT_MOST:
                self._set(device, now, wait)
                self._away.add(device)
        return again

    def forget(self, shards: Iterable[ShardId]) -> None:
        """Those that are another owner's now."""
        for device in self._by_shard.take(shards):
            del self._waits[device]
            self._away.discard(device)
            self._timers.clear(device)

    def _set(self, device: DeviceId, now: float, wait: float) -> None:
        self._waits[device] = wait
        self._by_shard.add(device)
        self._timers.set(device, now + wait)
