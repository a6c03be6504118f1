"""What the connection needs of a transport: frames out, frames in, and an end.

Both transports say the same frames in the same order (protos/protocol.md, "Transports").
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from google.protobuf.message import DecodeError

from signet.v1.messaging_pb2 import ClientFrame, ServerFrame


class StreamEnded(Exception):
    """Nothing more comes. A `Close` frame, if there was one, was given out before."""


class Stream(Protocol):
    """One open stream."""

    def send(self, frame: ClientFrame) -> None:
        """Hand a frame over; never waits. After the end it has no effect."""
        ...

    async def receive(self) -> list[ServerFrame]:
        """All frames that have arrived since the last call; waits for the first.

        Raises:
            StreamEnded: the stream is over, and everything was given out.
        """
        ...

    async def close(self) -> None:
        """Send what was handed over, then end it. Again: no effect."""
        ...


Dial = Callable[[str], Awaitable[Stream]]
"""Opens a stream to an address. Raises OSError (also TimeoutError) where nobody answers."""


class Arrivals:
    """Frames that wait to be taken, in order, then the end."""

    def __init__(self) -> None:
        self._frames: list[ServerFrame] = []
        self._ended = False
        self._changed = asyncio.Event()

    def add(self, frame: ServerFrame) -> None:
        self._frames.append(frame)
        self._changed.set()

    def add_bytes(self, data: bytes) -> None:
        """A frame as it is on the wire. Bytes that are no frame end the stream."""
        try:
            self.add(ServerFrame.FromString(data))
        except DecodeError:
            self.end()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def take(self) -> list[ServerFrame]:
        """Raises StreamEnded."""
        await self._changed.wait()
        if not self._frames:
            raise StreamEnded
        frames, self._frames = self._frames, []
        if not self._ended:
            self._changed.clear()
        return frames
