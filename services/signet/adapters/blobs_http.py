"""Serves the signed URLs of a folder of blobs: an ASGI application over ports/blobs.py.

What it answers, and with which status, is the table of `Blobs.sign`; a refusal is problem+json.
500 is a disk that fails or is full. It is to be mounted where nothing has read the body before.
Bodies go through in pieces, in both directions: a transfer holds a few hundred KiB.
"""

import asyncio
import hashlib
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from signet.adapters.blobs_ranges import Unsatisfiable, part
from signet.adapters.blobs_signed import Sizes, UrlRefused, verify
from signet.core import limits
from signet.ports.blobs import BlobExists, BlobNotFound, Blobs

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
_DIGITS = 15  # of a length that is still read as a number


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, why: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(why)
        self.status, self.why, self.headers = status, why, list(headers)


class _Gone(Exception):
    """The client hung up, or takes nothing any more."""


class BlobsApp:
    """`key` has signed the URLs; `clock` is Unix time in seconds.

    `patience_s` bounds each wait for the client: for a piece of its body, and for its taking one.
    """

    def __init__(
        self,
        blobs: Blobs,
        key: bytes,
        *,
        clock: Callable[[], float] = time.time,
        patience_s: float = limits.BLOB_TIMEOUT,
    ) -> None:
        self._blobs, self._key = blobs, key
        self._clock, self._patience = clock, patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. The path below where it is mounted is the name."""
        if scope["type"] != "http":
            raise ValueError(f"blobs are not served over {scope['type']}")
        client = _Client(receive, send, self._patience)
        try:
            try:
                await self._answer(scope, client)
            except _Refused as refused:
                await client.refuse(refused)
        except _Gone:
            return

    async def _answer(self, scope: Scope, client: "_Client") -> None:
        name, query = _name(scope), scope["query_string"].decode("latin-1")
        headers = dict(scope["headers"])
        try:
            sizes = verify(self._key, scope["method"], name, query, self._clock())
        except UrlRefused:
            why = "this URL is not good for that, or not any more"
            raise _Refused(HTTPStatus.FORBIDDEN, why) from None
        if scope["method"] == "PUT":
            size, md5 = _length(headers, sizes), headers.get(b"content-md5")
            await self._put(name, size, client.body(md5), client)
        else:
            await self._get(name, headers.get(b"range", b"").decode("latin-1"), client)

    async def _put(
        self, name: str, size: int, body: AsyncIterator[bytes], client: "_Client"
    ) -> None:
        try:
            await self._blobs.put(name, body, size)
        except BlobExists:
            raise _Refused(HTTPStatus.CONFLICT, "there is a blob of that name") from None
        except ValueError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        await client.start(HTTPStatus.OK, [(b"content-length", b"0")])
        await client.piece(b"", more=False)

    async def _get(self, name: str, ranges: str, client: "_Client") -> None:
        try:
            size = (await self._blobs.info(name)).size
            asked = part(ranges, size)
            start, end = asked or (0, size)
            pieces = self._blobs.get(name, start, end)
            first = await anext(pieces, b"")  # it may be gone by now
        except BlobNotFound:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such blob") from None
        except Unsatisfiable:
            whole = (b"content-range", f"bytes */{size}".encode())
            why = "the range begins behind the end"
            raise _Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, why, whole) from None
        await client.start(*_opening(asked, size))
        await client.piece(first)
        async for piece in pieces:
            await client.piece(piece)
        await client.piece(b"", more=False)


class _Client:
    """One request and its answer. No wait is longer than `patience`."""

    def __init__(self, receive: Receive, send: Send, patience: float) -> None:
        self._receive, self._send, self._patience = receive, send, patience

    async def body(self, md5: bytes | None) -> AsyncIterator[bytes]:
        """Raises: _Gone; _Refused: 408; 400 at the end, where it has not this MD5 (base64)."""
        found, more = hashlib.md5(usedforsecurity=False), True
        while more:
            message = await self._next()
            if data := message.get("body"):
                if md5 is not None:
                    found.update(data)
                yield data
            more = message.get("more_body", False)
        if md5 is not None and b64encode(found.digest()) != md5:
            raise _Refused(HTTPStatus.BAD_REQUEST, "the body has not this Content-MD5")

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            close = (b"connection", b"close")
            raise _Refused(HTTPStatus.REQUEST_TIMEOUT, "nothing came", close) from None
        if message["type"] != "http.request":
            raise _Gone
        return message

    async def start(self, status: HTTPStatus, headers: Headers) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, data: bytes, *, more: bool = True) -> None:
        """Raises: _Gone; the server then cuts an answer that is not whole."""
        try:
            async with asyncio.timeout(self._patience):
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            raise _Gone from None

    async def refuse(self, refused: _Refused) -> None:
        problem = {"status": refused.status, "title": refused.status.phrase, "detail": refused.why}
        body = json.dumps(problem).encode()
        kind = (b"content-type", b"application/problem+json")
        length = (b"content-length", str(len(body)).encode())
        await self.start(refused.status, [kind, length, *refused.headers])
        await self.piece(body, more=False)


def _name(scope: Scope) -> str:
    """What follows the path of the mount; servers differ in whether they leave that out."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).removeprefix("/")


def _length(headers: dict[bytes, bytes], sizes: Sizes) -> int:
    """Bytes that are said to come. Raises: _Refused."""
    said = headers.get(b"content-length", b"")
    if not said.isdigit():
        raise _Refused(HTTPStatus.LENGTH_REQUIRED, "a blob is put with its Content-Length")
    if len(said) > _DIGITS or int(said) > sizes.most:
        why = f"at most {sizes.most} bytes are put here"
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
    if int(said) < sizes.least:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{sizes.least} bytes are put here")
    return int(said)


def _opening(asked: tuple[int, int] | None, size: int) -> tuple[HTTPStatus, Headers]:
    start, end = asked or (0, size)
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"x-content-type-options", b"nosniff"),  # a stranger's bytes at our address
        (b"cache-control", b"private, no-store"),
        (b"accept-ranges", b"bytes"),
        (b"content-length", str(end - start).encode()),
    ]
    if asked is None:
        return HTTPStatus.OK, headers
    within = (b"content-range", f"bytes {start}-{end - 1}/{size}".encode())
    return HTTPStatus.PARTIAL_CONTENT, [*headers, within]
