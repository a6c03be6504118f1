"""Files beside messages, as commands send them and keep them."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from signet.cli.failures import Exit, Problem, problem_of
from signet.client import Attachment, Client, Message, Progress, Status
from signet.core.ids import MessageId, UserId

Json = dict[str, Any]
OnProgress = Callable[[Progress], None]
BAR = 20  # characters
NOT_WRITTEN = "NOT_WRITTEN"


def checked(path: Path) -> Path:
    """A file that can be sent. Raises Problem."""
    path = path.expanduser()
    if not path.is_file():
        raise Problem("NO_FILE", f"{path} is no file", "check the path", Exit.USAGE)
    return path


def media_type(path: Path) -> str:
    """By its name; '' where that says nothing."""
    return mimetypes.guess_type(path.name)[0] or ""


def name_of(attachment: Attachment) -> str:
    """What a file is called here; one without a name is called by its type."""
    ending = mimetypes.guess_extension(attachment.media_type) or ""
    return attachment.file_name or f"file{ending}"


def free_path(at: Path, attachment: Attachment) -> Path:
    """A path to write to: in a folder a name that nothing has yet, else the path itself."""
    at = at.expanduser()
    if not at.is_dir():
        return at
    path, count = at / name_of(attachment), 1
    while path.exists():
        count += 1
        whole = Path(name_of(attachment))
        path = at / f"{whole.stem} ({count}){whole.suffix}"
    return path


def bar(progress: Progress) -> str:
    """`━━━━━━────  45 %`"""
    part = progress.done / progress.total
    full = round(part * BAR)
    return f"{'━' * full}{'─' * (BAR - full)} {part:4.0%}"


async def send(
    client: Client, to: UserId, path: Path, text: str, *, until: Status, patience: float
) -> AsyncIterator[Progress | MessageId]:
    """Its message, then how far it has come, until the message has that status.

    Ends also where nothing moves for `patience` seconds: it goes on later.

    Raises:
        Problem, SendRefused, SignetError.
    """
    last: list[Progress] = []
    moved = asyncio.Event()

    def told(progress: Progress) -> None:
        last[:] = [progress]
        moved.set()

    checked(path)
    message = await client.send_attachment(
        to, path, media_type=media_type(path), text=text, progress=told
    )
    yield message.id
    waiting = asyncio.create_task(client.wait_status(message.id, until))
    try:
        while not waiting.done():
            moving = asyncio.create_task(moved.wait())
            done, _ = await asyncio.wait(
                {waiting, moving}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            moving.cancel()
            if not done:
                return
            moved.clear()
            for progress in last:
                yield progress
        waiting.result()
    finally:
        waiting.cancel()


async def save(client: Client, message: Message, to: Path) -> Json:
    """Download all files of a message; what of them could not be, by the problem's name.

    Raises:
        Problem: they cannot be written there.
    """
    saved, failed = [], []
    for attachment in message.attachments:
        try:
            saved.append(str(await keep(client, attachment, to)))
        except Exception as error:
            problem = problem_of(error)
            if problem is None or problem.name == NOT_WRITTEN:
                raise
            failed.append(problem.name)
    return {"saved": saved, "not_saved": failed}


async def keep(
    client: Client, attachment: Attachment, to: Path, progress: OnProgress | None = None
) -> Path:
    """Download a file to a path, or into a folder; where it is.

    Raises:
        Problem: it cannot be written there. AttachmentGone, AttachmentDamaged, SignetError,
        ServerUnreachable.
    """
    path = free_path(to, attachment)
    try:
        await client.download(attachment, path, progress)
    except OSError as error:
        text = f"{path}: {error.strerror or type(error).__name__}"
        raise Problem(NOT_WRITTEN, text, "choose another place", Exit.FAILED) from None
    return path
