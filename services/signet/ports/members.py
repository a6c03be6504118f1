"""Who is there: every pod keeps its own record alive, and sees the others'.

The list is a hint for rings; ownership is in the inbox store (L6). While the store is away, the
last list stands and nothing raises but `put`.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What a member is."""

    GATEWAY = "gateway"
    ROUTER = "router"
    KEYS = "keys"
    PUSH = "push"


class State(StrEnum):
    """A member's own word on itself."""

    JOINING = "joining"
    ACTIVE = "active"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Member:
    """One pod. `address` is where links go (of keys: the admin port), '' for none.

    `public` is where clients may be sent: a gateway's WebSocket (`wss://…`) and gRPC (`host:port`)
    addresses, with a space between; '' for none.

    `load` is what it carries now: a gateway's open streams, a router's shards. `accepts` is how
    many moved streams a second a gateway takes now; 0 is none. Both are hints, some seconds old.

    `shards` is into how many it divides the users; 0: it does not say so, or does not divide them.
    """

    kind: Kind
    name: str
    address: str
    state: State
    started_ms: int
    incarnation: bytes
    public: str = ""
    load: int = 0
    accepts: float = 0.0
    shards: int = 0


class Members(Protocol):
    """Records live a few seconds unless they are put again."""

    async def put(self, member: Member) -> None:
        """Write one's own record, and keep it alive until `remove` or the process's end.

        Cheap enough for each second: what changed in `load` and `accepts` alone is written with
        the next refresh, within MEMBER_REFRESH.
        """
        ...

    async def remove(self, member: Member) -> None:
        """Take one's own record away at once."""
        ...

    async def list(self) -> Sequence[Member]:
        """Who is there now, in the order of kind and name."""
        ...

    def watch(self) -> AsyncIterator[Sequence[Member]]:
        """The list now, then each time it has changed."""
        ...

    async def close(self) -> None:
        """End watches and give back what is held."""
        ...
