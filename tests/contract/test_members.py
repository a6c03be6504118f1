"""What ports/members.py says may be relied upon, on every adapter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from signet.adapters.members_memory import MemoryMembers
from signet.adapters.members_redis import RedisMembers
from signet.adapters.members_sqlite import SqliteMembers
from signet.adapters.members_zookeeper import ZooKeeperMembers
from signet.ports.members import Kind, Member, Members, State
from tests.support.busy_members import SOON, listed, put
from tests.support.lanes import Server

Open = Callable[[], Awaitable[Members]]
TRIES = 5
# Stores answer late on a busy machine. Here that counts as away after SOON at the earliest; what
# happens while a store is away is in tests/faults.


@pytest.fixture
async def open_members(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens one pod's view of the members; all of one test see each other."""
    opened: list[Members] = []
    open_one: Callable[[], Members] = request.getfixturevalue(f"{request.param}_members")

    async def open_pod() -> Members:
        opened.append(open_one())
        return opened[-1]

    yield open_pod
    await asyncio.gather(*(members.close() for members in opened))


@pytest.fixture
def memory_members() -> Callable[[], Members]:
    """Within one process all see the one list, so all get the one object."""
    members = MemoryMembers()
    return lambda: members


@pytest.fixture
def sqlite_members(tmp_path: Path) -> Callable[[], Members]:
    return lambda: SqliteMembers(
        tmp_path / "shared.sqlite", ttl_s=10.0, refresh_s=0.1, poll_s=0.05, settle_s=1.0
    )


@pytest.fixture
def redis_members(redis_server: Server) -> Callable[[], Members]:
    return lambda: RedisMembers(
        f"redis://{redis_server.url}",
        ttl_s=10.0,
        refresh_s=0.1,
        poll_s=0.05,
        settle_s=1.0,
        timeout_s=SOON,
    )


@pytest.fixture
def zookeeper_members(zookeeper_server: Server) -> Callable[[], Members]:
    return lambda: ZooKeeperMembers(
        zookeeper_server.url, session_s=10.0, settle_s=1.0, timeout_s=SOON
    )


every_adapter = pytest.mark.parametrize(
    "open_members",
    [
        "memory",
        "sqlite",
        pytest.param("redis", marks=pytest.mark.lane("redis")),
        pytest.param("zookeeper", marks=pytest.mark.lane("zookeeper")),
    ],
    indirect=True,
)


def pod(name: str = "", kind: Kind = Kind.ROUTER) -> Member:
    return Member(
        kind=kind,
        name=name or f"router-{uuid4().hex[:8]}",
        address="127.0.0.1:7500",
        state=State.ACTIVE,
        started_ms=1,
        incarnation=uuid4().bytes,
    )


async def until(
    watch: AsyncIterator[Sequence[Member]], wanted: Callable[[Sequence[Member]], bool]
) -> Sequence[Member]:
    """The first list that is as wanted."""
    async with asyncio.timeout(SOON):
        async for members in watch:
            if wanted(members):
                return members
    raise AssertionError("the watch ended")


@every_adapter
async def test_a_member_that_was_put_is_on_everybodys_list_in_order(open_members: Open) -> None:
    here, there = await open_members(), await open_members()
    router, gateway = pod(), pod("gateway-0", Kind.GATEWAY)
    await put(here, router)
    await put(there, gateway)
    for members in (here, there):
        found = await listed(members, lambda found: {router, gateway} <= set(found))
        assert [one for one in found if one in (router, gateway)] == [gateway, router]


@every_adapter
async def test_a_member_that_is_put_again_is_changed_not_doubled(open_members: Open) -> None:
    here, there = await open_members(), await open_members()
    member = pod()
    await put(here, member)
    changed = replace(member, state=State.DRAINING)
    await put(here, changed)
    found = await listed(there, lambda found: changed in found)
    assert [one for one in found if one.name == member.name] == [changed]


@every_adapter
async def test_a_removed_member_is_gone_at_once_even_if_it_was_the_only_one(
    open_members: Open,
) -> None:
    here, there = await open_members(), await open_members()
    for _ in range(TRIES):  # a goodbye is lost where a session is, and is not said again
        member = pod()
        await put(here, member)
        await listed(there, lambda found, member=member: member in found)  # type: ignore[misc]
        await here.remove(member)
        if member not in await here.list() and member not in await there.list():
            break
    else:
        pytest.fail("a removed member stays on the list")


@every_adapter
async def test_a_watch_shows_the_list_and_then_each_change(open_members: Open) -> None:
    here, there = await open_members(), await open_members()
    first, second = pod(), pod()
    await put(here, first)
    watch = there.watch()
    assert first in await until(watch, lambda _: True)
    await put(here, second)
    await until(watch, lambda members: second in members)
    await put(here, replace(first, state=State.DRAINING))
    await until(watch, lambda members: replace(first, state=State.DRAINING) in members)
    await here.remove(second)
    await until(watch, lambda members: second not in members)


@every_adapter
async def test_a_load_that_changes_reaches_those_who_watch(open_members: Open) -> None:
    here, there = await open_members(), await open_members()
    member = pod("", Kind.GATEWAY)
    await put(here, member)
    watch = there.watch()
    await until(watch, lambda members: member in members)
    for load in range(1, 51):  # as often as it likes: the last one arrives
        await put(here, replace(member, load=load, accepts=load / 2))
    await until(watch, lambda members: replace(member, load=50, accepts=25.0) in members)


@every_adapter
async def test_every_kind_of_member_has_its_record(open_members: Open) -> None:
    here, there = await open_members(), await open_members()
    everybody = [pod(f"{kind}-{uuid4().hex}", kind) for kind in sorted(Kind)]
    for member in everybody:
        await put(here, member)
    found = await listed(there, lambda found: set(everybody) <= set(found))
    assert [one for one in found if one in everybody] == everybody


@every_adapter
async def test_closing_ends_a_watch(open_members: Open) -> None:
    here = await open_members()
    await put(here, pod())

    async def follow() -> None:
        async for _ in here.watch():
            pass

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await here.close()
    async with asyncio.timeout(SOON):
        await following


@every_adapter
async def test_a_pod_that_comes_again_replaces_its_former_life(open_members: Open) -> None:
    before, after, other = await open_members(), await open_members(), await open_members()
    member = pod()
    await put(before, member)
    await before.close()
    again = replace(member, started_ms=2, incarnation=uuid4().bytes)
    await put(after, again)
    found = await listed(other, lambda found: again in found)
    assert [one for one in found if one.name == member.name] == [again]
