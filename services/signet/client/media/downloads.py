"""Getting a blob: its parts into files, some at a time, from where they were cut; then the file.

What has come stays, also over a crash: the same download goes on from there. Plain text is written
only when all of it was found right.
"""

import asyncio
import shutil
from pathlib import Path

from signet.client.environment import Environment
from signet.client.errors import AttachmentDamaged, AttachmentGone, ServerUnreachable
from signet.client.media import files
from signet.client.media.attachment import Attachment
from signet.client.media.progress import Meter, OnProgress
from signet.client.media.tickets import Part, Tickets
from signet.client.media.transfer import Transfer, UrlRefused, size_of, together
from signet.core.backoff import Backoff
from signet.core.errors import Code, SignetError
from signet.core.limits import MEDIA_PARTS_AT_ONCE, MEDIA_TRIES, MEDIA_TTL, SEND_BACKOFF_CAP
from signet.e2e.attachments import sealed_size
from signet.e2e.errors import InvalidAttachment


class Downloads:
    """`folder` is where ciphertext lies until it is whole."""

    def __init__(
        self, folder: Path, tickets: Tickets, transfer: Transfer, environment: Environment
    ) -> None:
        self._folder, self._env = folder, environment
        self._tickets, self._transfer = tickets, transfer
        self._busy: dict[str, asyncio.Lock] = {}

    async def download(self, attachment: Attachment, to: Path, progress: OnProgress | None) -> None:
        """See Client.download. One at a time of the same attachment."""
        if not attachment.pointer:
            raise AttachmentGone("it is not uploaded yet")
        lock = self._busy.setdefault(attachment.pointer, asyncio.Lock())
        try:
            async with lock:
                await self._download(attachment, to, progress)
        finally:
            if not lock.locked():
                self._busy.pop(attachment.pointer, None)

    async def tidy(self) -> None:
        """Throw away what came of downloads that nobody has ended until the blob was over."""
        await asyncio.to_thread(_throw_away, self._folder, self._env.now() - MEDIA_TTL)

    async def _download(
        self, attachment: Attachment, to: Path, progress: OnProgress | None
    ) -> None:
        folder = self._folder / attachment.pointer
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        try:
            sealed = await self._fetch(attachment, folder, progress)
            await asyncio.to_thread(files.decrypt, sealed, attachment, to)
        except InvalidAttachment as error:
            await asyncio.to_thread(shutil.rmtree, folder)
            raise AttachmentDamaged(str(error)) from error
        except (AttachmentDamaged, AttachmentGone):
            await asyncio.to_thread(shutil.rmtree, folder)
            raise
        await asyncio.to_thread(shutil.rmtree, folder)

    async def _fetch(
        self, attachment: Attachment, folder: Path, progress: OnProgress | None
    ) -> list[Path]:
        """The files of all parts, whole."""
        total, backoff = sealed_size(attachment.size), Backoff()
        before, tries = -1, 0
        while True:
            have = await asyncio.to_thread(_bytes_in, folder)
            tries = tries + 1 if have <= before else 1
            before = have
            try:
                parts = await self._parts(attachment.pointer, total)
                await self._fetch_parts(parts, folder, Meter(total, have, progress))
                return [folder / _name(part) for part in parts]
            except (ServerUnreachable, UrlRefused) as error:
                if tries >= MEDIA_TRIES:
                    raise ServerUnreachable("the store of media does not answer") from error
                wait_s, backoff = backoff.failed(
                    self._env.monotonic(), self._env.chance(), cap=SEND_BACKOFF_CAP
                )
                await asyncio.sleep(wait_s)

    async def _parts(self, name: str, total: int) -> tuple[Part, ...]:
        """Raises AttachmentGone, AttachmentDamaged, SignetError, ServerUnreachable."""
        try:
            parts = await self._tickets.find(name)
        except SignetError as error:
            if error.code is Code.NOT_FOUND:
                raise AttachmentGone("the store has it no more") from error
            raise
        if sum(part.size for part in parts) != total:
            raise AttachmentDamaged("the store has another length of it")
        return parts

    async def _fetch_parts(self, parts: tuple[Part, ...], folder: Path, meter: Meter) -> None:
        slots = asyncio.Semaphore(MEDIA_PARTS_AT_ONCE)

        async def one(part: Part) -> None:
            async with slots:
                await self._transfer.get(part, folder / _name(part), meter.moved)

        await together(*map(one, parts))


def _name(part: Part) -> str:
    return f"{part.index:04}"


def _throw_away(folder: Path, before: float) -> None:
    if folder.is_dir():
        for left in folder.iterdir():
            if left.stat().st_mtime < before:
                shutil.rmtree(left)


def _bytes_in(folder: Path) -> int:
    return sum(size_of(path) for path in folder.iterdir())
