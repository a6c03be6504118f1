"""How far a transfer has come."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of the ciphertext, which is a little longer than the file."""

    done: int
    total: int


OnProgress = Callable[[Progress], None]
"""Called on the event loop, often; it must not wait. `done` goes back where a part is put again."""


class Meter:
    """Counts for a callback."""

    def __init__(self, total: int, done: int, told: OnProgress | None) -> None:
        self._total, self._done, self._told = total, done, told
        self.moved(0)

    def moved(self, count: int) -> None:
        self._done += count
        if self._told is not None:
            self._told(Progress(self._done, self._total))
