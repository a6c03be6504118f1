"""The lane "node": a WebSocket client in another language, with code generated from protos/."""

import asyncio
import hashlib
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.lanes.cache import LaneUnavailableError, provide, run, tool

HERE = Path(__file__).parent / "node"
PROTOS = Path(__file__).parents[2] / "protos"
PACKAGES = ("package.json", "package-lock.json")


def installed() -> Path:
    """The folder whose node_modules the client needs; skips the test where it cannot be had."""
    lock = (HERE / "package-lock.json").read_bytes()
    key = f"node-client-{hashlib.sha256(lock).hexdigest()[:12]}"
    try:
        tool("node", "Node 20")
        return provide(key, _install, print, "installing the Node client's packages …")
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))


def _install(folder: Path) -> None:
    for name in PACKAGES:
        shutil.copy(HERE / name, folder)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
    run([tool("npm", "Node 20"), "ci", "--prefix", str(folder), *quiet])


async def prepare(folder: Path) -> None:
    """Generate the client's code from protos/ into `folder`, beside its packages."""
    packages = installed() / "node_modules"
    (folder / "node_modules").symlink_to(packages)
    (folder / "gen").mkdir()
    shutil.copy(HERE / "client.mjs", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    protoc = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}"),
        f"--plugin=protoc-gen-es={packages / '.bin' / 'protoc-gen-es'}",
        *(f"--es_out={folder / 'gen'}", "--es_opt=target=js", "signet/v1/messaging.proto"),
    )
    assert await protoc.wait() == 0


class NodeClient:
    """One process with one stream."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def send(self, **frame: Any) -> None:
        """Send a ClientFrame, as protobuf's JSON has it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(frame).encode() + b"\n")

    async def until(self, kind: str) -> Any:
        """What comes with this key next; other lines are passed over."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                assert "error" not in said, said
                if kind in said:
                    return said[kind]
        raise AssertionError(f"the client ended without {kind}")


@asynccontextmanager
async def node_client(folder: Path, url: str) -> AsyncIterator[NodeClient]:
    """A client that is connected; `folder` was prepared."""
    process = await asyncio.create_subprocess_exec(
        *("node", "client.mjs", url),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield NodeClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
