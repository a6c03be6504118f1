"""Routers whose every word is the test's: what a gateway does when owners change (L7, O3).

Real routers do not hand shards to each other yet on command; here a test says who holds what.
"""

import asyncio
from collections.abc import Callable, Sequence

from signet.core.ids import Epoch, Incarnation, Position, ShardId
from signet.core.link import (
    Attach,
    Attached,
    Holding,
    ToGateway,
    ToRouter,
    ToRouterBody,
)
from signet.ports.links import Deliver


class ScriptedLink:
    """One router's end: what it got, and what the test lets it say."""

    def __init__(self, address: str, deliver: Deliver, lost: Callable[[], None]) -> None:
        self.incarnation = Incarnation(address.encode().ljust(16, b"."))
        self.got: list[ToRouter] = []
        self.closed = self.outdated = False
        self._deliver, self._lost = deliver, lost

    def submit(self, frames: Sequence[ToRouter]) -> None:
        self.got.extend(frames)

    @property
    def pending(self) -> int:
        return 0

    async def close(self) -> None:
        self.closed = True

    @property
    def bodies(self) -> list[ToRouterBody]:
        return [frame.body for frame in self.got]

    def take(self) -> list[ToRouter]:
        """What came since the last call."""
        frames, self.got = self.got, []
        return frames

    def say(self, *frames: ToGateway) -> None:
        self._deliver(frames)

    def hold(self, *shards: int, epoch: int = 1) -> None:
        """It holds these, and no others."""
        self.say(Holding(self.incarnation, {ShardId(s): Epoch(epoch) for s in shards}))

    def attach_all(self) -> None:
        """Answer every Attach that came."""
        for frame in self.got:
            if isinstance(frame.body, Attach):
                self.say(Attached(frame.body.session, Position(0, 0)))

    def lose(self) -> None:
        self._lost()


class ScriptedRouters:
    """`link(address)` is the newest link there."""

    def __init__(self) -> None:
        self.links: dict[str, ScriptedLink] = {}
        self.refusing: set[str] = set()
        self.opened = 0

    async def open(
        self, address: str, gateway: str, deliver: Deliver, lost: Callable[[], None]
    ) -> ScriptedLink:
        if address in self.refusing:
            raise ConnectionError(address)
        self.opened += 1
        self.links[address] = ScriptedLink(address, deliver, lost)
        return self.links[address]


async def turns(count: int = 5) -> None:
    """Let the loop turn a few times."""
    for _ in range(count):
        await asyncio.sleep(0)
