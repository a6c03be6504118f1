"""One connection pool to Redis, with what all adapters on it share: bounded waits, no hammering.

A call takes at most SHARED_STORE_TIMEOUT. After one that failed, none is tried for
SHARED_STORE_PAUSE: a Redis that is stopped costs one short wait a second, not one a request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from signet.core import limits

T = TypeVar("T")
log = structlog.get_logger(__name__)

FAILURES = (RedisError, OSError, TimeoutError)


class Away(ConnectionError):
    """Redis does not answer, or refuses; whether a write was done is unknown."""


class RedisClient:
    """`redis` is the client itself; go through `ask`, which bounds and counts."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = limits.SHARED_STORE_TIMEOUT,
        pause_s: float = limits.SHARED_STORE_PAUSE,
    ) -> None:
        self.redis: Redis = Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # once more, on a new connection: the pool's may be from before a restart
            retry=Retry(NoBackoff(), 1),
        )
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._at_once = asyncio.Semaphore(limits.REDIS_CONNECTIONS)
        self._closed_until = 0.0
        self._is_away = False

    async def ask(self, call: Callable[[Redis], Awaitable[Any]]) -> Any:
        """What Redis answers.

        Raises:
            Away: it did not, in time; or it did not just now and is not asked again yet.
        """
        now = asyncio.get_running_loop().time()
        if now < self._closed_until:
            raise Away("Redis did not answer a moment ago")
        try:
            async with asyncio.timeout(self._timeout_s), self._at_once:
                answer = await call(self.redis)
        except FAILURES as error:
            self.failed(error)
            raise Away(f"Redis: {error or type(error).__name__}") from error
        self.answered()
        return answer

    async def ping(self) -> None:
        """Ask whether it is there. Raises Away."""
        await self.ask(lambda redis: redis.ping())

    def failed(self, error: BaseException) -> None:
        """Ask no more for a while."""
        now = asyncio.get_running_loop().time()
        self._closed_until = now + self._pause_s
        if not self._is_away:
            log.warning("redis is away", reason=type(error).__name__)
        self._is_away = True

    def answered(self) -> None:
        """It is there."""
        if self._is_away:
            log.info("redis is back")
        self._is_away = False

    async def close(self) -> None:
        """Close all connections."""
        await self.redis.aclose()
