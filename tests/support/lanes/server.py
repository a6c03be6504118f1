"""One real server in a folder of its own: started, broken on purpose, and ended by its pid."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
READY_TIMEOUT_S = 90.0
PROBE_S = 0.02
END_TIMEOUT_S = 15.0
# The kernel ends a server when the *thread* that started it ends. So one thread, which lives as
# long as this process does, starts them all; tests may then restart servers from any thread.
STARTER = ThreadPoolExecutor(1, thread_name_prefix="lanes")
# Below the range of outgoing connections: nobody takes the port while its server is down, and a
# client that tries again and again cannot be connected to itself.
PORTS = range(20_000, 32_000)


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on."""
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return port
    raise RuntimeError("no free port")


def accepts(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), 0.3):
        return True
    return False


@dataclass(eq=False)
class Server:
    """A process with its helpers. Methods block until what they say is so; see `paused`, too.

    `command` is run below `setpriv --pdeathsig`: when the test run dies, so does the server.
    `prefix` goes before that, for a program that must not run as root.
    """

    name: str
    folder: Path
    port: int
    command: Sequence[str]
    ready: Callable[["Server"], bool]
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = LOOPBACK
    again: str = "\0"  # ended with these words in its log, it is started once more
    started_in_s: float = 0.0
    _process: subprocess.Popen[bytes] | None = None
    _log_from: int = 0

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def url(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None

    def said(self) -> str:
        """What it has logged since it was last started."""
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def start(self) -> "Server":
        """Start it on its data and port; it serves when this returns."""
        began = time.monotonic()
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        self._process = STARTER.submit(self._spawn).result()
        while not self.ready(self):
            late = time.monotonic() - began > READY_TIMEOUT_S
            if not late and self._process.poll() is not None and self.again in self.said():
                time.sleep(PROBE_S)  # what it names is still going away
                self._process = STARTER.submit(self._spawn).result()
            elif self._process.poll() is not None or late:
                self.kill()
                raise RuntimeError(f"{self.name} does not start:\n{self.said()[-3000:]}")
            time.sleep(PROBE_S)
        self.started_in_s = time.monotonic() - began
        return self

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self.prefix, "setpriv", "--pdeathsig", "KILL", "--", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
                env={**os.environ, **self.environment},
            )

    def kill(self) -> None:
        """SIGKILL, helpers included: nothing is written any more when this returns."""
        processes = self._all()
        self._signal(signal.SIGKILL)
        psutil.wait_procs(processes[1:], END_TIMEOUT_S)
        if self._process is not None:
            self._process.wait(END_TIMEOUT_S)
            self._process = None

    def stop_process(self) -> None:
        """SIGSTOP: connections stay open, the kernel accepts new ones, and nobody answers."""
        self._signal(signal.SIGSTOP)
        for process in self._all():  # a signal is no promise of when
            with contextlib.suppress(psutil.NoSuchProcess):
                while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                    time.sleep(PROBE_S / 10)

    def resume(self) -> None:
        """SIGCONT: it goes on where it was stopped."""
        self._signal(signal.SIGCONT)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stopped inside, going on after."""
        self.stop_process()
        try:
            yield
        finally:
            self.resume()

    def restart(self) -> None:
        """SIGKILL if it runs, then start again on the same data and port."""
        self.kill()
        self.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end in its own way, then by SIGKILL."""
        if self._process is None:
            return
        self._process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        self.kill()

    def _all(self) -> list[psutil.Process]:
        """The process and its helpers."""
        if self._process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._process.pid)
            return [process, *process.children(recursive=True)]
        return []

    def _signal(self, number: signal.Signals) -> None:
        """To the process first, so that it starts no others, then to its helpers."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            helpers = psutil.Process(self._process.pid).children(recursive=True)
            self._process.send_signal(number)
            for helper in helpers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    helper.send_signal(number)
