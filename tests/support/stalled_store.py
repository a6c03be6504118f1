"""A fault: a store whose writes hang until they are let go on. Everything else is the store's."""

import asyncio
from collections.abc import Sequence
from typing import Any

from signet.ports.inbox import Batch, InboxStore


class StalledStore:
    """Wraps an inbox store; `stall` and `let_go`."""

    def __init__(self, store: InboxStore) -> None:
        self._store = store
        self._going = asyncio.Event()
        self._going.set()

    def stall(self) -> None:
        self._going.clear()

    def let_go(self) -> None:
        self._going.set()

    async def append(self, batches: Sequence[Batch]) -> None:
        await self._going.wait()
        await self._store.append(batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
