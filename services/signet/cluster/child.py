"""One process of ours: started, told apart by its first line, signalled and ended by its pid."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STARTS_WITHIN = 60.0  # seconds; several cold starts share two cores, and each imports for a second
TAIL = 4000  # bytes of the log that are shown when a process did not start


class DidNotStart(Exception):
    """The process ended, or said nothing in time, instead of where it listens."""

    def __init__(self, name: str, log: Path, tail: str) -> None:
        super().__init__(f"{name} did not start; the end of {log}:\n{tail}")
        self.name, self.log, self.tail = name, log, tail

    @property
    def last_words(self) -> str:
        """The last line of the log; of a pod that says why, its detail."""
        last = self.tail.strip().rpartition("\n")[2] or "it said nothing"
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return str(json.loads(last)["detail"])
        return last


class Child:
    """`python -m MODULE ARGUMENTS`, tied to this process: it is killed when this one ends.

    Start it from the thread that lives as long as this process (Linux ties to threads). Its
    first line of output is one JSON object; what it says on standard error goes to `log`.
    """

    def __init__(self, name: str, process: Process, log: Path, log_from: int) -> None:
        self.name, self.log = name, log
        self._process, self._log_from = process, log_from
        self._reading: asyncio.Task[None] | None = None

    @staticmethod
    async def start(
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
    ) -> "Child":
        """Returns as soon as the process is there; `told` waits until it is ready."""
        with log.open("ab") as out:
            log_from = out.tell()
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "signet.cluster.tied",
                str(os.getpid()),
                module,
                *arguments,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=out,
                env=environment,
                start_new_session=True,  # a terminal's Ctrl-C is for us alone
            )
        return Child(name, process, log, log_from)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def told(self) -> dict[str, Any]:
        """Its first line, once it is ready.

        Raises:
            DidNotStart: and the process is gone.
        """
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), STARTS_WITHIN)
            said = dict(json.loads(line))
        except (TimeoutError, ValueError, TypeError):
            await self.kill()
            raise DidNotStart(self.name, self.log, await self._tail()) from None
        except BaseException:
            await self.kill()
            raise
        self._reading = asyncio.create_task(self._pass_over(self._process.stdout))
        return said

    async def _pass_over(self, out: asyncio.StreamReader) -> None:
        """What it prints later is nobody's; a full pipe would stop it."""
        while await out.read(1 << 16):
            pass

    async def _tail(self) -> str:
        def end() -> str:
            own = self.log.read_bytes()[self._log_from :]
            return own[-TAIL:].decode(errors="replace")

        return await asyncio.to_thread(end)

    def signal(self, number: signal.Signals) -> None:
        """While it runs; afterwards nothing happens, so no other process is ever meant."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def gone(self) -> int:
        """Wait for its end, whoever brings it about; its exit status (-9 after SIGKILL)."""
        return await self._process.wait()

    async def kill(self) -> int:
        """SIGKILL, and wait until it is gone. A stopped process dies of it too."""
        self.signal(signal.SIGKILL)
        return await self.gone()

    async def end(self, within: float) -> int:
        """SIGTERM, and wait; one that does not end within so many seconds is killed."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # a stopped one hears of SIGTERM only now
        try:
            return await asyncio.wait_for(self.gone(), within)
        except TimeoutError:
            return await self.kill()
