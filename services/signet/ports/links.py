"""How a gateway reaches a router: frames in batches, in order, at most once.

A link loses what it holds when it breaks; both ends then know it (`lost`, a new `open`), and
what was not answered is sent again (O3). Order is kept within a link.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from signet.core.link import ToGateway, ToRouter

Deliver = Callable[[Sequence[ToGateway]], None]


class Link(Protocol):
    """One open link, seen from the gateway."""

    def submit(self, frames: Sequence[ToRouter]) -> None:
        """Hand over frames; never waits. After `lost` they are dropped."""
        ...

    @property
    def pending(self) -> int:
        """Bytes handed over and not yet taken by the router (0 in one process)."""
        ...

    @property
    def outdated(self) -> bool:
        """Whether a new link would show another certificate, or believe others."""
        ...

    async def close(self) -> None:
        """Detach all sessions of this link at the router."""
        ...


class Routers(Protocol):
    """Opens links. In one process there is one router, whatever the address."""

    async def open(
        self, address: str, gateway: str, deliver: Deliver, lost: Callable[[], None]
    ) -> Link:
        """Connect. `deliver` gets batches, on the event loop; `lost` is called once if it breaks.

        Raises:
            ConnectionError: nobody answers at the address.
        """
        ...
