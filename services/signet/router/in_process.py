"""The link between a gateway and a router of the same process: plain values, no copy."""

import asyncio
from collections.abc import Callable, Sequence

from signet.core.link import ToRouter
from signet.ports.links import Deliver
from signet.router.router import Router


class InProcessLink:
    """See ports/links.Link. Frames reach the router in the next turn of the loop, in order."""

    def __init__(self, router: Router, gateway: str, deliver: Deliver) -> None:
        self._router = router
        self._number: int | None = router.open(gateway, deliver)

    def submit(self, frames: Sequence[ToRouter]) -> None:
        asyncio.get_running_loop().call_soon(self._take, frames)

    def _take(self, frames: Sequence[ToRouter]) -> None:
        if self._number is not None:
            self._router.take(self._number, frames)

    @property
    def pending(self) -> int:
        return 0

    @property
    def outdated(self) -> bool:
        return False

    async def close(self) -> None:
        if self._number is not None:
            self._router.close(self._number)
        self._number = None


class InProcessRouters:
    """The only router there is, whatever the address."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def open(
        self, address: str, gateway: str, deliver: Deliver, lost: Callable[[], None]
    ) -> InProcessLink:
        return InProcessLink(self._router, gateway, deliver)
