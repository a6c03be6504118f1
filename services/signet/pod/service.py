"""What a pod runs, as the pod sees it."""

from typing import Protocol

from signet.core.drain import Order


class Service(Protocol):
    """A gateway, a router, keys or push. All calls on the event loop."""

    def not_ready(self) -> str:
        """Why it wants no work now, '' when it does. Draining is the pod's own reason."""
        ...

    def load(self) -> int:
        """What Member.load says: open streams, shards held."""
        ...

    def accepts(self) -> float:
        """What Member.accepts says: how many moved streams a second it takes now."""
        ...

    def misplaced(self) -> int:
        """How much of `load` belongs at another pod by the ring, and is to move there."""
        ...

    def rebalance(self) -> None:
        """Somebody asks for what is misplaced to move now, also if it was asked to before."""
        ...

    async def drain(self, order: Order) -> None:
        """Give away what is held; returns when empty, or at the order's deadline.

        Called again while it runs: the same drain goes on under the new order, and both return.
        """
        ...

    async def undrain(self) -> None:
        """Abort a drain that has not ended: take work again."""
        ...

    def status(self) -> dict[str, object]:
        """For the admin port: plain JSON values, no user data."""
        ...

    async def stop(self) -> None:
        """End; what is left is closed by name, what waits is written."""
        ...
