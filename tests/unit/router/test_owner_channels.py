"""Channels to other owners that are closed while they are used."""

import asyncio

from signet.adapters.members_memory import MemoryMembers
from signet.adapters.owners_grpc import OwnerChannels
from signet.core.ids import ShardId, UserId
from signet.ports.inbox import StoreUnavailable
from signet.ports.members import Kind, Member, State
from signet.ports.peers import OwnersItem
from tests.support.lanes import free_port

SHARDS = 16
ITEM = OwnersItem(UserId(b"alice".ljust(16, b"_")), b"x", 1, 11)


def a_router_that_is_gone(number: int) -> Member:
    where = f"127.0.0.1:{free_port()}"
    return Member(Kind.ROUTER, f"router-{number}", where, State.ACTIVE, 0, bytes([number]) * 16)


async def test_routers_that_leave_the_list_together_are_unavailable_to_all_who_ask() -> None:
    """Any other error would end what tries again (J5)."""
    members = MemoryMembers()
    owners = OwnerChannels(members, SHARDS)
    gone = [a_router_that_is_gone(number) for number in range(1, 5)]
    try:
        for member in gone:
            await members.put(member)
        tries = [owners._router(member.address).deliveries.bring([ITEM]) for member in gone]
        failed = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(one) for one in failed] == [StoreUnavailable] * 4
        for member in gone:
            await members.remove(member)
        outcomes = await asks(owners, 4)
        assert [type(one) for one in outcomes] == [StoreUnavailable] * 4
    finally:
        await owners.close()


async def asks(owners: OwnerChannels, count: int) -> list[BaseException | None]:
    calls = [owners.deliver(ShardId(number), [ITEM]) for number in range(count)]
    return await asyncio.gather(*calls, return_exceptions=True)
