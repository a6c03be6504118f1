"""Where a process writes a blob before it gets its name: a folder of its own, beside others'.

A lock on the folder says that its process lives. What dead ones have left is thrown away by
whoever comes next; several processes may have the same parent.
"""

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path


class Staging:
    """`path` is this process's until `close`. Raises OSError: it cannot be made or written."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.iterdir():
            _throw_away(left)
        self.path = parent / secrets.token_hex(16)
        while True:
            self.path.mkdir()
            self._lock = os.open(self.path, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            if self.path.exists():
                return
            os.close(self._lock)  # another process came between, and took it for a dead one's

    def close(self) -> None:
        """Throw away what is in it. Again: no effect."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
        self._lock = -1


def _throw_away(left: Path) -> None:
    """Unless a living process has it locked."""
    with suppress(FileNotFoundError):
        lock = os.open(left, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()
        except BlockingIOError:
            return
        finally:
            os.close(lock)
