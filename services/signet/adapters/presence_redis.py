"""Presence in Redis, and when somebody was last seen.

`signet:presence:USER` is `{status, last_seen, gateway_id}` as JSON, written whole with a time to
live. The time at which a user was last seen is kept without one beside it, in hashes of some
hundred users each (`signet:seen:…`), which take a tenth of the memory of single keys.

What may be relied upon: a record is there until its time has run out; of two writes the later to
arrive at Redis stands; what Redis loses (a flush, a crash without its log) is back with the next
heartbeat, last seen only when its user comes again. A Redis that is away is never waited for
longer than SHARED_STORE_TIMEOUT: writes are dropped, reads know nobody.
"""

import json
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from signet.adapters.redis_client import Away, RedisClient
from signet.core import limits
from signet.core.ids import UserId
from signet.ports.inbox import StoreUnavailable
from signet.ports.presence import Seen, Status

RECORD = "signet:presence:"
SEEN = "signet:seen:"
BUCKET_BYTES = 2  # of a user id: 65,536 hashes


class RedisPresence:
    """A PresenceStore on Redis 7 or Valkey."""

    def __init__(self, url: str, *, timeout_s: float = limits.SHARED_STORE_TIMEOUT) -> None:
        self._client = RedisClient(url, timeout_s=timeout_s)

    async def put(self, seen: Sequence[Seen], ttl_s: float) -> None:
        """See PresenceStore. One round trip; a Redis that is away drops them."""
        if not seen:
            return

        async def write(redis: Redis) -> None:
            pipe = redis.pipeline(transaction=False)
            for one in seen:
                pipe.set(_record_key(one.user), _encode(one), px=max(1, round(ttl_s * 1000)))
                pipe.hset(_seen_key(one.user), _field(one.user), str(one.last_seen_ms))
            await pipe.execute()

        try:
            await self._client.ask(write)
        except Away:
            return

    async def get(self, users: Sequence[UserId]) -> dict[UserId, Seen]:
        """See PresenceStore. One round trip; nobody is known while Redis is away."""
        if not users:
            return {}

        async def read(redis: Redis) -> list[Any]:
            pipe = redis.pipeline(transaction=False)
            for user in users:
                pipe.get(_record_key(user))
                pipe.hget(_seen_key(user), _field(user))
            return list(await pipe.execute())

        try:
            answers = await self._client.ask(read)
        except Away:
            return {}
        rows = zip(users, answers[::2], answers[1::2], strict=True)
        known = ((user, _decode(user, record, last)) for user, record, last in rows)
        return {user: seen for user, seen in known if seen is not None}

    async def forget(self, users: Sequence[UserId]) -> None:
        """See PresenceStore. One round trip. Raises StoreUnavailable."""

        async def delete(redis: Redis) -> None:
            pipe = redis.pipeline(transaction=False)
            for user in users:
                pipe.delete(_record_key(user))
                pipe.hdel(_seen_key(user), _field(user))
            await pipe.execute()

        try:
            await self._client.ask(delete)
        except Away as error:
            raise StoreUnavailable("presence") from error

    async def ping(self) -> None:
        """Ask whether Redis is there. Raises Away."""
        await self._client.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _record_key(user: UserId) -> str:
    return RECORD + user.hex()


def _seen_key(user: UserId) -> str:
    return SEEN + user[:BUCKET_BYTES].hex()


def _field(user: UserId) -> bytes:
    return bytes(user[BUCKET_BYTES:])


def _encode(seen: Seen) -> str:
    return json.dumps(
        {
            "status": seen.status.name,
            "last_seen": seen.last_seen_ms,
            "gateway_id": seen.gateway,
        }
    )


def _decode(user: UserId, record: bytes | None, last_seen: bytes | None) -> Seen | None:
    if record is not None:
        fields = json.loads(record)
        status = Status[fields["status"]]
        return Seen(user, status, int(fields["last_seen"]), str(fields["gateway_id"]))
    if last_seen is not None:
        return Seen(user, Status.OFFLINE, int(last_seen), "")
    return None
