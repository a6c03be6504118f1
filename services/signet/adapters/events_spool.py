"""Audit events on disk until Kafka has them: an append-only file, and how far it was sent.

What may be relied upon: a line that `append` took survives the end of the process, also by
SIGKILL; after `sync`, the end of the machine. A line is read again until `sent` says otherwise,
so each goes out at least once. Appending and sending may happen in two threads. One process has
the folder at a time.
"""

import contextlib
import fcntl
import os
import threading
from pathlib import Path

LINES, SENT = "audit.events", "audit.sent"
# A file that is sent whole is emptied from this size on, not each time.
EMPTY_FROM = 1024 * 1024
READ_BYTES = 64 * 1024


class Spool:
    """Lines hold no newline."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Take up what a former process left.

        Raises:
            ValueError: another process has the folder.
            OSError: it cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._limit = folder, limit
        self._lock = threading.Lock()
        self._file = os.open(folder / LINES, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise ValueError(f"another process spools events in {folder}") from None
        self._size = self._mend()
        self._sent = self._read_sent()

    @property
    def waiting(self) -> int:
        """Bytes that are not sent."""
        return self._size - self._sent

    def append(self, line: bytes) -> bool:
        """Keep a line. False: there is no room, or the disk refused it."""
        with self._lock:
            if self._size - self._sent + len(line) > self._limit:
                return False
            before = self._size
            try:
                written = os.write(self._file, line + b"\n")
            except OSError:
                return False
            if written < len(line) + 1:  # the disk is full
                os.ftruncate(self._file, before)
                return False
            self._size += written
            return True

    def read(self) -> list[tuple[bytes, int]]:
        """The next lines that are not sent, each with where it ends."""
        found: list[tuple[bytes, int]] = []
        end = self._sent
        for line in os.pread(self._file, READ_BYTES, end).splitlines(keepends=True):
            if line.endswith(b"\n"):
                end += len(line)
                found.append((line[:-1], end))
        return found

    def sync(self) -> None:
        """On disk when it returns."""
        os.fsync(self._file)

    def sent(self, end: int) -> None:
        """All lines up to `end` have arrived."""
        with self._lock:
            if end == self._size >= EMPTY_FROM:
                os.ftruncate(self._file, 0)  # a crash here: SENT is beyond the end, see _read_sent
                self._size = end = 0
            self._sent = end
        replacement = self._folder / f"{SENT}.new"
        replacement.write_text(str(end))
        replacement.rename(self._folder / SENT)

    def close(self) -> None:
        """Let others have the folder."""
        with contextlib.suppress(OSError):
            self.sync()
        os.close(self._file)

    def _mend(self) -> int:
        """Cut off a line that was not written whole; the size that is left."""
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, READ_BYTES, max(0, size - READ_BYTES))
        whole = size - (len(tail) - (tail.rfind(b"\n") + 1))
        os.ftruncate(self._file, whole)
        return whole

    def _read_sent(self) -> int:
        try:
            sent = int((self._folder / SENT).read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return sent if sent <= self._size else 0
