"""A directory in memory: ports/users.Users for tests of routers and gateways."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from signet.core.ids import UserId
from signet.ports.users import Audience, User


class KnownUsers:
    """Users with one device each unless said otherwise."""

    def __init__(self) -> None:
        self.users: dict[UserId, User] = {}
        self.reads = Counter[UserId]()  # how often each was loaded
        self.written: set[tuple[UserId, UserId]] = set()

    def add(self, user: UserId, devices: dict[int, int] | None = None) -> User:
        """A user whose devices (id → registration id) are all of generation 1."""
        devices = devices if devices is not None else {1: 11}
        generations = dict.fromkeys(devices, 1)
        known = User(user, 1, generations, devices, frozenset(), Audience.EVERYONE)
        self.users[user] = known
        return known

    def block(self, user: UserId, other: UserId) -> None:
        known = self.users[user]
        self.users[user] = replace(known, blocked=known.blocked | {other})

    async def load(self, users: Sequence[UserId]) -> dict[UserId, User]:
        self.reads.update(users)
        return {user: self.users[user] for user in users if user in self.users}

    async def note_written(self, pairs: Sequence[tuple[UserId, UserId]]) -> None:
        self.written.update(pairs)

    async def note_seen(self, pairs: Sequence[tuple[UserId, int]]) -> None:
        for user, seen_ms in pairs:
            if user in self.users and seen_ms > self.users[user].last_seen_ms:
                self.users[user] = replace(self.users[user], last_seen_ms=seen_ms)

    async def have_written(
        self, pairs: Sequence[tuple[UserId, UserId]]
    ) -> set[tuple[UserId, UserId]]:
        return set(pairs) & self.written

    async def peers(self, user: UserId) -> Sequence[UserId]:
        return sorted({a if b == user else b for a, b in self.written if user in (a, b)})
