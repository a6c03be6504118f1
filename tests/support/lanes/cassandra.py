"""Cassandra 5, one node, commit log in group mode (2 ms): what it has confirmed is on disk."""

import shutil
from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.java import fetch as fetch_java
from tests.support.lanes.java import java
from tests.support.lanes.server import LOOPBACK, Server, accepts, free_port
from tests.support.lanes.sources import FILES, jars, render

VERSION = "5.0.9"
MAIN = "org.apache.cassandra.service.CassandraDaemon"
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
# measured for two seconds unless it is told, and there is nobody to gossip with.
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


def make(folder: Path, say: Say) -> Server:
    return _make(folder, fetch(say), say)


def _make(folder: Path, archive: list[str], say: Say) -> Server:
    port, storage = free_port(), free_port()
    where = {"LANE": folder, "HOST": LOOPBACK, "PORT": port, "STORAGE_PORT": storage}
    config = render("cassandra.yaml", folder / "cassandra.yaml", TOKEN=FIRST_TOKEN, **where)
    log = shutil.copy(FILES / "cassandra.logback.xml", folder / "logback.xml")
    own = [
        f"-Djava.io.tmpdir={folder}",
        f"-Djna.tmpdir={folder}",
        f"-Dcassandra.config={config.as_uri()}",
        f"-Dcassandra.storagedir={folder}",
        f"-Dlogback.configurationFile={Path(log).as_uri()}",
    ]
    command = java([*OPTIONS, *archive, *own], jars("cassandra", VERSION, say), MAIN)
    return Server("cassandra", folder, port, command, _ready)


def _ready(server: Server) -> bool:
    """It says so just before it does so."""
    said = "Starting listening for CQL clients" in server.said()
    return said and accepts(server.host, server.port)
