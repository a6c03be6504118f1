"""A push provider in memory: remembers what it was asked, and answers as it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from signet.core.ids import DeviceId
from signet.ports.inbox import StoreUnavailable
from signet.ports.push import Delivered, Outcome, PushProviders, WakeUp
from signet.ports.push_registrations import PushKind, Registration

Answer = Callable[[WakeUp[Any]], Awaitable[Outcome]]


async def takes_it(_: WakeUp[Any]) -> Outcome:
    return Delivered()


async def never(_: WakeUp[Any]) -> Outcome:
    """A wake that ends by being cancelled alone."""
    await asyncio.Event().wait()
    raise AssertionError("this cannot be")


class RememberingPush:
    """`woken` has the time of the loop of each call, and what was asked."""

    def __init__(self, answer: Answer = takes_it) -> None:
        self.answer = answer
        self.woken: list[tuple[float, WakeUp[Any]]] = []
        self._asked = asyncio.Condition()

    async def wake(self, wake_up: WakeUp[Any]) -> Outcome:
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
    def tokens(self) -> list[Any]:
        """Who was woken: users' tokens, or registrations."""
        return [wake_up.to for _, wake_up in self.woken]


def by_user(provider: RememberingPush) -> PushProviders:
    """A provider that knows users, as the only one."""
    return PushProviders({"webhook": provider})


def by_kind(**providers: RememberingPush) -> PushProviders:
    """Providers of devices, by the names of their kinds."""
    return PushProviders({}, {PushKind(name): one for name, one in providers.items()})


class MemoryRegistrations:
    """ports/push_registrations in memory. `away`: it does not answer."""

    def __init__(self) -> None:
        self.kept: dict[DeviceId, Registration] = {}
        self.reads: list[Sequence[DeviceId]] = []
        self.away = False

    async def put_push(self, device: DeviceId, registration: Registration) -> None:
        self.kept[device] = registration

    async def push_of(self, devices: Sequence[DeviceId]) -> Mapping[DeviceId, Registration]:
        if self.away:
            raise StoreUnavailable("away")
        self.reads.append(devices)
        return {device: self.kept[device] for device in devices if device in self.kept}

    async def drop_push(self, device: DeviceId, only: Registration | None = None) -> bool:
        if only is not None and self.kept.get(device) != only:
            return False
        return self.kept.pop(device, None) is not None
