"""Members of a store on a busy machine: what is done again until it is done, and waited for."""

import asyncio
from collections.abc import Callable, Sequence

from signet.ports.members import Member, Members

SOON = 30.0
AGAIN_S = 0.05


async def put(members: Members, member: Member) -> None:
    """A store that answers late counts as away, and `put` says so: put it again."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                return await members.put(member)
            except ConnectionError:
                await asyncio.sleep(AGAIN_S)


async def listed(members: Members, wanted: Callable[[Sequence[Member]], bool]) -> Sequence[Member]:
    """The first list that is as wanted; while its store counts as away, the last one stands."""
    async with asyncio.timeout(SOON):
        while not wanted(found := await members.list()):
            await asyncio.sleep(AGAIN_S)
        return found
