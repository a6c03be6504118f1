"""Bad links: frames are lost, repeated and overtaken; routers at their other end die."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from signet.core.link import Answered, Attached, Drop, Push, ToGateway, ToRouter
from signet.router.router import Router
from tests.support.troubled_inbox import TroubledInbox


class Weather:
    """`trouble` is from 0, none, to 1."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.trouble = 0.0
        self.loop = asyncio.get_running_loop()


@dataclass(eq=False)
class Life:
    """One life of a router."""

    router: Router
    store: TroubledInbox
    over: bool = False

    def kill(self) -> None:
        """As kill -9: nothing of it happens any more."""
        self.over = True
        self.store.die()
        context = self.router._context
        for task in (*self.router._tasks, context.people._task, context.writer._task):
            if task is not None:
                task.cancel()


class Stream:
    """A device's link to one router. The router sees that it broke a little later."""

    def __init__(
        self, world: Weather, life: Life, gateway: str, take: Callable[["Stream", ToGateway], None]
    ) -> None:
        self.life, self.gateway, self.broken = life, gateway, False
        self.tickets: dict[int, int] = {}
        self._world, self._take = world, take
        self._last = {"up": 0.0, "down": 0.0}
        self._number = life.router.open(gateway, self._deliver)

    def at_once(self, frame: ToRouter) -> None:
        if not self.life.over:
            self.life.router.take(self._number, [frame])

    def submit(self, frame: ToRouter) -> None:
        self._carry("up", lambda: self.at_once(frame))

    def _deliver(self, frames: Sequence[ToGateway]) -> None:
        for frame in frames:
            if isinstance(frame, Attached | Drop):
                self._arrive(frame)
            elif isinstance(frame, Push | Answered):
                self._carry("down", lambda frame=frame: self._arrive(frame))  # type: ignore[misc]

    def _arrive(self, frame: ToGateway) -> None:
        if not self.broken and not self.life.over:
            self._take(self, frame)

    def _carry(self, way: str, arrive: Callable[[], object]) -> None:
        """Lose it, repeat it, let it be overtaken; without trouble, none of these."""
        chance, trouble, loop = self._world.chance, self._world.trouble, self._world.loop
        if chance.random() < 0.15 * trouble:
            return
        for _ in range(2 if chance.random() < 0.15 * trouble else 1):
            if chance.random() < 0.5 * trouble:
                loop.call_later(chance.uniform(0.0, 1.0), arrive)
            else:
                self._last[way] = max(loop.time() + 0.002, self._last[way] + 1e-5)
                loop.call_at(self._last[way], arrive)

    def end(self) -> None:
        self.broken = True
        late = self._world.chance.uniform(0.0, self._world.trouble)
        self._world.loop.call_later(late, self._close)

    def _close(self) -> None:
        if not self.life.over:
            self.life.router.close(self._number)

    def fade(self) -> None:
        """What it has brought to the gateway still arrives for a while."""
        late = self._world.chance.uniform(0.0, self._world.trouble)
        self._world.loop.call_later(late, self.end)
