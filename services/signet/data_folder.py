"""The folder of the embedded stores: what is where, and that one server at a time has it.

The lock is the fence: while it is held no other router can own these inboxes, so leases of
earlier lives need not be waited for (`Router(alone=True)`). A kill -9 frees it.
"""

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
    """Take it with `lock`; it is given back by `unlock`, or by the end of the process."""

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

    def lock(self) -> None:
        """Make the folder (0700) and take it.

        Raises:
            FolderInUse: another process has it.
            OSError: it cannot be made or written.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.read(handle, 4096)
            os.close(handle)
            raise FolderInUse(self.path, _pid(told)) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid()}).encode(), 0)
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
        if path.exists():
            key = path.read_bytes()
            if len(key) != KEY_BYTES:
                raise ValueError(f"{path} is no key of {KEY_BYTES} bytes")
            return key
        key, made = secrets.token_bytes(KEY_BYTES), path.with_suffix(".new")
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(handle, key)
        os.fsync(handle)
        os.close(handle)
        made.rename(path)
        return key


def _pid(told: bytes) -> int:
    try:
        return int(json.loads(told)["pid"])
    except (ValueError, KeyError, TypeError):
        return 0
