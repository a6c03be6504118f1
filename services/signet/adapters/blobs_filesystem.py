"""Blobs in a folder: the embedded default of ports/blobs.py.

What may be relied upon: a blob is written beside its place, made durable (fsync of file and
folder), and then linked to its name, which fails if the name is taken. So it is whole or absent
after a crash at any moment; what a crash left half-written is thrown away when the folder is
opened (blobs_staging). A deleted blob may come back if the machine dies within moments. Processes
of one machine may share the folder.

URLs are signed with a key that is made with the folder and stays in it: they outlive the process.
Whoever serves them (blobs_http) does so at `public`.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import obstore
from obstore.store import LocalStore

from signet.adapters.blobs_length import exactly
from signet.adapters.blobs_signed import KEY_BYTES, Sizes, check, sign
from signet.adapters.blobs_staging import Staging
from signet.core import limits
from signet.ports.blobs import NAME, BlobExists, BlobInfo, BlobNotFound, Method

CHUNK = 256 * 1024  # what `get` yields at the least, but for the last
WRITTEN = 512 * 1024  # gathered in memory, twice, of each blob that is being put


class FilesystemBlobs:
    """The folder is made where it is not there.

    `public` is the URL below which blobs_http is served, or its path at the address where REST is
    asked; "": no URL can be signed. `clock` is Unix time in seconds.
    """

    def __init__(
        self, folder: Path, *, public: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._whole = folder / "blobs"
        self._whole.mkdir(parents=True, exist_ok=True)
        self._own = Staging(folder / "incoming")
        self._incoming = self._own.path
        self._store = LocalStore(self._whole)
        self._staging = LocalStore(self._incoming)
        self._public, self._clock = public.rstrip("/"), clock
        self.key = _key_in(folder, self._incoming)  # of the URLs

    async def put(self, name: str, chunks: AsyncIterator[bytes], size: int) -> BlobInfo:
        """See Blobs. Raises OSError where the disk is full or fails; then there is no such blob."""
        if not NAME.fullmatch(name):
            raise ValueError("a blob's name has 1-200 letters, digits, - and _")
        if (self._whole / name).exists():
            raise BlobExists("there is a blob of that name")
        staged = secrets.token_hex(16)
        try:
            await obstore.put_async(
                self._staging,
                staged,
                exactly(chunks, size),
                use_multipart=True,
                chunk_size=WRITTEN,
                max_concurrency=2,
            )
            await asyncio.to_thread(_publish, self._incoming / staged, self._whole / name)
        finally:
            (self._incoming / staged).unlink(missing_ok=True)
        return await self.info(name)

    async def get(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See Blobs. A range beyond the end is cut off there."""
        size = (await self.info(name)).size
        stop = size if end is None else min(end, size)
        if start >= stop:
            return
        try:
            found = await obstore.get_async(self._store, name, options={"range": (start, stop)})
        except FileNotFoundError:
            raise BlobNotFound(name) from None
        async for chunk in found.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)

    async def info(self, name: str) -> BlobInfo:
        """See Blobs."""
        if not NAME.fullmatch(name):
            raise BlobNotFound(name)
        try:
            found = await obstore.head_async(self._store, name)
        except FileNotFoundError:
            raise BlobNotFound(name) from None
        return BlobInfo(name, found["size"], int(found["last_modified"].timestamp() * 1000))

    async def delete(self, name: str) -> None:
        """See Blobs."""
        if NAME.fullmatch(name):
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                return

    async def delete_between(self, after: str, before: str) -> int:
        """See Blobs. The whole folder is looked at, in a thread."""
        return await asyncio.to_thread(_delete_between, self._whole, after, before)

    async def sign(self, method: Method, name: str, expires_s: int, size: int | None = None) -> str:
        """See Blobs. ValueError also where `public` is not known."""
        check(method, name, expires_s)
        if not self._public:
            raise ValueError("where blobs are served is not known: ?public=URL")
        most = limits.MAX_BLOB if method == "PUT" else 0
        sizes = Sizes(0, most) if size is None else Sizes(size, size)
        query = sign(self.key, method, name, sizes, int(self._clock()) + expires_s)
        return f"{self._public}/{name}?{query}"

    async def close(self) -> None:
        """Throw away what is half-written."""
        self._own.close()


def _publish(staged: Path, at: Path) -> None:
    """Durable first, visible then. Raises BlobExists: the name was taken meanwhile."""
    _sync(staged)
    try:
        os.link(staged, at)
    except FileExistsError:
        raise BlobExists("there is a blob of that name") from None
    _sync(at.parent)


def _delete_between(folder: Path, after: str, before: str) -> int:
    with os.scandir(folder) as found:
        names = [entry.name for entry in found if after < entry.name < before]
    for name in names:
        (folder / name).unlink(missing_ok=True)
    return len(names)


def _key_in(folder: Path, staging: Path) -> bytes:
    """The key, made and durable where there is none. Raises OSError."""
    at, made = folder / "url.key", staging / secrets.token_hex(16)
    if not at.exists():
        made.touch(0o600)
        made.write_bytes(secrets.token_bytes(KEY_BYTES))
        with suppress(BlobExists):
            _publish(made, at)
        made.unlink()
    return at.read_bytes()


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
