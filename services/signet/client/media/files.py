"""Encrypting into a file, and out of files: in threads, piece by piece, whole or not at all.

What is written gets its name only when it is durable, and plain text only when the digest of the
whole ciphertext was found right.
"""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from signet.client.media.attachment import Attachment
from signet.e2e import Randomness
from signet.e2e.attachments import AttachmentKey, Checker, Decryptor, Encryptor

PIECE = 256 * 1024

Source = Path | AsyncIterable[bytes]
"""What is sent: a file, or pieces of one."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """What became of a source."""

    key: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    size: int


async def encrypt(source: Source, to: Path, randomness: Randomness) -> Encrypted:
    """Encrypt all of it under a new key into a new file; durable when it returns.

    Raises:
        OSError: it cannot be read, or written; then there is no file.
    """
    await asyncio.to_thread(to.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
    key = AttachmentKey.generate(randomness)
    encryptor = Encryptor(key, randomness)
    making = to.with_name(to.name + ".new")
    try:
        if isinstance(source, Path):
            await asyncio.to_thread(_encrypt_file, source, making, encryptor)
        else:
            await _encrypt_pieces(source, making, encryptor)
        await asyncio.to_thread(_publish, making, to)
    finally:
        making.unlink(missing_ok=True)
    return Encrypted(key.raw, encryptor.digest, encryptor.size)


def decrypt(sealed: Sequence[Path], attachment: Attachment, to: Path) -> None:
    """Check the files, one after the other, against the digest; then decrypt them into `to`.

    What is at `to` is replaced. In a thread.

    Raises:
        InvalidAttachment: they are not what was sent; nothing was written.
        OSError: it cannot be written; then there is no such file.
    """
    key = AttachmentKey(attachment.key)
    checker = Checker(key, attachment.size, attachment.digest)
    for piece in _pieces(sealed):
        checker.update(piece)
    checker.finish()
    decryptor = Decryptor(key, attachment.size)
    making = to.with_name(f".{to.name[:64]}.{attachment.digest[:8].hex()}")
    try:
        with _new(making) as out:
            for piece in _pieces(sealed):
                out.write(decryptor.update(piece))
        _publish(making, to)
    finally:
        making.unlink(missing_ok=True)


async def read(path: Path, start: int, size: int) -> AsyncIterator[bytes]:
    """So many bytes of a file from `start` on. Raises OSError."""
    with await asyncio.to_thread(path.open, "rb") as file:
        file.seek(start)
        while size > 0 and (piece := await asyncio.to_thread(file.read, min(PIECE, size))):
            size -= len(piece)
            yield piece


def _encrypt_file(source: Path, to: Path, encryptor: Encryptor) -> None:
    with _new(to) as out:
        for piece in _pieces([source]):
            out.write(encryptor.update(piece))
        _finish(out, encryptor)


async def _encrypt_pieces(source: AsyncIterable[bytes], to: Path, encryptor: Encryptor) -> None:
    with await asyncio.to_thread(_new, to) as out:
        async for piece in source:
            await asyncio.to_thread(lambda data: out.write(encryptor.update(data)), piece)
        await asyncio.to_thread(_finish, out, encryptor)


def _finish(out: BinaryIO, encryptor: Encryptor) -> None:
    for piece in encryptor.finish():
        out.write(piece)


def _pieces(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


def _new(path: Path) -> BinaryIO:
    """For its owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _publish(made: Path, to: Path) -> None:
    """Durable first, named then."""
    for path in (made, to.parent):
        if path == to.parent:
            made.replace(to)
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
