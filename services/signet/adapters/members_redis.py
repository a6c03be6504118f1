"""Members in Redis: a hash of records, a sorted set of when each runs out, a version.

Three keys under one hash tag, so that a Redis cluster keeps them together. Scripts do each
step whole, on Redis's own clock: no two machines' clocks are compared. Whoever looks says which
version it has, and gets one number back while nothing has changed.

What may be relied upon (L6): a record is written again every MEMBER_REFRESH and lives for
MEMBER_TTL. Redis away, restarted, flushed or partitioned moves nothing: see core/roster.py. A
Redis that is stopped holds up no call for longer than SHARED_STORE_TIMEOUT.
"""

from collections.abc import Sequence

from signet.adapters.members_polled import PolledMembers
from signet.adapters.members_view import decode, encode, key_of
from signet.adapters.redis_client import RedisClient
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


class RedisMembers(PolledMembers):
    """Members on Redis 7 or Valkey. The times are arguments for tests; see core/limits.py."""

    def __init__(
        self,
        url: str,
        *,
        ttl_s: float = limits.MEMBER_TTL,
        refresh_s: float = limits.MEMBER_REFRESH,
        poll_s: float = limits.MEMBER_POLL,
        settle_s: float = limits.MEMBERS_SETTLE,
        timeout_s: float = limits.SHARED_STORE_TIMEOUT,
    ) -> None:
        super().__init__(refresh_s=refresh_s, poll_s=poll_s, settle_s=settle_s)
        self._client = RedisClient(
            url, timeout_s=timeout_s, pause_s=min(limits.SHARED_STORE_PAUSE, poll_s)
        )
        self._put = self._client.redis.register_script(PUT)
        self._ask = self._client.redis.register_script(LOOK)
        self._ttl_ms = round(ttl_s * 1000)
        self._version = b"none"
        self._seen: list[tuple[Member, bool]] = []

    async def _write(self, member: Member, *, left: bool = False) -> None:
        arguments = [":".join(key_of(member)), encode(member, left=left), str(self._ttl_ms)]
        await self._client.ask(lambda _: self._put(keys=KEYS, args=arguments))

    async def _read(self) -> Sequence[tuple[Member, bool]]:
        answer = await self._client.ask(lambda _: self._ask(keys=KEYS, args=[self._version]))
        self._version = answer[0]
        if len(answer) > 1:
            self._seen = [found for found in map(decode, answer[1]) if found is not None]
        return self._seen

    async def ping(self) -> None:
        """Ask whether Redis is there. Raises Away."""
        await self._client.ping()

    async def _end(self) -> None:
        await self._client.close()
