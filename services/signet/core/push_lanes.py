"""Many providers beside each other: each has its own lane, and none holds up another.

A lane is a provider as it fails: Apple's service, Google's, a webhook, and for web push each host,
for its URLs are strangers'. Pure: times are seconds of one clock that only rises.

- U9 Each lane follows U1–U8 by itself: its failures, its back-off, its wake-ups under way.
- U10 At most PUSH_IN_ALL wake-ups are under way in all lanes; these take turns.
- U11 Beyond PUSH_LANES, those of a kind share one. A lane that remembers nothing is given up then.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, NewType

from signet.core.ids import DeviceId
from signet.core.limits import PUSH_GONE, PUSH_IN_ALL, PUSH_LANES
from signet.core.push_hints import Hint, Unwoken, Wake
from signet.core.pushing import Pushing, Room
from signet.core.timers import NEVER

Lane = NewType("Lane", str)  # a kind of provider, or KIND:HOST


class InLane(NamedTuple):
    """What sets out, and where it is to be said what came of it."""

    lane: Lane
    wake: Wake[DeviceId]


class Lanes:
    """`by_user` are those whose provider knows users, not devices: device 0 there.

    Only these remember who is gone; for devices, a registration says so.
    """

    def __init__(
        self,
        by_user: Iterable[Lane] = (),
        *,
        room: Room | None = None,
        most: int = PUSH_LANES,
        in_all: int = PUSH_IN_ALL,
    ) -> None:
        self._room, self._most, self._in_all = room or Room(), most, in_all
        self._lanes: dict[Lane, Pushing[DeviceId]] = {
            lane: Pushing(self._room, gone_s=PUSH_GONE) for lane in by_user
        }
        self._by_user = frozenset(self._lanes)

    def __getitem__(self, lane: Lane) -> Pushing[DeviceId]:
        """One that a wake-up set out in."""
        return self._lanes[lane]

    @property
    def waiting(self) -> int:
        return sum(pushing.waiting for pushing in self._lanes.values())

    @property
    def under_way(self) -> int:
        return sum(pushing.under_way for pushing in self._lanes.values())

    @property
    def remembered(self) -> int:
        return self._room.taken

    def __contains__(self, lane: Lane) -> bool:
        return lane in self._lanes

    def __len__(self) -> int:
        return len(self._lanes)

    def hinted(self, lane: Lane, to: DeviceId, hint: Hint, now: float) -> Unwoken | None:
        """Take a hint; None: it waits, perhaps until `due` at this very moment."""
        return self._lanes[self._open(lane)].hinted(to, hint, now)

    def came_back(self, device: DeviceId, now: float) -> list[Unwoken]:
        """U8, in every lane."""
        dropped: list[Unwoken] = []
        for lane, pushing in self._lanes.items():
            to = DeviceId(device.user, 0) if lane in self._by_user else device
            dropped += pushing.came_back(to, device.device, now)
        return dropped

    def due(self, now: float) -> tuple[list[InLane], list[Unwoken]]:
        """What sets out now. The lane that was first is last the next time (U10)."""
        found: list[InLane] = []
        dropped: list[Unwoken] = []
        left = self._in_all - self.under_way
        for lane in list(self._lanes):
            wakes, unwoken = self._lanes[lane].due(now, left - len(found))
            found += [InLane(lane, wake) for wake in wakes]
            dropped += unwoken
            if wakes:
                self._lanes[lane] = self._lanes.pop(lane)
        return found, dropped

    def due_at(self) -> float:
        """When `due` has something; NEVER: not before something else happens."""
        if self.under_way >= self._in_all:
            return NEVER
        return min((pushing.due_at() for pushing in self._lanes.values()), default=NEVER)

    def left(self) -> Iterator[Wake[DeviceId]]:
        """What waits or is under way: for whoever goes on after this one."""
        for pushing in self._lanes.values():
            yield from pushing.left()

    def _open(self, lane: Lane) -> Lane:
        """The lane, or the one that those of its kind share for whom there is no room (U11)."""
        if lane not in self._lanes and len(self._lanes) >= self._most:
            for name in [*self._lanes]:
                if name not in self._by_user and not self._lanes[name].remembered:
                    del self._lanes[name]
            if len(self._lanes) >= self._most:
                lane = Lane(lane.partition(":")[0] + ":")
        if lane not in self._lanes:
            self._lanes[lane] = Pushing(self._room, gone_s=0.0)
        return lane
