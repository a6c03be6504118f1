"""What routers know of users, read from the directory: ports/users.Users."""

from collections.abc import Sequence

from signet.core.ids import UserId
from signet.core.limits import LOAD_USERS
from signet.ports.directory import Relations
from signet.ports.users import User

Pairs = Sequence[tuple[UserId, UserId]]


class DirectoryUsers:
    """Asks in pieces of LOAD_USERS. Raises StoreUnavailable where the directory is away."""

    def __init__(self, directory: Relations) -> None:
        self._directory = directory

    async def load(self, users: Sequence[UserId]) -> dict[UserId, User]:
        found: dict[UserId, User] = {}
        for at in range(0, len(users), LOAD_USERS):
            found |= await self._directory.users(users[at : at + LOAD_USERS])
        return found

    async def note_written(self, pairs: Pairs) -> None:
        await self._directory.note_written(pairs)

    async def note_seen(self, pairs: Sequence[tuple[UserId, int]]) -> None:
        for at in range(0, len(pairs), LOAD_USERS):
            await self._directory.note_seen(pairs[at : at + LOAD_USERS])

    async def have_written(self, pairs: Pairs) -> set[tuple[UserId, UserId]]:
        found: set[tuple[UserId, UserId]] = set()
        for at in range(0, len(pairs), LOAD_USERS):
            found |= await self._directory.have_written(pairs[at : at + LOAD_USERS])
        return found

    async def peers(self, user: UserId) -> Sequence[UserId]:
        return await self._directory.peers(user)
