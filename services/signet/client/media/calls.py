"""The calls about files: sending them beside messages, and getting those that came."""

import asyncio
from pathlib import Path

from signet.client import content as contents
from signet.client import reading
from signet.client.calls import Calls
from signet.client.device_store import Tx
from signet.client.errors import refusal
from signet.client.event_codec import keep
from signet.client.events import Kept, Message
from signet.client.media import files
from signet.client.media.attachment import Attachment, harmless_name, is_media_type, to_wire
from signet.client.media.downloads import Downloads
from signet.client.media.files import Source
from signet.client.media.progress import OnProgress
from signet.client.media.tickets import Tickets
from signet.client.media.transfer import Transfer
from signet.client.media.uploads import Queue, Uploads
from signet.client.reading import From
from signet.client.store.uploads import Uploading
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.core.limits import MAX_BLOB, MAX_THUMBNAIL
from signet.e2e.attachments import sealed_size

_POINTER_ROOM = 1024  # bytes of a message for an attachment's pointer, key, digest, name and type


class MediaCalls(Calls):
    """Part of `Client`, which calls `_open_media` before anything else of it."""

    _uploads: Uploads
    _downloads: Downloads
    _tickets: Tickets
    _transfer: Transfer

    async def send_attachment(
        self,
        to: UserId,
        source: Source | str,
        *,
        media_type: str = "",
        file_name: str = "",
        thumbnail: bytes = b"",
        text: str = "",
        progress: OnProgress | None = None,
    ) -> Message:
        """Send a file, or pieces of one, with a text beside it.

        Encrypted, and durable here, when this returns; it is uploaded in the background, also
        after a restart, and sent then. `wait_sent` waits for that. A refusal is a `SendFailed`.
        A path's own name is taken where there is no `file_name`; `thumbnail` is the
        application's, at most 16 KiB.

        Raises:
            OSError: it cannot be read, or there is no room for its ciphertext.
            SignetError: CONTENT_TOO_LARGE (text and thumbnail); of a file of more than 100 MiB,
                which the server is asked about first, MEDIA_TOO_LARGE and others.
            ServerUnreachable: only for so large a file.
            ValueError: `media_type` is none.
        """
        source = Path(source) if isinstance(source, str) else source
        _check(media_type, thumbnail, text)
        ticket = await self._ticket_for_large(source)
        message_id = self._env.message_id()
        file = self._uploads.begin(message_id)
        made = await files.encrypt(source, file, self._env.randomness)
        name = harmless_name(file_name or (source.name if isinstance(source, Path) else ""))
        attachment = Attachment("", made.key, made.digest, made.size, media_type, name, thumbnail)
        content = contents.text(text, None, None, "")
        content.text.attachments.append(to_wire(attachment))

        def write(tx: Tx) -> Message:
            now = self._env.now()
            content.expire_after_seconds = tx.peers.get(to).timer
            stamped = contents.stamped(content, message_id, int(now * 1000))
            tx.uploads.add(Uploading(message_id, to, now, stamped, ticket))
            origin = From(self.user_id, self._me.account.device, to)
            return reading.put_text(tx, self._me, origin, stamped)

        try:
            message = await self._store.run(write)
        except Exception:  # not where it was cancelled: then it may be written all the same
            file.unlink(missing_ok=True)
            raise
        self._uploads.added(message_id, progress)
        if message.expires_ms:
            self._engine.upkeep.expiry_changed()
        return message

    async def download(
        self, attachment: Attachment, to: Path | str, progress: OnProgress | None = None
    ) -> None:
        """Get a file that came with a message, and decrypt it to a path.

        It appears whole, after the digest of all of it was found right, or not at all; what was
        there is replaced. A cut is taken up by range; what has come stays over a restart, and the
        same call goes on from there.

        Raises:
            AttachmentDamaged, AttachmentGone: as their names say.
            ServerUnreachable: several tries brought nothing.
            SignetError: RATE_LIMITED, …
            OSError: it cannot be written.
        """
        await self._downloads.download(attachment, Path(to), progress)

    def _open_media(self, transfer: Transfer, queue: Queue) -> None:
        self._tickets, self._transfer = Tickets(self._keys), transfer
        engine = self._engine

        def tell(tx: Tx, event: Kept) -> Kept:
            return keep(tx, event, engine.confirm)

        self._uploads = Uploads(
            self._store,
            self._me,
            self._tickets,
            transfer,
            queue=queue,
            sent=engine.queue,
            tell=tell,
            emit=self._emit,
        )
        received = self._store.media / "received"
        self._downloads = Downloads(received, self._tickets, transfer, self._env)

    async def _open_media_folder(self) -> None:
        await self._uploads.start()
        await self._downloads.tidy()

    async def _ticket_for_large(self, source: Source) -> str:
        """Whether the server takes so much is asked before it is encrypted."""
        if not isinstance(source, Path):
            return ""
        size = (await asyncio.to_thread(source.stat)).st_size
        return (await self._tickets.create(sealed_size(size))).ticket if size > MAX_BLOB else ""


def _check(media_type: str, thumbnail: bytes, text: str) -> None:
    if media_type and not is_media_type(media_type):
        raise ValueError("a media type is as in image/jpeg")
    beside = len(thumbnail) + len(text.encode()) + _POINTER_ROOM
    if len(thumbnail) > MAX_THUMBNAIL or beside > contents.MAX_TEXT:
        raise refusal(Code.CONTENT_TOO_LARGE, "thumbnail and text")
