"""A real `signet run` in a process of its own, for the demo, the bench and tests."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STARTS_WITHIN = 30.0  # seconds; a cold start imports for about one
STOPS_WITHIN = 15.0


class DidNotStart(Exception):
    """The server ended, or said nothing, instead of where it listens."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server listens, as `signet run --json` says it."""

    websocket: str  # ws://host:port/v1/connect
    grpc: str  # host:port
    rest: str  # http://host:port
    admin: str  # http://host:port
    pid: int

    @staticmethod
    def read(line: str) -> "Addresses":
        return Addresses(**json.loads(line))


def _tied() -> Sequence[str]:
    """`signet run`, killed when the thread ends that starts it (as a rule: this process)."""
    return (sys.executable, "-m", "signet.cluster.tied", str(os.getpid()), "signet.cli", "run")


def _port(address: str) -> str:
    return address.removesuffix("/v1/connect").rsplit(":", 1)[1]


def _end_of(log: Path) -> str:
    return log.read_text()[-2000:]


class ServerProcess:
    """Starts on free ports; started again, it has the same ones.

    `command` is what runs instead of `signet run`, for tests that break something.
    """

    def __init__(
        self,
        data: Path,
        *,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self._data = data
        self._environment = environment
        self.command = command or _tied()
        self._process: Process | None = None
        self.addresses: Addresses

    async def start(self) -> Addresses:
        """Raises DidNotStart."""
        log = (self._data.parent / f"{self._data.name}.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                *self._arguments(),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), STARTS_WITHIN)
            self.addresses = Addresses.read(line.decode())
        except (TimeoutError, ValueError, TypeError):
            await self.kill()
            raise DidNotStart(await asyncio.to_thread(_end_of, Path(log.name))) from None
        return self.addresses

    def _arguments(self) -> list[str]:
        ports = {"websocket": "0", "grpc": "0", "rest": "0", "admin": "0"}
        if hasattr(self, "addresses"):
            ports = {name: _port(getattr(self.addresses, name)) for name in ports}
        flags = [f"--{name}-port={port}" for name, port in ports.items()]
        return ["--data", str(self._data), "--json", *flags]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """To the server, while it runs: SIGSTOP, SIGCONT …"""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        await self.gone()

    async def stop(self) -> int:
        """SIGTERM; its exit status. One that does not end is killed."""
        self.signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.gone(), STOPS_WITHIN)
        except TimeoutError:
            await self.kill()
            raise

    async def gone(self) -> int:
        """Wait for its end, whoever brings it about; its exit status."""
        return await self._process.wait() if self._process is not None else 0

    async def __aenter__(self) -> "ServerProcess":
        await self.start()
        return self

    async def __aexit__(self, *failed: object) -> None:
        await self.kill()
