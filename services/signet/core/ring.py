"""Which gateway a user belongs at: a consistent-hash ring with virtual nodes (design.md §4).

A pure function of the members' list: all who see the same list agree, and a change of one member
moves about 1/N of the users.
"""

from bisect import bisect
from collections.abc import Iterable
from hashlib import blake2b

from signet.core.ids import UserId
from signet.core.limits import VIRTUAL_NODES


class Ring:
    """Built once for each members' list."""

    def __init__(self, members: Iterable[str], points: int = VIRTUAL_NODES) -> None:
        placed = sorted(
            (_hash(f"{name}/{number}".encode()), name)
            for name in set(members)
            for number in range(points)
        )
        self._hashes = [place for place, _ in placed]
        self._names = [name for _, name in placed]

    def at(self, user: UserId) -> str | None:
        """The member whose point is the next one behind the user's; None on an empty ring."""
        if not self._names:
            return None
        return self._names[bisect(self._hashes, _hash(user)) % len(self._names)]


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
