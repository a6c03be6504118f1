"""The folder of the embedded stores: what is where, and who may have it.

`signet run` has it alone. That lock is its fence: while it is held no other router can own these
inboxes, so leases of earlier lives need not be waited for (`Router(alone=True)`). The processes of
a cluster on one machine share it, and keep `signet run` out. A kill -9 frees it.
"""

import contextlib
import fcntl
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

KEY_BYTES = 32


class FolderInUse(Exception):
    """Another server has the folder; `pid` is its process, 0 where it has not said yet."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"{path} is in use by process {pid or 'unknown'}")
        self.path, self.pid = path, pid


@dataclass(slots=True)
class DataFolder:
    """Take it with `lock` or `share`; it is given back by `unlock`, or by the process's end."""

    path: Path
    _lock: int = field(default=-1, init=False)

    @property
    def inbox(self) -> Path:
        return self.path / "inbox.sqlite"

    @property
    def directory_url(self) -> str:
        return f"sqlite:///{self.path / 'directory.sqlite'}"

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    def store(self, name: str) -> str:
        """The URL of an embedded store that has a SQLite file of its own."""
        return f"sqlite:///{self.path / name}.sqlite"

    def lock(self) -> None:
        """Make the folder (0700) and take it for this process alone.

        Raises:
            FolderInUse: another process has it.
            OSError: it cannot be made or written.
        """
        self._take(fcntl.LOCK_EX)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps({"pid": os.getpid()}).encode(), 0)

    def share(self) -> None:
        """The same for a process that shares it with others which share it."""
        self._take(fcntl.LOCK_SH)
        os.ftruncate(self._lock, 0)  # what a `signet run` of before has left there

    def _take(self, how: int) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.read(handle, 4096)
            os.close(handle)
            raise FolderInUse(self.path, _pid(told)) from None
        self._lock = handle

    def unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def key(self, name: str) -> bytes:
        """32 secret bytes of that name, made when first asked for, 0600, durable.

        Raises:
            ValueError: the file is there, and is no key.
        """
        path = self.path / f"{name}.key"
        if not path.exists():
            self._make_key(path)
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise ValueError(f"{path} is no key of {KEY_BYTES} bytes")
        return key

    def _make_key(self, path: Path) -> None:
        """Of several processes at once the first one's stands."""
        made = path.with_suffix(f".{os.getpid()}")
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(handle, secrets.token_bytes(KEY_BYTES))
        os.fsync(handle)
        os.close(handle)
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        made.unlink()


def _pid(told: bytes) -> int:
    try:
        return int(json.loads(told)["pid"])
    except (ValueError, KeyError, TypeError):
        return 0
