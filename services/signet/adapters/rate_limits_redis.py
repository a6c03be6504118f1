"""Limits that all pods share, in Redis: moving windows of `limits`, one script a hit.

What may be relied upon: all pods count into one window, by their own clocks (a pod whose clock is
wrong lets its own callers pass early or late). A Redis that is away allows, within
SHARED_STORE_TIMEOUT, and is counted by `away`; one that lost its data starts its windows anew.
"""

import time
from collections.abc import Callable
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from signet.adapters.redis_client import Away, RedisClient
from signet.core.limits import SHARED_STORE_TIMEOUT
from signet.ports.rate_limits import Allowed

PREFIX = "signet:limits"


class RedisRateLimits:
    """RateLimits on Redis 7 or Valkey. `away` is called for each hit that nobody counted."""

    def __init__(
        self,
        url: str,
        *,
        away: Callable[[], None],
        timeout_s: float = SHARED_STORE_TIMEOUT,
    ) -> None:
        self._client = RedisClient(url, timeout_s=timeout_s)
        pool: Any = self._client.redis.connection_pool  # an option that its type does not name
        storage = RedisStorage(
            url,
            implementation="redispy",
            key_prefix=PREFIX,
            connection_pool=pool,
        )
        self._windows = MovingWindowRateLimiter(storage)
        self._away = away

    async def hit(self, name: str, key: str, amount: int, period_s: int, cost: int = 1) -> Allowed:
        """See RateLimits. A refused hit is not counted."""
        limit = RateLimitItemPerSecond(amount, period_s)
        try:
            if await self._client.ask(lambda _: self._windows.hit(limit, name, key, cost=cost)):
                return Allowed(True)
            stats = await self._client.ask(
                lambda _: self._windows.get_window_stats(limit, name, key)
            )
        except Away:
            self._away()
            return Allowed(True)
        return Allowed(False, min(max(stats.reset_time - time.time(), 0.0), float(period_s)))

    async def ping(self) -> None:
        """Ask whether Redis is there. Raises Away."""
        await self._client.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
