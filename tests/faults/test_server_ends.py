"""`signet run` ends when it is asked to, also while its files are locked."""

import asyncio
import signal
import sqlite3
from pathlib import Path

import pytest

from signet.cli.server_process import ServerProcess

BOUND = 60.0  # drain_s and STOP_TIME, on a busy machine


@pytest.mark.parametrize("file", ["inbox.sqlite", "directory.sqlite"])
async def test_a_server_whose_file_is_locked_ends_by_sigterm(tmp_path: Path, file: str) -> None:
    async with ServerProcess(tmp_path / "server") as server:
        locking = sqlite3.connect(tmp_path / "server" / file, isolation_level=None)
        locking.execute("BEGIN IMMEDIATE")
        server.signal(signal.SIGTERM)
        async with asyncio.timeout(BOUND):
            assert await server.gone() == 0
        locking.close()
