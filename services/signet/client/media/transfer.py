"""Parts of a blob over signed URLs: no login, no redirect, piece by piece.

A URL that begins with a slash is at the server's own address.
"""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import httpx

from signet.client.errors import AttachmentDamaged, ServerUnreachable
from signet.client.media import files
from signet.client.media.tickets import Part
from signet.core.limits import BLOB_TIMEOUT

Moved = Callable[[int], None]
"""Told how many more bytes have gone, or come; less than none when they count no more."""

_TAKEN = (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED)


class UrlRefused(Exception):
    """It is over, or its blob is gone: the keys service knows another, or says so."""


class Transfer:
    """Of one server. Its calls may be made at the same time."""

    def __init__(self, server: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=server, timeout=BLOB_TIMEOUT, follow_redirects=False, transport=transport
        )

    async def put(self, part: Part, file: Path, moved: Moved) -> None:
        """Put a part, out of a file of the whole ciphertext. One that is there already is put.

        Raises:
            UrlRefused. ServerUnreachable: a cut, or a store that is away.
            OSError: the file cannot be read.
        """
        gone = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal gone
            async for piece in files.read(file, part.start, part.size):
                yield piece
                gone += len(piece)
                moved(len(piece))

        headers = {
            "Content-Length": str(part.size),
            "Content-MD5": await asyncio.to_thread(_md5, file, part),
            "If-None-Match": "*",
        }
        try:
            answer = await self._http.put(part.url, content=body(), headers=headers)
            _check(answer)
        except BaseException as error:
            moved(-gone)
            if isinstance(error, httpx.HTTPError):
                raise _cut(error) from error
            raise

    async def get(self, part: Part, to: Path, moved: Moved) -> None:
        """Bring a file up to the size of its part: what it has already is not asked for again.

        Raises:
            UrlRefused. ServerUnreachable: a cut; what has come stays.
            AttachmentDamaged: more came than the part has.
            OSError: the file cannot be written.
        """
        have = await asyncio.to_thread(size_of, to)
        if have == part.size:
            return
        if have > part.size:  # of a longer part, or damaged
            await asyncio.to_thread(to.unlink)
            moved(-have)
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            async with self._http.stream("GET", part.url, headers=headers) as answer:
                _check(answer)
                if have and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                    await asyncio.to_thread(to.unlink)  # all of it comes again
                    moved(-have)
                    have = 0
                await _append(answer, to, part.size - have, moved)
        except httpx.HTTPError as error:
            raise _cut(error) from error

    async def close(self) -> None:
        await self._http.aclose()


async def _append(answer: httpx.Response, to: Path, left: int, moved: Moved) -> None:
    with await asyncio.to_thread(to.open, "ab") as out:
        async for piece in answer.aiter_raw(files.PIECE):
            left -= len(piece)
            if left < 0:
                raise AttachmentDamaged("the store has more of it than was sent")
            await asyncio.to_thread(out.write, piece)
            moved(len(piece))
    if left:
        raise ServerUnreachable("the store ended before all of it had come")


async def together(*work: Coroutine[None, None, None]) -> None:
    """All of it at the same time; where one fails, the others are ended, and it raises that."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check(answer: httpx.Response) -> None:
    """Raises UrlRefused, ServerUnreachable."""
    if answer.is_success or (answer.request.method == "PUT" and answer.status_code in _TAKEN):
        return
    if answer.status_code in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
        raise UrlRefused
    raise ServerUnreachable(f"the store of media answered {answer.status_code}")


def _cut(error: httpx.HTTPError) -> ServerUnreachable:
    return ServerUnreachable(f"{type(error).__name__} on the way to the store of media")


def size_of(path: Path) -> int:
    """0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _md5(file: Path, part: Part) -> str:
    digest, left = hashlib.md5(usedforsecurity=False), part.size
    with file.open("rb") as opened:
        opened.seek(part.start)
        while left and (piece := opened.read(min(files.PIECE, left))):
            digest.update(piece)
            left -= len(piece)
    return b64encode(digest.digest()).decode()
