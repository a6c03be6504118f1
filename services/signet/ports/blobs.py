"""Encrypted media: bytes that the server cannot read, by unguessable name."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

Method = Literal["GET", "PUT"]
NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """Size in bytes and when it was written (Unix time)."""

    name: str
    size: int
    written_ms: int


class BlobNotFound(Exception):
    """There is no blob of that name."""


class BlobExists(ValueError):
    """There is a blob of that name already."""


class Blobs(Protocol):
    """A blob appears whole or not at all, and does not change."""

    async def put(self, name: str, chunks: AsyncIterator[bytes], size: int) -> BlobInfo:
        """Write `size` bytes under a new name; durable when it returns.

        Raises:
            BlobExists: the name is taken.
            ValueError: the chunks are not `size` bytes, or the name is malformed.
        """
        ...

    def get(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Bytes start … end-1.

        Raises:
            BlobNotFound: on the first step.
        """
        ...

    async def info(self, name: str) -> BlobInfo:
        """Raises: BlobNotFound."""
        ...

    async def delete(self, name: str) -> None:
        """Gone when it returns; an unknown name is no error."""
        ...

    async def delete_between(self, after: str, before: str) -> int:
        """Delete the blobs whose names sort after `after` and before `before`; how many went.

        It costs what is deleted, not what is there: of blobs whose names begin with when they were
        made, the old ones go cheaply. May be cut off anywhere, and made again.
        """
        ...

    async def sign(self, method: Method, name: str, expires_s: int, size: int | None = None) -> str:
        """A URL by which anybody may do this one thing for `expires_s` seconds, without a login.

        It may begin with a slash: then it is below the address at which REST is asked. With
        `size` a PUT is good for exactly so many bytes; without, for up to MAX_BLOB.

        It is a secret until then, and cannot be taken back. A request that has begun by then may
        end later. Nothing is looked at: the blob need not be there.

        GET answers 200 with all bytes; with one `Range` 206 with those of them that there are.

        PUT has the blob as its body and its size in Content-Length, and answers 200; the blob
        then is durable. It appears whole or not at all: an upload that is cut leaves nothing, and
        may be made again. Clients say two things more, without which not every S3 keeps this:
        `If-None-Match: *`, or S3 lets them replace a blob, and `Content-MD5`, or some gateways
        (versitygw up to 1.8.0) take what came of an upload that was cut for all of it. Who asks
        again because the answer was lost, and is told that the name is taken, has succeeded.

        | refused with | what |
        |---|---|
        | 400 | PUT: the body does not have its Content-MD5, or is shorter than `size` |
        | 403 | the time is over; a URL that was changed; another name or method (or 405); |
        | | S3, with `size`: another length, or no `If-None-Match: *` |
        | 404 | GET: there is no such blob (S3: 403 for one who may not list the bucket) |
        | 408, or cut off | the client sends nothing, or takes nothing, for BLOB_TIMEOUT |
        | 409, 412 | PUT: the name is taken |
        | 411 | PUT: no Content-Length |
        | 413 | PUT: more than `size`, or MAX_BLOB. S3 bounds nothing that has no `size` |
        | 416 | GET: the range begins behind the end |
        | cut off | PUT: any of these, while the body is still coming |
        | 5xx | the store is away or full; come back later |

        Raises:
            ValueError: the name is malformed, or `expires_s` is not 1 … BLOB_URL_LIFE.
        """
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...
