"""A service that holds a number of things and gives them away, one after the other."""

import asyncio

from signet.core.drain import Order


class SmallService:
    """pod/service.Service. `hangs`: its drain never returns."""

    def __init__(self, holds: int = 0, *, hangs: bool = False) -> None:
        self.holds, self.hangs = holds, hangs
        self.why = ""
        self.orders: list[Order] = []
        self.aborted = self.stopped = self.rebalanced = 0
        self._order: Order | None = None
        self._changed = asyncio.Event()

    def not_ready(self) -> str:
        return self.why

    def load(self) -> int:
        return self.holds

    def misplaced(self) -> int:
        return 0

    def rebalance(self) -> None:
        self.rebalanced += 1

    def accepts(self) -> float:
        return 7.0

    async def drain(self, order: Order) -> None:
        """One thing each 1/rate seconds; all drains that run follow the newest order."""
        self.orders.append(order)
        self._order = order
        loop = asyncio.get_running_loop()
        if self.hangs:
            await asyncio.Event().wait()
        while self._order is not None and self.holds and loop.time() < self._order.deadline:
            await asyncio.sleep(1 / self._order.rate if self._order.rate else 0.1)
            self.holds = max(0, self.holds - 1)

    async def undrain(self) -> None:
        self.aborted += 1
        self._order = None

    def status(self) -> dict[str, object]:
        return {"holds": self.holds}

    async def stop(self) -> None:
        self.stopped += 1
