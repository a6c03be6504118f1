"""One router's link, opened again whenever it is lost."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from signet.core.ids import Incarnation
from signet.core.link import ToGateway, ToRouter
from signet.ports.links import Link, Routers

log = structlog.get_logger()

_AGAIN = 0.05  # seconds between tries, doubled up to _AGAIN_MOST
_AGAIN_MOST = 1.0


class Following(Protocol):
    """Whom a link tells what happens to it."""

    def opened(self, uplink: "Uplink") -> None: ...

    def lost(self, uplink: "Uplink") -> None: ...

    def deliver(self, uplink: "Uplink", frames: Sequence[ToGateway]) -> None: ...


class Uplink:
    """`waiting` goes out with the next flush; without a link it is dropped, and said anew."""

    def __init__(self, routers: Routers, address: str, gateway: str, owners: Following) -> None:
        self.waiting: list[ToRouter] = []
        self.incarnation: Incarnation | None = None
        self.address = address
        self._routers, self._gateway = routers, gateway
        self._owners = owners
        self._link: Link | None = None
        self._life: object = None
        self._broken = asyncio.Event()
        self._heard: float | None = None
        self._spoke = False  # it has said what it holds, in this life of the link
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="gateway-uplink")

    def stop(self) -> None:
        """Close it once what was flushed is handed over; `wait` for the end."""
        if self._task is not None:
            self._task.cancel()

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def is_open(self) -> bool:
        return self._link is not None

    @property
    def outdated(self) -> bool:
        """Whether it shows a certificate that does not count any more."""
        return self._link is not None and self._link.outdated

    @property
    def settled(self) -> bool:
        """It is open, as it is to be, and the router has said what it holds."""
        return self._link is not None and self._spoke and not self._link.outdated

    def flush(self) -> None:
        """Hand over all that waits, in one batch."""
        if not self.waiting:
            return
        frames, self.waiting = self.waiting, []
        if self._link is not None:
            self._link.submit(frames)

    def heard(self, now: float, incarnation: Incarnation) -> None:
        """It said what it holds."""
        self._heard, self.incarnation, self._spoke = now, incarnation, True

    def silent(self, now: float, patience: float) -> bool:
        """Whether it said so once, and not for longer than `patience` seconds."""
        return self._link is not None and self._heard is not None and now - self._heard > patience

    def reset(self) -> None:
        """Give the link up, and open another."""
        self._broken.set()

    async def _run(self) -> None:
        wait = _AGAIN
        while True:
            try:
                await self._one_life()
                if self._spoke:  # a door before a dead router opens too
                    wait = _AGAIN
            except ConnectionError as error:
                log.info("a router does not answer", address=self.address, reason=str(error))
            except Exception:  # whatever it is, without a link nothing would ever go there
                log.exception("a link could not be opened", address=self.address)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _AGAIN_MOST)

    async def _one_life(self) -> None:
        """From opening to losing. Raises ConnectionError."""
        self._broken.clear()
        self._heard = self.incarnation = None
        self._spoke = False
        life = self._life = object()

        def deliver(frames: Sequence[ToGateway]) -> None:
            if self._life is life:  # nothing comes from a link that was given up
                self._owners.deliver(self, frames)

        link = await self._routers.open(self.address, self._gateway, deliver, self._broken.set)
        self._link = link
        try:
            self._owners.opened(self)
            await self._broken.wait()
            log.warning("a link to a router is lost", address=self.address)
        finally:
            self._link, self._life, self.waiting = None, None, []
            self._owners.lost(self)
            await link.close()
