"""Network namespaces of a lane: what runs in one cannot touch the machine's addresses and rules.

A thread can be in one, too: the connections that it opens there stay there. `name` "" is the
machine's own.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.lanes.server import Server

FOLDER = Path("/run/netns")
NEW_NETWORK = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Network:
    """Made by `make`, gone after `remove`."""

    name: str = ""

    @property
    def prefix(self) -> tuple[str, ...]:
        """Put before a command, it runs there; its process id is the command's own."""
        return ("nsenter", f"--net={FOLDER / self.name}", "--") if self.name else ()

    def make(self) -> None:
        ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def remove(self) -> None:
        """Its devices go with it, when the last process has left."""
        if (FOLDER / self.name).exists():
            ip("netns", "del", self.name)

    def ip(self, *arguments: str) -> str:
        return ip(*arguments, prefix=self.prefix)

    def run(self, *command: str) -> str:
        """A short command, there. Raises RuntimeError."""
        return _run([*self.prefix, *command])

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is there; connections that it has stay where they are."""
        if not self.name:
            yield
            return
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(FOLDER / self.name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _enter(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _enter(back)
        finally:
            os.close(back)

    def move(self, server: Server) -> Server:
        """A server that is not started yet will run there, and is looked at from there."""
        ready = server.ready
        server.prefix = (*self.prefix, *server.prefix)

        def ready_there(server: Server) -> bool:
            with self.entered():
                return ready(server)

        server.ready = ready_there
        return server


def ip(*arguments: str, prefix: Sequence[str] = ()) -> str:
    """The program `ip`. Raises RuntimeError."""
    return _run([*prefix, "ip", *arguments])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _enter(handle: int) -> None:
    if LIBC.setns(handle, NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")
