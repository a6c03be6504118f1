"""A pod's record among the members: what the others see of it."""

import asyncio
from collections.abc import Callable

import structlog

from signet.core.limits import MEMBER_REFRESH
from signet.ports.members import Member, Members

log = structlog.get_logger()


class Record:
    """Written when it has changed, and looked at every MEMBER_REFRESH. `now` makes it."""

    def __init__(self, members: Members, now: Callable[[], Member]) -> None:
        self._members, self._now = members, now
        self._written: Member | None = None
        self._task: asyncio.Task[None] | None = None

    async def write(self) -> None:
        """Write it if it has changed. While the members' store is away it is written later."""
        member = self._now()
        if member == self._written:
            return
        try:
            await self._members.put(member)
        except ConnectionError:
            return  # the store itself says that it is away
        self._written = member

    def keep(self) -> None:
        """Write it anew whenever it has changed, from now on."""
        self._task = asyncio.create_task(self._keep(), name="pod-record")

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(MEMBER_REFRESH)
            try:
                await self.write()
            except Exception:
                log.exception("the record of this pod was not written")

    async def remove(self) -> None:
        """Take it away; nothing is written any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._members.remove(self._now())
