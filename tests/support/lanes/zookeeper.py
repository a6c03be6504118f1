"""ZooKeeper, one server. Sessions end after 400 ms (two ticks) at the least, 20 s at the most."""

from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.java import fetch as fetch_java
from tests.support.lanes.java import java
from tests.support.lanes.server import LOOPBACK, Server, accepts, free_port
from tests.support.lanes.sources import jars, render

VERSION = "3.9.4"
MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
OPTIONS = ["-Xmx128m", "-Dzookeeper.admin.enableServer=false"]


def fetch(say: Say) -> list[str]:
    return fetch_java(
        "zookeeper", VERSION, lambda folder, options: _make(folder, options, say), say
    )


def make(folder: Path, say: Say) -> Server:
    return _make(folder, fetch(say), say)


def _make(folder: Path, archive: list[str], say: Say) -> Server:
    port = free_port()
    config = render("zoo.cfg", folder / "zoo.cfg", HOST=LOOPBACK, PORT=port, LANE=folder)
    jar_folder = jars("zookeeper", VERSION, say)
    command = java([*OPTIONS, *archive], jar_folder, MAIN, str(config))
    return Server("zookeeper", folder, port, command, lambda it: accepts(it.host, it.port))
