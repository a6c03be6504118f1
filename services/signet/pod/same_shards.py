"""The members whose number of shards is one's own: rings and placements are made of no others.

The inbox store has the last word (ports/inbox.OtherShards): a router that disagrees with it does
not start. So where a router of the list has another number, it is this pod whose setting is wrong.
"""

from collections.abc import AsyncIterator, Sequence

from signet.ports.members import Kind, Member, Members

RINGS = frozenset({Kind.ROUTER, Kind.GATEWAY})


class SameShards:
    """ports/members.Members over all of them. `differs` says which router disagrees; '' for none.

    A record that says no number (of an older version, of push) disagrees with nobody.
    """

    def __init__(self, members: Members, shards: int) -> None:
        self._members, self._shards = members, shards
        self.differs = ""

    async def everybody(self) -> Sequence[Member]:
        """Those of another number, too."""
        return await self._members.list()

    async def put(self, member: Member) -> None:
        """See Members."""
        await self._members.put(member)

    async def remove(self, member: Member) -> None:
        """See Members."""
        await self._members.remove(member)

    async def list(self) -> Sequence[Member]:
        """See Members."""
        return self._same(await self._members.list())

    async def watch(self) -> AsyncIterator[Sequence[Member]]:
        """See Members."""
        async for members in self._members.watch():
            yield self._same(members)

    async def close(self) -> None:
        """See Members."""
        await self._members.close()

    def _same(self, members: Sequence[Member]) -> Sequence[Member]:
        others = [m for m in members if m.kind in RINGS and m.shards not in (0, self._shards)]
        routers = [m for m in others if m.kind is Kind.ROUTER]
        self.differs = self._said(routers[0]) if routers else ""
        return [m for m in members if m not in others] if others else members

    def _said(self, router: Member) -> str:
        return f"shards (SIGNET_SHARDS): {self._shards} here, {router.shards} at {router.name}"
