"""Members of one process: the embedded default of ports/members.py."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from signet.ports.members import Member


class MemoryMembers:
    """Records stay until they are removed: whoever is in this process lives as long as it does."""

    def __init__(self) -> None:
        self._members: dict[tuple[str, str], Member] = {}
        self._watchers: set[asyncio.Event] = set()
        self._closed = False

    async def put(self, member: Member) -> None:
        if self._members.get((member.kind, member.name)) != member:
            self._members[member.kind, member.name] = member
            self._changed()

    async def remove(self, member: Member) -> None:
        if self._members.pop((member.kind, member.name), None) is not None:
            self._changed()

    async def list(self) -> Sequence[Member]:
        return [self._members[key] for key in sorted(self._members)]

    async def watch(self) -> AsyncIterator[Sequence[Member]]:
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            while not self._closed:
                changed.clear()
                yield await self.list()
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    async def close(self) -> None:
        self._closed = True
        self._changed()
