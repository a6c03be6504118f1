"""`signet run` under chaos: one server, its files, and the doors to it."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

from signet.cli.server_process import STOPS_WITHIN, DidNotStart, ServerProcess
from tests.faults.chaos.doors import LOOPBACK, Behind, Door, Where
from tests.faults.chaos.faults import Fault, Kind, Part, Way
from tests.faults.chaos.system import FILE, LIMITS_OFF, LINES, break_lines, locked

STARTS = 10
SERVER = {
    Kind.KILL: Way(2, 0.0, 1.0, 4.0),
    Kind.TERM: Way(2, 0.0, 1.0, 4.0),
    Kind.STOP: Way(1, 0.5, 6.0, 2.0),
}


class OneProcess:
    """See `System`."""

    def __init__(self, folder: Path) -> None:
        self.parts = [
            Part("server", SERVER),
            Part("doors", LINES),
            Part("inbox.sqlite", FILE),
            Part("directory.sqlite", FILE),
        ]
        self._data = folder / "server"
        self._doors = {name: Door(self._behind(name)) for name in ("websocket", "grpc", "rest")}
        self._server: ServerProcess
        self._stubborn = 0

    @property
    def server(self) -> str:
        return f"http://{LOOPBACK}:{self._doors['rest'].port}"

    def _behind(self, name: str) -> Behind:
        def where() -> list[Where]:
            address: str = getattr(self._server.addresses, name)
            port = address.removesuffix("/v1/connect").rsplit(":", 1)[1]
            return [(LOOPBACK, int(port))]

        return where

    async def start(self) -> None:
        for door in self._doors.values():
            await door.open()
        public = {
            "SIGNET_PUBLIC_WEBSOCKET": f"ws://{LOOPBACK}:{self._doors['websocket'].port}/v1/connect",
            "SIGNET_PUBLIC_GRPC": f"{LOOPBACK}:{self._doors['grpc'].port}",
        }
        environment = {**os.environ, **LIMITS_OFF, **public}
        self._server = ServerProcess(self._data, environment=environment)
        await self._server.start()

    async def suffer(self, fault: Fault) -> float:
        match fault.part, fault.kind:
            case "server", Kind.STOP:
                self._server.signal(signal.SIGSTOP)
                await asyncio.sleep(fault.lasts)
                self._server.signal(signal.SIGCONT)
            case "server", _:
                return await self._end(fault)
            case "doors", _:
                await break_lines(list(self._doors.values()), fault)
            case file, _:
                async with locked(self._data / file):
                    await asyncio.sleep(fault.lasts)
        return time.monotonic()

    async def _end(self, fault: Fault) -> float:
        ended = time.monotonic()
        try:
            await (self._server.kill() if fault.kind is Kind.KILL else self._server.stop())
        except TimeoutError:  # it is killed then
            self._stubborn += 1
        await asyncio.sleep(fault.lasts)
        await self._start_again()
        return ended

    async def _start_again(self) -> None:
        """As a supervisor does: one that finds its file locked ends, and is started again."""
        for _ in range(STARTS):
            with contextlib.suppress(DidNotStart):
                await self._server.start()
                return
        raise RuntimeError(f"the server did not start in {STARTS} tries")

    def notes(self) -> list[str]:
        if not self._stubborn:
            return []
        return [f"{self._stubborn} times the server did not end within {STOPS_WITHIN} s of SIGTERM"]

    async def stop(self) -> None:
        await self._server.kill()
        for door in self._doors.values():
            await door.close()
