"""What routers know of users: devices, blocks, whom they have written to.

The owner of a user's shard keeps a copy (`USER_TTL`); keys tells it of changes. So no send
reads the directory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from signet.core.ids import UserId


class Audience(IntEnum):
    """Who may see presence, as in keys.proto."""

    EVERYONE = 1
    CONTACTS = 2
    NOBODY = 3


@dataclass(frozen=True, slots=True)
class User:
    """A user as routers see it. `version` rises with each change but that of `last_seen_ms`.

    `last_seen_ms` is when the user last went offline, 0 if that was never kept.
    """

    id: UserId
    version: int
    generations: dict[int, int]  # device id → generation of its authentication
    devices: dict[int, int]  # device id → registration id
    blocked: frozenset[UserId]
    presence: Audience
    last_seen_ms: int = 0


class Users(Protocol):
    """Reads may be a moment behind; a user's `version` tells which of two copies is newer."""

    async def load(self, users: Sequence[UserId]) -> dict[UserId, User]:
        """Unknown and deleted users are absent.

        Raises:
            StoreUnavailable: (signet.ports.inbox) the directory did not answer.
        """
        ...

    async def note_written(self, pairs: Sequence[tuple[UserId, UserId]]) -> None:
        """Each first has written to each second. Kept for as long as both exist."""
        ...

    async def note_seen(self, pairs: Sequence[tuple[UserId, int]]) -> None:
        """Each user was last seen then, in milliseconds; durable when it returns.

        An earlier time than the one that is kept, and unknown users, change nothing.

        Raises:
            StoreUnavailable: some may not be noted; note the same again.
        """
        ...

    async def have_written(
        self, pairs: Sequence[tuple[UserId, UserId]]
    ) -> set[tuple[UserId, UserId]]:
        """Those of the pairs of which the first has written to the second."""
        ...

    async def peers(self, user: UserId) -> Sequence[UserId]:
        """Who has written to the user, or was written to by them: to be told of changes."""
        ...


class UserChanges(Protocol):
    """How keys tells the owners of a user's shard; a lost call is made good by `USER_TTL`."""

    async def changed(self, user: UserId) -> None:
        """Load the user again; close streams of devices that are gone or of an old generation."""
        ...

    async def replaced(self, user: UserId, dropped_devices: Sequence[int]) -> None:
        """The account was taken over: `changed`, drop those inboxes, tell the peers."""
        ...

    async def keys_low(self, user: UserId, device: int, pre_keys: int, kyber_pre_keys: int) -> None:
        """Tell the device, if it is attached, that its one-time keys run out."""
        ...
