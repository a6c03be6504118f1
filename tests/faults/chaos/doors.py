"""A door before some servers: what a load balancer is to clients, and a place to break lines.

Bytes go to the first server in turn that takes the connection. What is on the way can be cut, held
back and delayed, for all connections of the door.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence

LOOPBACK = "127.0.0.1"
CHUNK = 64 * 1024
PATIENCE = 2.0  # seconds for a server to take a connection

Where = tuple[str, int]
Behind = Callable[[], Sequence[Where]]


class Door:
    """`await open()` it; its `port` stays the same while the servers behind it change."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._turn = itertools.count()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._come, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- breaking -----------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        """Hold all bytes back until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Everything as it should be."""
        self._flowing.set()
        self._delay = 0.0

    def slow(self, seconds: float) -> None:
        """Each batch of bytes comes so much later, in order."""
        self._delay = seconds

    # --- carrying -----------------------------------------------------------------------------

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._carry(reader, writer)
        except (OSError, RuntimeError, asyncio.CancelledError):  # uvloop: of a closed transport
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await self._connect()
        if inner is None:
            writer.transport.abort()
            return
        there_reader, there_writer = inner
        self._writers.add(there_writer)
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            self._writers.discard(there_writer)
            there_writer.transport.abort()
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        servers = list(self._behind())
        first = next(self._turn)
        for number in range(len(servers)):
            host, port = servers[(first + number) % len(servers)]
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    return await asyncio.open_connection(host, port)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._flowing.wait()
            writer.write(chunk)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()
