"""A push provider in memory: remembers what it was asked, and answers as it is told."""

import asyncio
from collections.abc import Awaitable, Callable

from signet.ports.push import Delivered, Outcome, WakeUp

Answer = Callable[[WakeUp], Awaitable[Outcome]]


async def takes_it(_: WakeUp) -> Outcome:
    return Delivered()


async def never(_: WakeUp) -> Outcome:
    """A wake that ends by being cancelled alone."""
    await asyncio.Event().wait()
    raise AssertionError("this cannot be")


class RememberingPush:
    """`woken` has the time of the loop of each call, and what was asked."""

    def __init__(self, answer: Answer = takes_it) -> None:
        self.answer = answer
        self.woken: list[tuple[float, WakeUp]] = []
        self._asked = asyncio.Condition()

    async def wake(self, wake_up: WakeUp) -> Outcome:
        self.woken.append((asyncio.get_running_loop().time(), wake_up))
        async with self._asked:
            self._asked.notify_all()
        return await self.answer(wake_up)

    async def close(self) -> None:
        """Nothing is held."""

    async def asked(self, count: int) -> None:
        """Wait until it was asked so many times in all."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.woken) >= count)

    @property
    def tokens(self) -> list[str]:
        return [wake_up.token for _, wake_up in self.woken]
