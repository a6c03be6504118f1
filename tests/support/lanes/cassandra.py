"""Cassandra 5, commit log in group mode (2 ms): what it has confirmed is on disk.

One node (`make`), or several that are one cluster (`make_nodes`, `Nodes`).
"""

import re
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.java import fetch as fetch_java
from tests.support.lanes.java import java
from tests.support.lanes.server import (
    LOOPBACK,
    PROBE_S,
    READY_TIMEOUT_S,
    Server,
    accepts,
    free_port,
)
from tests.support.lanes.sources import FILES, jars, render

VERSION = "5.0.9"
MAIN = "org.apache.cassandra.service.CassandraDaemon"
TOKENS = 2**64
UP = re.compile(r"/([0-9.]+):\d+ is now UP")
FIRST_TOKEN = -(2**63) + 1
OPENS = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.math",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
]
EXPORTS = [
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/java.lang.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.compiler/com.sun.tools.javac.file",
]
# Cassandra locks its heap at the start: -Xms is what it takes at once. The overhead of a row is
# measured for two seconds unless it is told, and gossip is not waited for.
OPTIONS = [
    "-Xms64m",
    "-Xmx512m",
    "-XX:MaxDirectMemorySize=128m",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Djava.net.preferIPv4Stack=true",
    *(f"--add-opens={name}=ALL-UNNAMED" for name in OPENS),
    *(f"--add-exports={name}=ALL-UNNAMED" for name in EXPORTS),
    "-Dcassandra-foreground=yes",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=1000",
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.memtable.row_overhead_size=180",
    "-Dcassandra.available_processors=2",
    "-Dcassandra.shutdown_announce_in_ms=0",
]


def fetch(say: Say) -> list[str]:
    return fetch_java(
        "cassandra", VERSION, lambda folder, options: _make(folder, options, say), say
    )


def make(folder: Path, say: Say, host: str = LOOPBACK) -> Server:
    return _make(folder, fetch(say), say, host)


def _make(folder: Path, archive: list[str], say: Say, host: str = LOOPBACK) -> Server:
    ports = (free_port(), free_port())
    return _node(folder, archive, say, host, ports, FIRST_TOKEN, seed=host)


def _node(
    folder: Path,
    archive: list[str],
    say: Say,
    host: str,
    ports: tuple[int, int],
    token: int,
    options: Sequence[str] = (),
    hints: bool = True,
    seed: str = LOOPBACK,
) -> Server:
    """`ports`: of clients, and of the nodes among themselves. `seed`: the first node's host."""
    port, storage = ports
    where = {"LANE": folder, "HOST": host, "SEED": seed, "PORT": port, "STORAGE_PORT": storage}
    how = {"TOKEN": token, "HINTS": str(hints).lower()}
    config = render("cassandra.yaml", folder / "cassandra.yaml", **where, **how)
    log = shutil.copy(FILES / "cassandra.logback.xml", folder / "logback.xml")
    own = [
        f"-Djava.io.tmpdir={folder}",
        f"-Djna.tmpdir={folder}",
        f"-Dcassandra.config={config.as_uri()}",
        f"-Dcassandra.storagedir={folder}",
        f"-Dlogback.configurationFile={Path(log).as_uri()}",
        *options,
    ]
    command = java([*OPTIONS, *archive, *own], jars("cassandra", VERSION, say), MAIN)
    return Server("cassandra", folder, port, command, _ready, host=host)


def _ready(server: Server) -> bool:
    """It says so just before it does so."""
    said = "Starting listening for CQL clients" in server.said()
    return said and accepts(server.host, server.port)


class Nodes(list[Server]):
    """One cluster, on LOOPBACK and the addresses behind it. Tokens are given: nothing streams."""

    def start(self) -> "Nodes":
        """All of them; they see each other when this returns."""
        self[0].start()
        with ThreadPoolExecutor(len(self)) as others:
            list(others.map(Server.start, self[1:]))
        for node in self:
            self.await_others(node)
        return self

    def await_others(self, node: Server) -> None:
        """A node that was started takes clients seconds before it sees the others that run."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        others = {one.host for one in self if one is not node and one.runs}
        while not others <= set(UP.findall(node.said())):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{node.host} does not see {others}:\n{node.said()[-3000:]}")
            time.sleep(PROBE_S)

    def kill(self) -> None:
        for node in self:
            node.kill()


def make_nodes(folder: Path, count: int, say: Say) -> Nodes:
    """Not started yet. They keep no hints for each other: what was missed is missing."""
    archive, ports, nodes = fetch(say), (free_port(), free_port()), Nodes()
    for n in range(count):
        own = folder / f"node-{n + 1}"
        own.mkdir()
        token, host = FIRST_TOKEN + TOKENS // count * n, f"{LOOPBACK[:-1]}{n + 1}"
        joins = ["-Dcassandra.auto_bootstrap=false"]
        nodes.append(_node(own, archive, say, host, ports, token, joins, hints=False))
    return nodes
