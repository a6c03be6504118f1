"""Encrypted media: bytes that the server cannot read, by unguessable name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """Size in bytes and when it was written (Unix time)."""

    name: str
    size: int
    written_ms: int


class BlobNotFound(Exception):
    """There is no blob of that name."""


class Blobs(Protocol):
    """A blob appears whole or not at all, and does not change."""

    async def put(self, name: str, chunks: AsyncIterator[bytes], size: int) -> BlobInfo:
        """Write `size` bytes under a new name; durable when it returns.

        Raises:
            ValueError: the chunks are not `size` bytes, or the name is taken or malformed.
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

    async def close(self) -> None:
        """Give back what is held."""
        ...
