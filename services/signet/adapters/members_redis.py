"""Members in Redis: a hash of records, a sorted set of when each runs out, a version.

Three keys under one hash tag, so that a Redis cluster keeps them together. Scripts do each
step whole, on Redis's own clock: no two machines' clocks are compared. Whoever looks says which
version it has, and gets one number back while nothing has changed.

What may be relied upon (L6): a record is written again every MEMBER_REFRESH and lives for
MEMBER_TTL. Redis away, restarted, flushed or partitioned moves nothing: see core/roster.py. A
Redis that is stopped holds up no call for longer than SHARED_STORE_TIMEOUT.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from signet.adapters.members_view import Key, View, decode, encode, is_urgent, key_of
from signet.adapters.redis_client import Away, RedisClient
from signet.core import limits
from signet.ports.members import Member

RECORDS, ENDS, VERSION = KEYS = (
    "{signet:members}:records",
    "{signet:members}:ends",
    "{signet:members}:version",
)

# The version is Redis's time in microseconds, or one more than the last: it never comes twice,
# not even after a flush.
BEGIN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function changed()
  local last = tonumber(redis.call('GET', KEYS[3]) or '0')
  local version = math.max(time[1] * 1000000 + time[2], last + 1)
  redis.call('SET', KEYS[3], string.format('%.0f', version))
end
"""
PUT = (
    BEGIN
    + """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  changed()
end
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
"""
)
LOOK = (
    BEGIN
    + """
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)
for _, field in ipairs(gone) do
  redis.call('ZREM', KEYS[2], field)
  redis.call('HDEL', KEYS[1], field)
end
if #gone > 0 then changed() end
local version = redis.call('GET', KEYS[3]) or ''
if version == ARGV[1] then return {version} end
return {version, redis.call('HVALS', KEYS[1])}
"""
)


class RedisMembers:
    """Members on Redis 7 or Valkey. The times are arguments for tests; see core/limits.py."""

    def __init__(
        self,
        url: str,
        *,
        ttl_s: float = limits.MEMBER_TTL,
        refresh_s: float = limits.MEMBER_REFRESH,
        poll_s: float = limits.MEMBER_POLL,
        settle_s: float = limits.MEMBERS_SETTLE,
    ) -> None:
        self._client = RedisClient(url, pause_s=min(limits.SHARED_STORE_PAUSE, poll_s))
        self._put = self._client.redis.register_script(PUT)
        self._look = self._client.redis.register_script(LOOK)
        self._ttl_s, self._refresh_s, self._poll_s = ttl_s, refresh_s, poll_s
        self._view = View(settle_s)
        self._version = b"none"
        self._seen: list[tuple[Member, bool]] = []
        self._own: dict[Key, Member] = {}
        self._looking = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    async def put(self, member: Member) -> None:
        """See Members.

        Raises:
            ConnectionError: Redis is away. The record is written as soon as it is back.
        """
        urgent = is_urgent(self._own.get(key_of(member)), member)
        self._own[key_of(member)] = member
        self._run_tasks()
        if urgent:
            await self._write(member, encode(member))

    async def remove(self, member: Member) -> None:
        """See Members. While Redis is away the record just runs out."""
        self._own.pop(key_of(member), None)
        with contextlib.suppress(Away):
            await self._write(member, encode(member, left=True))

    async def list(self) -> Sequence[Member]:
        """See Members."""
        await self._refresh_view()
        return self._view.members()

    async def watch(self) -> AsyncIterator[Sequence[Member]]:
        """See Members. Looks every MEMBER_POLL, once for all who watch."""
        await self._refresh_view()
        self._run_tasks()
        async for members in self._view.watch():
            yield members

    async def close(self) -> None:
        """End watches; own records run out unless they were removed."""
        self._closed = True  # a call of Redis may swallow the cancellation below
        self._view.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def _write(self, member: Member, record: str) -> None:
        field, ttl_ms = ":".join(key_of(member)), str(round(self._ttl_s * 1000))
        await self._client.ask(lambda _: self._put(keys=KEYS, args=[field, record, ttl_ms]))

    async def _refresh_view(self) -> None:
        """One look at a time: answers are taken in the order in which Redis gave them."""
        async with self._looking:
            try:
                answer = await self._client.ask(
                    lambda _: self._look(keys=KEYS, args=[self._version])
                )
            except Away:
                self._view.away()
                return
            self._version = answer[0]
            if len(answer) > 1:
                self._seen = [found for found in map(decode, answer[1]) if found is not None]
            self._view.see(self._seen)  # unchanged too: a loss is believed by its lasting

    def _run_tasks(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._keep_alive()),
                asyncio.create_task(self._poll()),
            ]

    async def _keep_alive(self) -> None:
        while not self._closed:
            await asyncio.sleep(self._refresh_s)
            for member in tuple(self._own.values()):
                with contextlib.suppress(Away):
                    await self._write(member, encode(member))
                # a removal that overtook this write stands
                if key_of(member) not in self._own:
                    await self.remove(member)

    async def _poll(self) -> None:
        while not self._closed:
            await asyncio.sleep(self._poll_s)
            await self._refresh_view()
