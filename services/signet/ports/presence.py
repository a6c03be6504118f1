"""Who is online, for those who look from another pod. Eventually right (P8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from signet.core.ids import UserId


class Status(IntEnum):
    """As in messaging.proto's PresenceStatus."""

    OFFLINE = 1
    ONLINE = 2
    AWAY = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """A user's presence. `gateway` is for the backend only and never leaves it."""

    user: UserId
    status: Status
    last_seen_ms: int
    gateway: str


class PresenceStore(Protocol):
    """Records are rewritten whole by heartbeats and live for two of them; last seen stays."""

    async def put(self, seen: Sequence[Seen], ttl_s: float) -> None:
        """Write records whole. May be lost in a crash; never raises for a store that is away."""
        ...

    async def get(self, users: Sequence[UserId]) -> dict[UserId, Seen]:
        """What is known; an expired record comes back as OFFLINE with its last seen time."""
        ...

    async def forget(self, users: Sequence[UserId]) -> None:
        """Nothing is known of them any more, last seen included; unknown ones are no error.

        Raises:
            StoreUnavailable: (signet.ports.inbox) something may be left; forget the same again.
        """
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...
