"""How devices are to be woken: read from the directory, many at once, and believed for a while.

Bounded: PUSH_LOOKUPS devices wait at most. While the directory is away they wait, and what is
beyond is dropped, counted.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice

import structlog

from signet.core.backoff import Backoff
from signet.core.ids import DeviceId
from signet.core.limits import PUSH_BELIEVED, PUSH_LOOKUP, PUSH_LOOKUPS, PUSH_USERS
from signet.core.push_hints import Hint, Unwoken, Wake
from signet.ports.inbox import StoreUnavailable
from signet.ports.push_registrations import PushRegistrations, Registration

log = structlog.get_logger(__name__)

Found = Callable[[DeviceId, Hint, Registration | None], None]


class Finder:
    """`found` is told once for each hint that was not dropped. `chance` is uniform in [0, 1)."""

    def __init__(
        self, registrations: PushRegistrations, found: Found, chance: Callable[[], float]
    ) -> None:
        self._registrations, self._found, self._chance = registrations, found, chance
        self._waiting: dict[DeviceId, Hint] = {}
        self._believed: dict[DeviceId, tuple[float, Registration | None]] = {}
        self._changed = asyncio.Event()
        self.away = ""  # why the last read failed

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def hinted(self, device: DeviceId, hint: Hint) -> Unwoken | None:
        """Find out how to wake it; None: `found` will be told, or was."""
        if (believed := self._believes(device)) is not None:
            self._found(device, hint, believed[0])
            return None
        before = self._waiting.get(device)
        if before is None and len(self._waiting) >= PUSH_LOOKUPS:
            return Unwoken.ROOM
        self._waiting[device] = hint if before is None else hint.joined(before)
        self._changed.set()
        return None if before is None else Unwoken.COLLAPSED

    def came_back(self, device: DeviceId) -> list[Unwoken]:
        """It need not be woken for what was hinted before."""
        return [] if self._waiting.pop(device, None) is None else [Unwoken.BACK]

    async def registration(self, device: DeviceId) -> Registration | None:
        """How to wake it now. Raises StoreUnavailable."""
        if (believed := self._believes(device)) is not None:
            return believed[0]
        return (await self._read([device]))[device]

    async def forget(self, device: DeviceId, registration: Registration) -> bool:
        """There is nobody behind it any more. False: there is a newer one by now, or none.

        Raises StoreUnavailable.
        """
        self._believed.pop(device, None)
        return await self._registrations.drop_push(device, registration)

    async def run(self) -> None:
        """Look up what waits, until it is cancelled."""
        backoff = Backoff()
        while True:
            await self._changed.wait()
            try:
                await self._look_up()
                backoff, self.away = Backoff(), ""
            except StoreUnavailable as error:
                self.away = str(error) or type(error).__name__
                now = asyncio.get_running_loop().time()
                wait, backoff = backoff.failed(now, self._chance())
                log.warning("devices cannot be looked up", reason=self.away, wait_s=round(wait, 1))
                await asyncio.sleep(wait)

    def left(self) -> Iterator[Wake[DeviceId]]:
        """What waits: for whoever goes on after this one."""
        return (Wake(device, hint) for device, hint in self._waiting.items())

    async def _look_up(self) -> None:
        batch = list(islice(self._waiting, PUSH_LOOKUP))
        for device, registration in (await self._read(batch)).items():
            hint = self._waiting.pop(device, None)
            if hint is not None:  # else it came back meanwhile
                self._found(device, hint, registration)
        if not self._waiting:
            self._changed.clear()

    async def _read(self, devices: list[DeviceId]) -> dict[DeviceId, Registration | None]:
        found = await self._registrations.push_of(devices) if devices else {}
        until = asyncio.get_running_loop().time() + PUSH_BELIEVED
        if len(self._believed) + len(devices) > PUSH_USERS:
            self._believed.clear()
        read = {device: found.get(device) for device in devices}
        self._believed |= {device: (until, one) for device, one in read.items()}
        return read

    def _believes(self, device: DeviceId) -> tuple[Registration | None] | None:
        """What was read of a device, if it is believed still."""
        until, registration = self._believed.get(device, (0.0, None))
        if asyncio.get_running_loop().time() >= until:
            return None
        return (registration,)
