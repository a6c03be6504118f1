"""How fast a draining gateway asks its streams to move (design.md §7). Pure; times in seconds.

- Each target says how many moved streams a second it takes; all that drain share that, and a part
  is left for those who come by themselves.
- What is asked is spread evenly: one half of the time is for asking, the other for the last to go;
  few streams do not take that long.
- In no second are more asked than the rate, whatever the steps of time are; what a pause left out
  is not made up for.
"""

from collections import deque
from collections.abc import Mapping

from signet.core.drain import Order
from signet.core.limits import DRAIN_PART, DRAIN_RATE, PACE_STEP

_ASKING = 0.5  # of the time that is left when an order comes


class Window:
    """What was asked in the last second, of one target or of all."""

    def __init__(self) -> None:
        self._asked: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._credit = 1.0
        self._at: float | None = None

    def room(self, now: float, rate: float) -> int:
        """How many may be asked now, at this rate a second."""
        while self._asked and now - self._asked[0][0] >= 1.0:
            self._sum -= self._asked.popleft()[1]
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._credit = min(self._credit + passed * rate, 1.0 + PACE_STEP * rate)
        return max(0, min(int(self._credit), max(1, int(rate)) - self._sum)) if rate > 0 else 0

    def asked(self, now: float, count: int) -> None:
        """So many were."""
        if count:
            self._asked.append((now, count))
            self._sum += count
            self._credit -= count


class Pace:
    """One drain. A second order goes on with the same windows: no burst where one follows."""

    def __init__(self, order: Order, now: float) -> None:
        self._all = Window()
        self._each: dict[str, Window] = {}
        self.order(order, now)

    def order(self, order: Order, now: float) -> None:
        """What was asked for, now and from now on."""
        self._most = order.rate
        self._asked_by = now + (order.deadline - now) * _ASKING

    def step(
        self, now: float, left: Mapping[str, int], accepts: Mapping[str, float], drains: int
    ) -> dict[str, int]:
        """How many of each target's streams are asked now; call it each PACE_STEP.

        `left`: streams that were not asked yet, by target. `accepts`: what each target takes a
        second; one that is not named takes nothing. `drains`: gateways that drain, this included.
        """
        time = max(self._asked_by - now, PACE_STEP)
        room = self._all.room(now, self._most) if self._most else sum(left.values())
        asks: dict[str, int] = {}
        for target in sorted(left, key=lambda name: (-left[name], name)):
            wanted = max(left[target] / time, DRAIN_RATE)
            rate = min(wanted, accepts.get(target, 0.0) * DRAIN_PART / drains)
            window = self._each.setdefault(target, Window())
            count = min(window.room(now, rate), left[target], room)
            window.asked(now, count)
            room -= count
            if count:
                asks[target] = count
        self._all.asked(now, sum(asks.values()))
        return asks
