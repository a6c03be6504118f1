"""What Linux says of a process and of its listening socket while a storm goes on."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from signet.core import limits

_LISTEN = "0A"
_HEAD = 64 * limits.KIB  # listening sockets come first in the table
_LOOK_EVERY = 0.02  # seconds


def unaccepted(port: int) -> int:
    """Connections that wait in the kernel's queue of a listening port."""
    with Path("/proc/net/tcp").open() as table:
        for line in table.read(_HEAD).splitlines()[1:]:
            _, local, _, state, queues, *_ = line.split()
            if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
                return int(queues.rpartition(":")[2], 16)
    return 0


def memory(pid: int) -> float:
    """MiB that are resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / limits.KIB
    return 0.0


def cpu(pid: int) -> float:
    """Seconds that all threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Watch:
    """A thread that looks while the block runs: the event loop here has enough to do."""

    pid: int
    port: int
    most_unaccepted: int = 0
    before: float = 0.0  # MiB
    peak: float = 0.0  # MiB
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.before = memory(self.pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *failed: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            self.most_unaccepted = max(self.most_unaccepted, unaccepted(self.port))
            self.peak = max(self.peak, memory(self.pid))
