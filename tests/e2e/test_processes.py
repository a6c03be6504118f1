"""The processes of a cluster on one data folder, as a person would start them by hand."""

import asyncio
import os
import re
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from signet.client import Client, MessageReceived
from signet.cluster.child import Child
from signet.cluster.cluster import Cluster
from signet.core.limits import SHARDS
from signet.core.ring import Ring
from signet.pod.pod import LOST
from signet.ports.members import Kind
from tests.support.lanes import free_port
from tests.support.people import Person, running
from tests.support.pod_files import Folder
from tests.support.server import server
from tests.support.signet_command import Shell

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


async def test_a_gateway_is_drained_and_kept_from_the_command_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, "")
    pods = {pod.name: str(pod.addresses["admin"]) for pod in await cluster.pods()}
    said = (await shell.run("admin", "status", pods["gateway-0"], "--json")).json
    assert (said["kind"], said["stage"]) == ("gateway", "active")
    assert {m["name"] for m in said["members"]} == set(cluster.names)
    shown = await shell.run("admin", "status", pods["router-0"].removeprefix("http://"))
    assert "router-0 router: active" in shown.out
    for store in ("directory", "events", "inbox", "members", "presence"):
        assert re.search(f"{store} +answers since 20", shown.out), shown.out
    refused = await shell.run("admin", "undrain", pods["gateway-0"], "--json")
    assert (refused.status, refused.problem["error"]) == (3, "NOT_DRAINING")

    client = await register(cluster, tmp_path, "alice", "gateway-0")
    async with running(client):
        await until_loads(cluster, {"gateway-0": 1, "gateway-1": 0})
        drained = await shell.run("admin", "drain", pods["gateway-0"], "--within", "60", "--json")
        assert drained.json["stage"] in {"draining", "empty"}
        await until_loads(cluster, {"gateway-0": 0, "gateway-1": 1})
        async with asyncio.timeout(60):
            while (await cluster.pods())[cluster.names.index("gateway-0")].stage != "empty":
                await asyncio.sleep(0.1)
        assert cluster.pod("gateway-0").pid  # it stays, until a signal comes


async def test_what_keeps_a_process_from_starting_is_said_in_one_line(tmp_path: Path) -> None:
    data = f"--data={tmp_path}/data"
    shell = Shell(tmp_path, "")
    for arguments, status, name, detail in (
        (["gateway", data, "--grpc-port=70000"], 2, "SETTINGS", "SIGNET_GRPC_PORT"),
        (["router", data, "--host=0.0.0.0"], 2, "SETTINGS", "SIGNET_ADVERTISE"),
        (["push", data, f"--config={tmp_path}/none.toml"], 2, "SETTINGS", "none.toml"),
    ):
        done = await shell.run(*arguments, "--json")
        assert (done.status, done.problem["error"]) == (status, name), done.err
        assert detail in done.problem["detail"]


async def test_a_router_whose_number_of_shards_is_not_that_of_the_inboxes_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(tmp_path):
        pass  # it leaves its data
    monkeypatch.setenv("SIGNET_SHARDS", "512")
    shell = Shell(tmp_path, "")
    for command in ("router", "run"):
        done = await shell.run(command, f"--data={tmp_path}/server", "--json")
        assert (done.status, done.problem["error"]) == (2, "SHARDS"), done.err
        assert done.problem["detail"] == f"shards is 512 here, and the inboxes are in {SHARDS}"


async def test_a_folder_that_one_server_has_alone_is_not_shared(tmp_path: Path) -> None:
    async with server(tmp_path):
        done = await Shell(tmp_path, "").run("keys-service", f"--data={tmp_path}/server")
    assert done.status == 5
    assert f"process {os.getpid()} runs a whole server" in done.err


async def test_processes_talk_over_mutual_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path / "tls")
    mine = folder.issue("pod")
    settings = {
        "SIGNET_DATA": f"{tmp_path}/data",
        "SIGNET_TLS_CA": str(mine.ca),
        "SIGNET_TLS_CERT": str(mine.cert),
        "SIGNET_TLS_KEY": str(mine.key),
        **{f"SIGNET_{port}_PORT": "0" for port in ("WEBSOCKET", "GRPC", "REST", "ADMIN", "LINK")},
    }
    async with AsyncExitStack() as stack:
        said: dict[Kind, dict[str, str]] = {}
        for kind in (Kind.ROUTER, Kind.KEYS, Kind.GATEWAY):
            log = tmp_path / f"{kind}.log"
            probe = {"SIGNET_PROBE_PORT": str(free_port())} if kind is Kind.GATEWAY else {}
            environment = {**os.environ, **settings, **probe}
            child = await Child.start(kind, f"signet.{kind}", ["--json"], environment, log)
            stack.push_async_callback(child.kill)
            said[kind] = await child.told()
        own = httpx.AsyncClient(verify=mine.client(), trust_env=False)
        ready = f"{said[Kind.GATEWAY]['admin']}/readyz"
        assert ready.startswith("https://")
        async with own as admin, asyncio.timeout(60):
            while not (await admin.get(ready)).is_success:
                await asyncio.sleep(0.1)
        for context in (True, ssl.create_default_context(cafile=folder.ca)):
            async with httpx.AsyncClient(verify=context, trust_env=False) as stranger:
                with pytest.raises(httpx.TransportError):
                    await stranger.get(ready)
        async with httpx.AsyncClient(trust_env=False) as kubelet:
            assert (await kubelet.get(f"{said[Kind.GATEWAY]['probe']}/readyz")).is_success
            refused = await kubelet.post(f"{said[Kind.GATEWAY]['probe']}/v1/drain")
            assert not refused.is_success
        shell, admin_port = Shell(tmp_path, ""), said[Kind.ROUTER]["admin"]
        assert (await shell.run("admin", "status", admin_port)).status == 4
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        assert "active" in (await shell.run("admin", "status", admin_port)).out
        rest = said[Kind.KEYS]["rest"]
        alice, bob = [
            await stack.enter_async_context(
                running(await Client.register(server=rest, store=tmp_path / name, user_name=name))
            )
            for name in ("alice", "bob")
        ]
        await say(alice, bob, "over TLS")
        await say(bob, alice, "all the way")


async def test_a_router_that_was_stopped_past_its_lease_ends_with_a_status_of_its_own(
    tmp_path: Path,
) -> None:
    ports = {f"SIGNET_{port}_PORT": "0" for port in ("ADMIN", "LINK")}
    async with AsyncExitStack() as stack, httpx.AsyncClient(trust_env=False) as http:

        async def start(name: str) -> tuple[Child, str]:
            environment = {**os.environ, **ports, "SIGNET_NAME": name}
            environment |= {"SIGNET_DATA": f"{tmp_path}/data"}
            log = tmp_path / f"{name}.log"
            child = await Child.start(name, "signet.router", ["--json"], environment, log)
            stack.push_async_callback(child.kill)
            return child, str((await child.told())["admin"])

        async def holds(admin: str, shards: int) -> None:
            async with asyncio.timeout(60):
                while (await http.get(f"{admin}/v1/pod")).json()["load"] != shards:
                    await asyncio.sleep(0.1)

        first, admin = await start("router-0")
        await holds(admin, SHARDS)
        first.signal(signal.SIGSTOP)
        _, other = await start("router-1")
        await holds(other, SHARDS)  # L2: it has waited for the lease, and taken them
        first.signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            assert await first.gone() == LOST
