"""Limits in moving windows of `limits`, in the memory of this process: the embedded default.

What may be relied upon: exact counts within the process; they are gone when it ends. Pods that
share limits have them in Redis (rate_limits_redis).
"""

from time import time

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from signet.ports.rate_limits import Allowed


class MemoryRateLimits:
    """ports/rate_limits.RateLimits."""

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    async def hit(self, name: str, key: str, amount: int, period_s: int, cost: int = 1) -> Allowed:
        """See RateLimits. A refused hit is not counted."""
        window = RateLimitItemPerSecond(amount, period_s)
        if await self._windows.hit(window, name, key, cost=cost):
            return Allowed(True)
        stats = await self._windows.get_window_stats(window, name, key)
        return Allowed(False, min(max(stats.reset_time - time(), 0.0), float(period_s)))

    async def close(self) -> None:
        """Nothing is held that does not end with the object."""
