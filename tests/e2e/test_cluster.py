"""A cluster of real processes: people talk across gateways while pods are killed and drained."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from signet.cluster.cluster import Cluster
from signet.ports.members import Kind
from tests.support.lanes import Server
from tests.support.local_cluster import PATIENCE, cluster, loads, real_stores, register_apart
from tests.support.people import Person, running
from tests.support.pod_files import Folder

pytestmark = pytest.mark.timeout(240)
EVERY = 0.2  # seconds between two looks at the pods


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await is_so():
            await asyncio.sleep(EVERY)


async def until_loads(at: Cluster, kind: Kind, wanted: dict[str, int]) -> None:
    async def so() -> bool:
        return await loads(at, kind) == wanted

    await until(so)


@asynccontextmanager
async def talking(at: Cluster, folder: Path) -> AsyncIterator[tuple[Person, Person]]:
    """Two people, each on the gateway of their own."""
    async with AsyncExitStack() as stack:
        clients = (await register_apart(at, folder)).values()
        people = [await stack.enter_async_context(running(one)) for one in clients]
        for person in people:
            person.patience = PATIENCE
        assert len(people) == 2
        await until_loads(at, Kind.GATEWAY, dict.fromkeys(at.of(Kind.GATEWAY), 1))
        yield people[0], people[1]


class Talk:
    """Both write in turn; each must read everything of the other, in order, once."""

    def __init__(self, alice: Person, bob: Person) -> None:
        self._pairs = ((alice, bob), (bob, alice))
        self._written = 0

    async def go_on(self, count: int = 5) -> None:
        for number in range(self._written, self._written + count):
            for writer, reader in self._pairs:
                await writer.client.send(reader.client.user_id, str(number))
        self._written += count

    async def is_read(self) -> None:
        for _, reader in self._pairs:
            assert await reader.reads(self._written) == list(map(str, range(self._written)))


async def test_two_people_talk_across_gateways_while_each_router_is_killed(tmp_path: Path) -> None:
    async with cluster(tmp_path) as at, talking(at, tmp_path) as (alice, bob):
        talk = Talk(alice, bob)
        await talk.go_on()
        await talk.is_read()
        for router in at.of(Kind.ROUTER):  # one of them owns alice's shard, one bob's
            await talk.go_on()
            await at.kill(router)
            await talk.go_on()
            await talk.is_read()
            await at.ready(router)


async def test_a_killed_gateway_s_people_go_on_at_the_other(tmp_path: Path) -> None:
    async with cluster(tmp_path) as at, talking(at, tmp_path) as (alice, bob):
        talk = Talk(alice, bob)
        await talk.go_on()
        await at.kill(at.of(Kind.GATEWAY)[1], again=False)
        await talk.go_on()
        await talk.is_read()
        await until_loads(at, Kind.GATEWAY, {"gateway-0": 2, "gateway-1": 0})


@pytest.mark.parametrize("kind", [Kind.GATEWAY, Kind.ROUTER])
async def test_a_drained_pod_is_empty_and_nobody_misses_anything(
    tmp_path: Path, kind: Kind
) -> None:
    async with cluster(tmp_path) as at, talking(at, tmp_path) as (alice, bob):
        talk = Talk(alice, bob)
        leaving, staying = at.of(kind)
        await talk.go_on()
        held = sum((await loads(at, kind)).values())
        await at.drain(leaving)
        await talk.go_on()

        async def empty() -> bool:
            pod = next(pod for pod in await at.pods() if pod.name == leaving)
            return pod.stage == "empty" and not pod.ready

        await until(empty)
        await until_loads(at, kind, {leaving: 0, staying: held})
        await talk.go_on()
        await talk.is_read()


@pytest.mark.lane("cassandra")
async def test_people_talk_on_real_servers_while_a_router_and_a_gateway_are_killed(
    tmp_path: Path,
    cassandra_server: Server,
    postgres_server: Server,
    redis_server: Server,
    kafka_server: Server,
) -> None:
    stores = await real_stores(cassandra_server, postgres_server, redis_server, kafka_server)
    async with cluster(tmp_path, stores=stores) as at, talking(at, tmp_path) as (alice, bob):
        talk = Talk(alice, bob)
        await talk.go_on()
        await asyncio.gather(at.kill("router-0"), at.kill("gateway-0"))
        await talk.go_on()
        await talk.is_read()
        await at.ready()


async def test_a_cluster_over_mutual_tls_is_seen_and_told_like_any_other(tmp_path: Path) -> None:
    mine = Folder(tmp_path / "tls").issue("pod")
    settings = {
        "SIGNET_TLS_CA": str(mine.ca),
        "SIGNET_TLS_CERT": str(mine.cert),
        "SIGNET_TLS_KEY": str(mine.key),
    }
    counts = {Kind.GATEWAY: 1, Kind.ROUTER: 1, Kind.KEYS: 1}
    async with Cluster(tmp_path / "data", counts, settings=settings) as at:
        await at.drain("gateway-0")
        gateway, router, keys = await at.pods()
        assert gateway.addresses["admin"].startswith("https://")
        assert gateway.stage in {"draining", "empty"}
        assert (router.stage, keys.stage) == ("active", "active")


async def test_cluster_up_says_all_addresses_and_ends_all_its_processes(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "signet.cli", "cluster", "up", "--json")
    up = await asyncio.create_subprocess_exec(
        *command, "--data", str(tmp_path / "data"), stdout=asyncio.subprocess.PIPE
    )
    assert up.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            told = json.loads(await up.stdout.readline())
        assert [pod["name"] for pod in told["pods"]] == [
            "gateway-0",
            "gateway-1",
            "router-0",
            "router-1",
            "keys-0",
            "push-0",
        ]
        assert (len(told["websocket"]), len(told["rest"])) == (2, 1)
        pids = [pod["pid"] for pod in told["pods"]]
        assert all(map(psutil.pid_exists, pids))
    finally:
        up.send_signal(signal.SIGTERM)
        status = await up.wait()
    assert status == 0
    assert not any(map(psutil.pid_exists, pids))
