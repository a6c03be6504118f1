"""How a second command reaches the one that has the store open: a Unix socket beside the store.

One JSON object a line: a request in, answers out, until the other end closes. The socket is
0600 in a folder of mode 0700: whoever may read the store may use it, nobody else. An answer
with `error` ends the request.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from signet.cli.failures import Exit, Problem, problem_of

Json = dict[str, Any]
Answer = Callable[[Json], AsyncIterator[Json]]

LONGEST_PATH = 100  # bytes; the system's own limit for a socket's name is 107
LINE = 1 << 20  # bytes of one line: far above the longest text


def short_enough(path: Path) -> Path:
    """The socket's name, or a short one of the same meaning for a store in a deep folder."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    folder = Path(tempfile.gettempdir()) / f"signet-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise Problem("STORE_IN_USE", f"{folder} is somebody else's", "remove it", Exit.STORE)
    return folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.sock"


@contextlib.asynccontextmanager
async def listening(path: Path, answer: Answer) -> AsyncIterator[None]:
    """Answer requests until the block ends. Whoever holds the store's lock may take the name."""
    path = short_enough(path)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(
            lambda reader, writer: _serve(answer, reader, writer), path, limit=LINE
        )
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _serve(
    answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        request = json.loads(await reader.readline())
        try:
            async for line in answer(request):
                await _write(writer, line)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            await _write(writer, problem.to_json())


async def _write(writer: asyncio.StreamWriter, line: Json) -> None:
    writer.write(json.dumps(line).encode() + b"\n")
    await writer.drain()


async def ask(path: Path, request: Json) -> AsyncIterator[Json]:
    """The answers of whoever has the store open.

    Raises:
        Problem: as it was raised there; or nobody answers.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(short_enough(path), limit=LINE)
    except OSError:
        text = "another program has the store open, and does not answer"
        raise Problem("STORE_IN_USE", text, "close it first", Exit.STORE) from None
    with contextlib.closing(writer):
        await _write(writer, request)
        while line := await reader.readline():
            told = json.loads(line)
            if "error" in told:
                raise Problem.from_json(told)
            yield told
