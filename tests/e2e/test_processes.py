"""The processes of a cluster on one data folder, as a person would start them by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from signet.client import Client, MessageReceived
from signet.cluster.cluster import Cluster
from signet.core.ring import Ring
from signet.ports.members import Kind
from tests.support.people import Person, running

pytestmark = pytest.mark.timeout(180)
COUNTS = {Kind.ROUTER: 2, Kind.GATEWAY: 2, Kind.KEYS: 1, Kind.PUSH: 1}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path / "data", COUNTS, again=False) as started:
        yield started


async def register(cluster: Cluster, folder: Path, name: str, home: str) -> Client:
    """Somebody whose devices belong at that gateway."""
    ring = Ring(cluster.of(Kind.GATEWAY))
    for number in range(30):
        client = await Client.register(
            server=cluster.entries.rest[0],
            store=folder / f"{name}{number}",
            user_name=f"{name}{number}",
        )
        if ring.at(client.user_id) == home:
            return client
    raise AssertionError("the ring has one gateway")


async def loads(cluster: Cluster) -> dict[str, int]:
    return {pod.name: pod.load for pod in await cluster.pods() if pod.kind is Kind.GATEWAY}


async def until_loads(cluster: Cluster, wanted: dict[str, int]) -> None:
    async with asyncio.timeout(60):
        while await loads(cluster) != wanted:
            await asyncio.sleep(0.1)


async def say(one: Person, other: Person, text: str) -> None:
    """Sent, and read by the other."""
    read = sum(isinstance(event, MessageReceived) for event in other.told)
    sent = await one.client.send(other.client.user_id, text)
    await one.client.wait_sent(sent.id)
    assert (await other.reads(read + 1))[read] == text


async def test_people_on_two_gateways_talk_on_when_one_of_them_is_ended(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        alice, bob = [
            await stack.enter_async_context(running(await register(cluster, tmp_path, name, home)))
            for name, home in (("alice", "gateway-0"), ("bob", "gateway-1"))
        ]
        await until_loads(cluster, {"gateway-0": 1, "gateway-1": 1})
        for text in ("one", "two"):
            await say(alice, bob, text)
            await say(bob, alice, text)
        await cluster.stop("gateway-1", again=False)
        for text in ("three", "four"):
            await say(alice, bob, text)
            await say(bob, alice, text)
        assert await bob.reads(4) == await alice.reads(4) == ["one", "two", "three", "four"]
