"""Keeps full collections short: after a wave of attaches, what is open is not looked at again.

Python's collector goes through all objects that live; with 20,000 streams that stops the world for
0.2 s. `gc.freeze` puts what is there aside. Streams that end are freed all the same, by count, for
they are in no cycle when they have ended.
"""

import gc
from collections.abc import Callable

from signet.core.limits import FREEZE_AFTER, FREEZE_QUIET


def _freeze() -> None:
    gc.collect(1)  # what is young and dead is not to be kept
    gc.freeze()


class Freezing:
    """`tick` it with the number of streams that were opened in all. Times are seconds."""

    def __init__(self, freeze: Callable[[], None] = _freeze) -> None:
        self._freeze = freeze
        self._frozen = self._last = 0
        self._quiet_since = 0.0

    def tick(self, now: float, opened: int) -> None:
        """Freeze where a wave is over: many came, and for a while few did."""
        if opened - self._last > FREEZE_AFTER // 100:
            self._quiet_since = now
        self._last = opened
        if opened - self._frozen >= FREEZE_AFTER and now - self._quiet_since >= FREEZE_QUIET:
            self._frozen = opened
            self._freeze()
