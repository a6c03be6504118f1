"""Kafka in KRaft mode, broker and controller in one process; an fsync for every message."""

import base64
import uuid
from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.java import fetch as fetch_java
from tests.support.lanes.java import java
from tests.support.lanes.server import LOOPBACK, Server, free_port
from tests.support.lanes.sources import jars, render

VERSION = "4.4.0"
OPTIONS = [
    "-Xmx256m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.server=info",
    "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
]


def fetch(say: Say) -> list[str]:
    return fetch_java("kafka", VERSION, lambda folder, options: _make(folder, options, say), say)


def make(folder: Path, say: Say, told: int = 0, host: str = LOOPBACK) -> Server:
    """`told` is the port at which clients are told to come, where it is not its own."""
    return _make(folder, fetch(say), say, told, host)


def _make(
    folder: Path, archive: list[str], say: Say, told: int = 0, host: str = LOOPBACK
) -> Server:
    port = free_port()
    where = {
        "HOST": host,
        "PORT": port,
        "TOLD_PORT": told or port,
        "CONTROLLER_PORT": free_port(),
        "LANE": folder,
    }
    config = render("kafka.properties", folder / "server.properties", **where)
    _format(folder / "data")
    jar_folder = jars("kafka", VERSION, say)
    command = java([*OPTIONS, *archive], jar_folder, "kafka.Kafka", str(config))
    return Server("kafka", folder, port, command, _ready, host=host)


def _ready(server: Server) -> bool:
    return "Kafka Server started" in server.said()


def _format(data: Path) -> None:
    """What Kafka's storage tool writes, without a second Java."""
    data.mkdir()
    cluster, directory = _name(), _name()
    (data / "meta.properties").write_text(
        f"version=1\nnode.id=1\ncluster.id={cluster}\ndirectory.id={directory}\n"
    )


def _name() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
