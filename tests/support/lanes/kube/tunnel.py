"""A port of this machine's loopback that leads into a network namespace, while the test run lives.

The listening socket is this machine's; the thread that dials is in the namespace. It carries what
tests themselves do (kubectl, a few clients): what measures or loads runs in the namespace.
"""

import asyncio
import contextlib
import socket
import threading

from tests.support.lanes.kube.network import Network
from tests.support.lanes.server import LOOPBACK

CHUNK = 64 * 1024


class Tunnel:
    """Open until `close`. `port` is where it listens, `to` the address there."""

    def __init__(self, network: Network, to: tuple[str, int], port: int = 0) -> None:
        self._network, self._to = network, to
        self._listener = socket.create_server((LOOPBACK, port))
        self.port = int(self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"tunnel-{self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Connections that it carries are closed with it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        with self._network.entered():
            server = self._loop.run_until_complete(
                asyncio.start_server(self._carry, sock=self._listener)
            )
            self._loop.run_forever()
            server.close()
            self._loop.run_until_complete(self._end())
            self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                there, back = await asyncio.open_connection(*self._to)
                try:
                    await asyncio.gather(_pump(reader, back), _pump(there, writer))
                finally:
                    back.close()
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()
