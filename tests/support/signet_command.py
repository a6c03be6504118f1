"""The command line as people use it: processes, their output, their exit codes."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Tied: a command ends with the test run that started it, however that one ends.
TIED = (sys.executable, "-m", "signet.cluster.tied", str(os.getpid()))
SIGNET = (*TIED, "signet.cli")


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.out))

    @property
    def problem(self) -> dict[str, Any]:
        return dict(json.loads(self.err))


class Running:
    """A command that goes on: lines in, lines out."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def says(self, *words: str) -> str:
        """The next line that holds all the words; earlier ones are passed over."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            text = line.decode()
            if all(word in text for word in words):
                return text
        raise AssertionError(f"ended without saying {words}")

    async def ended(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._process.wait()


@dataclass(frozen=True, slots=True)
class Shell:
    """Commands of one machine: its stores are in `home`, its server is `server`."""

    home: Path
    server: str

    async def _start(self, *arguments: str, reads: bool = False) -> Process:
        return await asyncio.create_subprocess_exec(
            *SIGNET,
            *arguments,
            stdin=PIPE if reads else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, "XDG_DATA_HOME": str(self.home), "COLUMNS": "200"},
        )

    async def run(self, *arguments: str, typed: str = "") -> Done:
        process = await self._start(*arguments, reads=bool(typed))
        out, err = await process.communicate(typed.encode() if typed else None)
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def register(self, name: str, *more: str) -> Done:
        return await self.run("register", name, "--server", self.server, "--json", *more)

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[Running]:
        process = await self._start(*arguments, reads=True)
        try:
            yield Running(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
