"""Putting what waits to be put, in the background, until it is there or refused for good.

The ciphertext is in a file, the rest in the device store: after a crash it goes on where the server
says that it was. A message goes into the outbox in the transaction in which its upload leaves.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import ServerUnreachable, StoreFailed
from signet.client.events import Kept, Kind, SendFailed, Status
from signet.client.media.attachment import from_wire
from signet.client.media.progress import Meter, OnProgress
from signet.client.media.tickets import Part, Tickets, Upload
from signet.client.media.transfer import Transfer, UrlRefused, together
from signet.client.sealing import Self
from signet.client.store.outgoing import Row
from signet.client.store.uploads import Uploading
from signet.core.backoff import Backoff
from signet.core.errors import RULES, Code, Retry, SignetError
from signet.core.ids import MessageId, UserId
from signet.core.limits import MEDIA_PARTS_AT_ONCE, RETRY_LIMIT
from signet.e2e.attachments import sealed_size
from signet.v1.content_pb2 import Content

log = structlog.get_logger()

# The ticket or a part is not what we thought: look again, and put what is missing.
_LOOK_AGAIN = {Code.MEDIA_TICKET_REFUSED, Code.MEDIA_INCOMPLETE, Code.MEDIA_WRONG_LENGTH}

Queue = Callable[[Tx, UserId, Content, MessageId], list[Row]]
"""Puts a message into the outbox, in a transaction."""


class Uploads:
    """`added` and `hurry` wake it. `sent` gets rows that are durable in the outbox."""

    def __init__(
        self,
        store: DeviceStore,
        me: Self,
        tickets: Tickets,
        transfer: Transfer,
        *,
        queue: Queue,
        sent: Callable[[Sequence[Row]], None],
        tell: Callable[[Tx, Kept], Kept],
        emit: Callable[[Kept], None],
    ) -> None:
        self._store, self._me, self._env = store, me, me.environment
        self._tickets, self._transfer = tickets, transfer
        self._queue, self._sent, self._tell, self._emit = queue, sent, tell, emit
        self._told: dict[MessageId, OnProgress] = {}
        self._begun: set[MessageId] = set()
        self._wake = asyncio.Event()
        self._backoff = Backoff()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what waits; throw away what a crash left before it was a message."""
        left = _names_in(self._folder)  # few: these calls of the disk wait for nothing
        waiting = await self._store.run(lambda tx: tx.uploads.all())
        keep = {message_id.hex() for message_id in (*self._begun, *(row.id for row in waiting))}
        _throw_away(self._folder, left, keep)
        self._task = asyncio.create_task(self._run(), name="uploads")

    async def close(self) -> None:
        """What is not put yet goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def file(self, message_id: MessageId) -> Path:
        """Where the ciphertext of a message's attachment lies until it is put."""
        return self._folder / message_id.hex()

    def begin(self, message_id: MessageId) -> Path:
        """The same, for what is to be written now: until `added` nobody takes it for a leftover."""
        self._begun.add(message_id)
        return self.file(message_id)

    def added(self, message_id: MessageId, progress: OnProgress | None) -> None:
        """Something waits that did not before."""
        self._begun.discard(message_id)
        if progress is not None:
            self._told[message_id] = progress
        self.hurry()

    def hurry(self) -> None:
        """There may be a network again: do not wait for the back-off's end."""
        self._wake.set()

    @property
    def _folder(self) -> Path:
        return self._store.media / "sent"

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                wait_s = await self._round()
            except StoreFailed as error:
                log.error("uploads wait for the store", why=str(error))
                wait_s = self._failed(0.0)
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _round(self) -> float | None:
        """One try for each that waits. How long to wait then; None: nothing is left."""
        waits = [await self._try(row) for row in await self._store.run(lambda tx: tx.uploads.all())]
        return max((wait_s for wait_s in waits if wait_s is not None), default=None)

    async def _try(self, row: Uploading) -> float | None:
        """How long to wait before it is tried again; None: it is sent, or given up."""
        code: Code | None = None
        try:
            await self._one(row)
        except SignetError as error:
            code, wait_s = error.code, error.retry_after_s
            again = RULES[code].retry in (Retry.LATER, Retry.NOW)
        except (ServerUnreachable, UrlRefused, OSError) as error:
            again, wait_s = not isinstance(error, FileNotFoundError), 0.0
        else:
            self._backoff = Backoff()
            return None
        if again and self._env.now() - row.queued_at <= RETRY_LIMIT:
            return self._failed(wait_s)
        await self._give_up(row, None if again else code)
        return None

    async def _one(self, row: Uploading) -> None:
        """Put what is missing, and queue the message.

        Raises:
            SignetError, ServerUnreachable, UrlRefused; FileNotFoundError: the ciphertext is gone.
        """
        attachment = from_wire(row.content.text.attachments)[0]
        size = sealed_size(attachment.size)
        upload = await self._ticket(row, size)
        try:
            await self._put(row.id, upload, size)
            await self._tickets.complete(upload.ticket)
        except SignetError as error:
            if error.code in _LOOK_AGAIN:
                raise ServerUnreachable(error.code.name) from error
            raise
        rows = await self._store.run(lambda tx: self._finish(tx, row, upload.name))
        self._forget(row)
        self._sent(rows)

    async def _ticket(self, row: Uploading, size: int) -> Upload:
        """The one that is there, with what is missing; or a new one."""
        if row.ticket:
            try:
                return await self._tickets.look(row.ticket)
            except SignetError as error:
                if error.code is not Code.MEDIA_TICKET_REFUSED:
                    raise
        made = await self._tickets.create(size)
        await self._store.run(lambda tx: tx.uploads.put_ticket(row.id, made.ticket))
        return made

    async def _put(self, message_id: MessageId, upload: Upload, size: int) -> None:
        missing = [part for part in upload.parts if part.url]
        there = size - sum(part.size for part in missing)
        meter = Meter(size, there, self._told.get(message_id))
        slots, file = asyncio.Semaphore(MEDIA_PARTS_AT_ONCE), self.file(message_id)

        async def one(part: Part) -> None:
            async with slots:
                await self._transfer.put(part, file, meter.moved)

        await together(*map(one, missing))

    def _finish(self, tx: Tx, row: Uploading, name: str) -> list[Row]:
        """Nothing is sent of a message that was taken back, or has disappeared, meanwhile."""
        tx.uploads.remove(row.id)
        line = tx.messages.get(row.id, self._me.user)
        if line is None or line.kind is not Kind.TEXT:
            return []
        content = Content()
        content.CopyFrom(row.content)
        content.text.attachments[0].pointer = name
        content.text.text = line.text  # it may have been edited
        tx.messages.put_attachments(row.id, self._me.user, row.peer, content.text.attachments)
        return self._queue(tx, row.peer, content, row.id)

    async def _give_up(self, row: Uploading, code: Code | None) -> None:
        event = SendFailed(peer=row.peer, message_id=row.id, code=code)

        def write(tx: Tx) -> Kept:
            tx.uploads.remove(row.id)
            tx.messages.raise_status([row.id], self._me.user, Status.FAILED, row.peer)
            return self._tell(tx, event)

        kept = await self._store.run(write)
        self._forget(row)
        self._emit(kept)

    def _forget(self, row: Uploading) -> None:
        self._told.pop(row.id, None)
        self.file(row.id).unlink(missing_ok=True)

    def _failed(self, retry_after_s: float) -> float:
        chance, now = self._env.chance(), self._env.monotonic()
        wait_s, self._backoff = self._backoff.failed(now, chance, retry_after_s)
        return wait_s


def _names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _throw_away(folder: Path, names: Sequence[str], keep: set[str]) -> None:
    for name in names:
        if name.partition(".")[0] not in keep:
            (folder / name).unlink(missing_ok=True)
