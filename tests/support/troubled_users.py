"""A fault: a directory that takes its time, and sometimes does not answer."""

import asyncio
import random
from collections.abc import Sequence

from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.ports.groups import GroupView
from signet.ports.inbox import StoreUnavailable
from signet.ports.users import User
from tests.support.known_groups import KnownGroups
from tests.support.known_users import KnownUsers


class TroubledUsers(KnownUsers):
    """`trouble` is from 0, none, to 1."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.trouble = 0.0
        self._chance = chance

    async def take_time(self) -> None:
        """Raises StoreUnavailable now and then."""
        await asyncio.sleep(self._chance.uniform(0.0005, 0.003 + 0.2 * self.trouble))
        if self._chance.random() < 0.2 * self.trouble:
            raise StoreUnavailable("trouble")

    async def load(self, users: Sequence[UserId]) -> dict[UserId, User]:
        await self.take_time()
        return await super().load(users)

    async def note_written(self, pairs: Sequence[tuple[UserId, UserId]]) -> None:
        await self.take_time()
        await super().note_written(pairs)

    async def note_seen(self, pairs: Sequence[tuple[UserId, int]]) -> None:
        await self.take_time()
        await super().note_seen(pairs)

    async def have_written(
        self, pairs: Sequence[tuple[UserId, UserId]]
    ) -> set[tuple[UserId, UserId]]:
        await self.take_time()
        return await super().have_written(pairs)


class TroubledGroups(KnownGroups):
    """The same directory's groups, in the same trouble."""

    def __init__(self, users: TroubledUsers) -> None:
        super().__init__(users)
        self._troubled = users

    async def views(self, groups: Sequence[GroupId]) -> dict[GroupId, GroupView]:
        await self._troubled.take_time()
        return await super().views(groups)
