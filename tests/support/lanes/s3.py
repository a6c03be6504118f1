"""S3: versitygw, a gateway on a folder (a folder is a bucket). It does not fsync."""

from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.server import LOOPBACK, Server, accepts, free_port
from tests.support.lanes.sources import go_program

VERSION = "1.8.0"
MODULE = "github.com/versity/versitygw/cmd/versitygw"
ACCESS, SECRET, REGION, BUCKET = "laneaccess", "lanesecret", "us-east-1", "media"


def fetch(say: Say) -> Path:
    return go_program(MODULE, VERSION, say)


def make(folder: Path, say: Say, host: str = LOOPBACK) -> Server:
    root, meta = folder / "root", folder / "meta"
    (root / BUCKET).mkdir(parents=True)
    meta.mkdir()
    program = str(fetch(say))
    port = free_port()
    login = ["--access", ACCESS, "--secret", SECRET, "--region", REGION]
    serve = ["--port", f"{host}:{port}", "--quiet", "posix", "--sidecar", str(meta), str(root)]
    command = [program, *login, *serve]
    return Server("s3", folder, port, command, _ready, host=host)


def _ready(server: Server) -> bool:
    return accepts(server.host, server.port)
