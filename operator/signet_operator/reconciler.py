"""Which cluster is looked at when: one at a time each, many beside each other, level-based.

A wake says only "look": what is done is derived from what is there then. Wakes that come while a
cluster is looked at make one more look. A look that fails is tried again, later and later.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from signet_operator.cache import Key

log = structlog.get_logger()

GATHER_S = 0.2  # events come in bursts: one look for all of them
RETRY_S = (1.0, 60.0)  # first and longest wait after a look that failed


class Reconciler:
    """`look` does one cluster once, and says in how many seconds to look again (None: never).

    Errors that are not `expected` (the API is away, say) are bugs, and logged as such. Of a cluster
    that is not to be looked at again by itself, nothing is kept until it is woken.
    """

    def __init__(
        self,
        look: Callable[[Key], Awaitable[float | None]],
        at_once: int,
        gather_s: float = GATHER_S,
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        self._look, self._gather_s, self._expected = look, gather_s, expected
        self._slots = asyncio.Semaphore(at_once)
        self._wakes: dict[Key, asyncio.Event] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def wake(self, key: Key) -> None:
        """Look at a cluster soon."""
        if key not in self._wakes:
            self._wakes[key] = asyncio.Event()
            self._tasks[key] = asyncio.create_task(self._keep(key), name=f"cluster {key}")
        self._wakes[key].set()

    @property
    def keys(self) -> frozenset[Key]:
        """The clusters that a look is to come of."""
        return frozenset(self._tasks)

    async def close(self) -> None:
        """End all looks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, key: Key) -> None:
        woken, failures = self._wakes[key], 0
        wait: float | None = None
        while True:
            try:
                await asyncio.wait_for(woken.wait(), wait)
                await asyncio.sleep(self._gather_s)
            except TimeoutError:
                pass
            woken.clear()
            try:
                async with self._slots:
                    wait = await self._look(key)
                failures = 0
            except Exception as error:  # one cluster's fault is not the others'
                first, longest = RETRY_S
                wait = min(first * 2**failures, longest)
                failures += 1
                if isinstance(error, self._expected):
                    log.warning("a look failed", cluster=key, reason=str(error), again_s=wait)
                else:
                    log.error("a look failed", cluster=key, again_s=wait, exc_info=error)
            if wait is None and not woken.is_set():
                del self._wakes[key], self._tasks[key]
                return
