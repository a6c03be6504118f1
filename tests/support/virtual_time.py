"""Virtual time: a loop whose clock leaps to the next timer when nothing else can happen.

For tests of timers without sockets and threads. What waits for nothing at all fails at once.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import ParamSpec

P = ParamSpec("P")


class _Leaping(selectors.DefaultSelector):
    """Never waits: says how far to leap."""

    leap: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen")
            self.leap(max(0.0, timeout))
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its time begins at 1000."""

    def __init__(self) -> None:
        self._virtual = 1000.0
        selector = _Leaping()
        selector.leap = self._leap
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual

    def _leap(self, seconds: float) -> None:
        self._virtual += seconds


def in_virtual_time(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test on such a loop."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
