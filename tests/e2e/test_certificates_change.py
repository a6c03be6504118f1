"""Certificates of a cluster's pods are all replaced while people talk: no stream of theirs ends."""

import asyncio
import os
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from signet.client import Client
from signet.cluster.child import Child
from signet.ports.members import Kind
from signet_operator import certificates as ca
from signet_operator.apply.secrets import client_context
from signet_operator.certificates import Pair, Terms
from signet_operator.names import Tier
from tests.e2e.test_processes import say
from tests.support.people import running

pytestmark = pytest.mark.timeout(300)
WITHIN = 90.0  # seconds for each change, on a busy machine
DAY = 86_400
TERMS = Terms(90 * DAY, 30 * DAY, {Tier.ROUTER: ("localhost",)})
PODS = {"router-0": Kind.ROUTER, "router-1": Kind.ROUTER, "keys-0": Kind.KEYS}
GATEWAY = "gateway-0"


class Mounted:
    """The files that all pods have, replaced as a kubelet does it: each at once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.authority, self.other = (ca.make_authority(n, TERMS, time.time()) for n in "ab")
        self.trust(self.authority)
        self.show(self.authority)

    def trust(self, *authorities: Pair) -> None:
        self.bundle = ca.bundle(one.certificate for one in authorities)
        self._replace("ca.crt", self.bundle)

    def show(self, by: Pair) -> None:
        self.pair, self.leaf = ca.make_leaf(by, ("localhost",), TERMS, time.time())
        self._replace("tls.key", self.pair.key)
        self._replace("tls.crt", self.pair.certificate)

    def _replace(self, name: str, text: bytes) -> None:
        made = self._folder / f".{name}"
        made.write_bytes(text)
        made.replace(self._folder / name)

    def client(self) -> ssl.SSLContext:
        return client_context(self.bundle, self.pair)

    @property
    def settings(self) -> dict[str, str]:
        files = {"CA": "ca.crt", "CERT": "tls.crt", "KEY": "tls.key"}
        return {f"SIGNET_TLS_{name}": str(self._folder / file) for name, file in files.items()}


class Pods:
    """Two routers, keys and a gateway."""

    def __init__(self, folder: Path, mounted: Mounted) -> None:
        self._folder, self._mounted = folder, mounted
        self.children: dict[str, Child] = {}
        self.told: dict[str, dict[str, Any]] = {}

    async def start(self) -> None:
        ports = {f"SIGNET_{p}_PORT": "0" for p in ("WEBSOCKET", "GRPC", "REST", "ADMIN", "LINK")}
        common = {**ports, **self._mounted.settings, "SIGNET_ADVERTISE": "localhost"}
        for name, kind in {**PODS, GATEWAY: Kind.GATEWAY}.items():
            own = {"SIGNET_NAME": name, "SIGNET_DATA": f"{self._folder}/data"}
            environment, log = {**os.environ, **common, **own}, self._folder / f"{name}.log"
            child = await Child.start(name, f"signet.{kind}", ["--json"], environment, log)
            self.children[name] = child
            self.told[name] = await child.told()

    async def kill(self) -> None:
        for child in self.children.values():
            await child.kill()

    def url(self, name: str, page: str) -> str:
        return f"https://localhost:{self.told[name]['admin'].rpartition(':')[2]}{page}"

    async def get(self, name: str, page: str) -> httpx.Response:
        async with httpx.AsyncClient(verify=self._mounted.client(), trust_env=False) as http:
            return await http.get(self.url(name, page))

    async def say(self, field: str, wanted: str) -> None:
        """Wait until every pod says so of itself."""
        async with asyncio.timeout(WITHIN):
            for name in self.children:
                while (await self.get(name, "/v1/pod")).json()[field] != wanted:
                    await asyncio.sleep(0.1)

    def links(self) -> dict[int, int]:
        """Of the gateway: its own port of the connection to each router, by the router's."""
        routers = {
            int(told["link"].rpartition(":")[2]) for told in self.told.values() if "link" in told
        }
        found = psutil.Process(self.children[GATEWAY].pid).net_connections("tcp")
        return {
            one.raddr.port: one.laddr.port
            for one in found
            if one.status == psutil.CONN_ESTABLISHED and one.raddr and one.raddr.port in routers
        }

    async def streams_opened(self) -> float:
        page = (await self.get(GATEWAY, "/metrics")).text
        return sum(
            float(n) for n in re.findall(r"^signet_streams_opened_total\{.*\} (.*)$", page, re.M)
        )


@asynccontextmanager
async def cluster(folder: Path, mounted: Mounted) -> AsyncIterator[Pods]:
    pods = Pods(folder, mounted)
    try:
        await pods.start()
        async with asyncio.timeout(WITHIN):
            while not (await pods.get(GATEWAY, "/readyz")).is_success or len(pods.links()) < 2:
                await asyncio.sleep(0.1)
        yield pods
    finally:
        await pods.kill()


async def test_a_new_authority_takes_over_while_people_talk(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "tls")
    async with cluster(tmp_path, mounted) as pods:
        rest = pods.told["keys-0"]["rest"]
        made = [
            await Client.register(server=rest, store=tmp_path / name, user_name=name)
            for name in ("alice", "bob")
        ]
        async with running(made[0]) as alice, running(made[1]) as bob:
            await say(alice, bob, "before")
            opened, before = await pods.streams_opened(), pods.links()
            assert (opened, len(before)) == (2, 2)

            old = mounted.client()
            again = asyncio.create_task(opened_again(pods, before))
            mounted.trust(mounted.authority, mounted.other)
            await pods.say("bundle", ca.bundle_hash(mounted.bundle))
            assert await again >= 1  # one at a time
            await say(bob, alice, "trusted")

            again = asyncio.create_task(opened_again(pods, pods.links()))
            mounted.show(mounted.other)
            await pods.say("certificate", mounted.leaf.fingerprint)
            await say(alice, bob, "shown")
            assert await again >= 1
            await say(bob, alice, "opened again")

            mounted.trust(mounted.other)
            await pods.say("bundle", ca.bundle_hash(mounted.bundle))
            for name in pods.children:
                async with httpx.AsyncClient(verify=old, trust_env=False) as http:
                    with pytest.raises(httpx.TransportError):
                        await http.get(pods.url(name, "/v1/pod"))
            await say(alice, bob, "after")
            await say(bob, alice, "after")
            assert await pods.streams_opened() == opened


async def opened_again(pods: Pods, before: dict[int, int]) -> int:
    """Wait until the link to each router is another one; how few there were at a time."""
    fewest = len(before)
    async with asyncio.timeout(WITHIN):
        while True:
            now = pods.links()
            fewest = min(fewest, len(now))
            if len(now) == len(before) and all(now[at] != before[at] for at in before):
                return fewest
            await asyncio.sleep(0.01)
