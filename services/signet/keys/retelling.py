"""What is to be told until it was: at once by whoever made it, and again and again from here."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import structlog

from signet.core.limits import TELL_AGAIN
from signet.ports.inbox import StoreUnavailable

T = TypeVar("T")

log = structlog.get_logger()

# What telling may raise: owners of shards are away, or the store that they read is.
AWAY = (OSError, TimeoutError, StoreUnavailable)


class Retelling(ABC, Generic[T]):
    """An outbox in the directory. A crash or a race makes it twice, never less than once."""

    def __init__(self) -> None:
        self._seen: set[T] = set()

    @abstractmethod
    async def _untold(self) -> Sequence[T]:
        """All that is there. Raises StoreUnavailable."""

    @abstractmethod
    async def _tell(self, change: T) -> None:
        """One of it; what cannot be told now stays."""

    @abstractmethod
    def _order(self, change: T) -> Any:
        """Which is told first."""

    async def run(self, every_s: float = TELL_AGAIN) -> None:
        """Tell what is left from before, and then what is left each time, until it is cancelled."""
        fresh = True
        while True:
            try:
                await self.catch_up(fresh=fresh)
            except Exception as error:  # a bug that shall not leave everybody else untold
                log.error("telling what is untold failed", exc_info=error)
            fresh = False
            await asyncio.sleep(every_s)

    async def catch_up(self, *, fresh: bool = False) -> None:
        """Tell what was untold the last time and still is; `fresh`: also what is new.

        What is new is being told by whoever made it.
        """
        try:
            found = set(await self._untold())
        except StoreUnavailable:
            return
        late = found if fresh else found & self._seen
        for change in sorted(late, key=self._order):
            await self._tell(change)
        self._seen = found
