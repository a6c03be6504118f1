"""Files of a conversation on their way, while one goes on talking."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from signet.cli import files
from signet.client import Client, Message, Progress
from signet.core.ids import UserId


class Transfers:
    """`shown` says what moves and how far it is, '' where nothing does; `changed` when to look."""

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self.shown = ""
        self._client, self._changed = client, changed
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it go on by itself. It must tell its own failures."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Until all that began is done."""
        await asyncio.gather(*self._tasks)

    async def send(self, to: UserId, path: Path, text: str) -> Message:
        """Its message; the upload goes on. Raises Problem, SignetError, ServerUnreachable."""
        path = files.checked(path)
        return await self._client.send_attachment(
            to,
            path,
            media_type=files.media_type(path),
            text=text,
            progress=partial(self._moved, f"↑ {path.name}"),
        )

    async def save(self, message: Message, to: Path) -> AsyncIterator[Path]:
        """Where each file of a message is now. Raises as files.keep."""
        for attachment in message.attachments:
            moved = partial(self._moved, f"↓ {files.name_of(attachment)}")
            try:
                yield await files.keep(self._client, attachment, to, moved)
            finally:
                self._moved("", None)

    def _moved(self, what: str, at: Progress | None) -> None:
        before = self.shown
        self.shown = "" if at is None or at.done >= at.total else f"{what} {files.bar(at)}"
        if self.shown != before:
            self._changed()
