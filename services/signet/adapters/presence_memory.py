"""Presence within one process: the embedded default of ports/presence.py. A restart forgets it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from signet.core.ids import UserId
from signet.ports.presence import Seen, Status


class MemoryPresence:
    """`clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[UserId, tuple[Seen, float]] = {}

    async def put(self, seen: Sequence[Seen], ttl_s: float) -> None:
        until = self._clock() + ttl_s
        for record in seen:
            self._seen[record.user] = (record, until)

    async def get(self, users: Sequence[UserId]) -> dict[UserId, Seen]:
        now = self._clock()
        found = {}
        for user in users:
            if user in self._seen:
                record, until = self._seen[user]
                found[user] = record if now < until else replace(record, status=Status.OFFLINE)
        return found

    async def forget(self, users: Sequence[UserId]) -> None:
        for user in users:
            self._seen.pop(user, None)

    async def close(self) -> None:
        self._seen.clear()
