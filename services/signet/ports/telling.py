"""An outbox in the directory: changes that the owners of a user's shard are to be told.

It is written in the transaction of the change, so that a crash after it loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from signet.core.ids import UserId


@dataclass(frozen=True, slots=True)
class Untold:
    """One of them, kept until they were told.

    `version` is the account's after it. `replaced`: taken over or deleted; else a device is gone.
    """

    user: UserId
    version: int
    replaced: bool
    dropped: tuple[int, ...]


class Telling(Protocol):
    """Part of the directory. Raises StoreUnavailable (signet.ports.inbox)."""

    async def untold(self, user: UserId | None = None) -> Sequence[Untold]:
        """What was not told yet (of one user), a user's changes in their order."""
        ...

    async def told(self, change: Untold) -> None:
        """Forget it. One that is forgotten already is no error."""
        ...
