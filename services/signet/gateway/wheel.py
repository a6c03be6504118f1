"""One timer for all streams: numbers in slots of a tick, instead of a timer a stream.

A stream's deadline moves with every frame; its slot does not. When a slot comes up, the stream
is asked for its deadline again and put behind, so a frame costs no timer.
"""


class Wheel:
    """Rings up to one tick late, never early. Times are seconds of one clock."""

    def __init__(self, tick: float, now: float) -> None:
        self._tick = tick
        self._slots: dict[int, list[int]] = {}
        self._done = int(now / tick)

    def put(self, number: int, at: float) -> None:
        """Ring for a number at a time; the same number may be in several slots."""
        slot = max(int(at / self._tick) + 1, self._done + 1)
        self._slots.setdefault(slot, []).append(number)

    def due(self, now: float) -> list[int]:
        """The numbers whose time has come, each as often as it was put."""
        last = int(now / self._tick)
        if last - self._done > len(self._slots):  # after a pause: fewer slots than ticks
            passed = sorted(slot for slot in self._slots if slot <= last)
        else:
            passed = [slot for slot in range(self._done + 1, last + 1) if slot in self._slots]
        self._done = max(self._done, last)
        return [number for slot in passed for number in self._slots.pop(slot)]
