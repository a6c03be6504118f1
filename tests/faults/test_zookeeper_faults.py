"""ZooKeeper killed, stopped, emptied: nobody waits, nothing moves, records come back (L6)."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest

from signet.adapters.members_zookeeper import ZooKeeperMembers
from signet.core import limits
from signet.ports.members import Kind, Member, State
from tests.support.busy_members import listed, put
from tests.support.lanes import Server

pytestmark = pytest.mark.lane("zookeeper")
SOON = 30.0
SETTLE = 3.0
# Some calls that are not answered (own record, list), with room for a busy machine.
BOUND = 10 * limits.SHARED_STORE_TIMEOUT
Pods = list[tuple[ZooKeeperMembers, Member]]


def members_of(server: Server) -> ZooKeeperMembers:
    return ZooKeeperMembers(server.url, session_s=4.0, poll_s=0.1, settle_s=SETTLE)


def pod() -> Member:
    name = f"router-{uuid4().hex[:8]}"
    return Member(Kind.ROUTER, name, "127.0.0.1:1", State.ACTIVE, 1, uuid4().bytes)


async def eventually(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await found():
            await asyncio.sleep(0.02)


async def sees(members: ZooKeeperMembers, wanted: list[Member]) -> bool:
    return set(wanted) <= set(await members.list())


@pytest.fixture
async def pods(zookeeper_server: Server) -> AsyncIterator[Pods]:
    three = [(members_of(zookeeper_server), pod()) for _ in range(3)]
    for members, member in three:
        await put(members, member)
    for members, _ in three:
        await listed(members, lambda found: {who for _, who in three} <= set(found))
    yield three
    for members, _ in three:
        await members.close()


async def test_the_last_list_stands_while_zookeeper_is_dead_and_nobody_waits(
    zookeeper_server: Server, pods: Pods
) -> None:
    everybody = [member for _, member in pods]
    zookeeper_server.kill()
    async with asyncio.timeout(BOUND):
        assert await sees(pods[0][0], everybody)
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(BOUND):
            await pods[0][0].put(pod())
    await asyncio.to_thread(zookeeper_server.restart)
    late = members_of(zookeeper_server)
    await eventually(lambda: sees(late, everybody))
    await late.close()


async def test_a_stopped_zookeeper_holds_nobody_up(zookeeper_server: Server, pods: Pods) -> None:
    everybody = [member for _, member in pods]
    with zookeeper_server.paused():
        async with asyncio.timeout(BOUND):
            assert await sees(pods[0][0], everybody)
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(BOUND):
                await pods[0][0].put(pod())
    await eventually(lambda: sees(pods[1][0], everybody))


async def test_records_are_made_again_when_zookeeper_has_lost_all_sessions(
    zookeeper_server: Server, pods: Pods
) -> None:
    everybody = [member for _, member in pods]
    shown: list[int] = []

    async def follow() -> None:
        async for found in pods[0][0].watch():
            shown.append(len(set(everybody) & set(found)))  # noqa: PERF401 - read while it grows

    following = asyncio.create_task(follow())
    zookeeper_server.kill()
    shutil.rmtree(zookeeper_server.folder / "data")
    await asyncio.to_thread(zookeeper_server.restart)
    late = members_of(zookeeper_server)
    await eventually(lambda: sees(late, everybody))
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await late.close()
    assert set(shown) == {3}


async def test_a_pod_whose_session_ends_falls_off_the_list(pods: Pods) -> None:
    gone, member = pods[2]
    await gone.close()

    async def is_gone() -> bool:
        return member not in await pods[0][0].list()

    await eventually(is_gone)


async def test_an_unknown_outcome_leaves_one_record(zookeeper_server: Server, pods: Pods) -> None:
    members, member = pods[0]
    changed = Member(Kind.ROUTER, member.name, "127.0.0.1:2", State.DRAINING, 1, uuid4().bytes)
    with zookeeper_server.paused(), pytest.raises(ConnectionError):
        await members.put(changed)
    await eventually(lambda: sees(pods[1][0], [changed]))
    late = members_of(zookeeper_server)
    await eventually(lambda: sees(late, [changed]))
    assert [one for one in await late.list() if one.name == member.name] == [changed]
    await late.close()
