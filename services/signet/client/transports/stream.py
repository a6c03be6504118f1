"""What the connection needs of a transport: frames out, frames in, and an end.

Both transports say the same frames in the same order (protos/protocol.md, "Transports").
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from google.protobuf.message import DecodeError

from signet.core.errors import Code
from signet.v1.messaging_pb2 import ClientFrame, ServerFrame


class StreamEnded(Exception):
    """Nothing more comes. A `Close` frame, if there was one, was given out before."""


class TurnedAway(ConnectionError):
    """There was no room for a stream: when to come, in seconds, and why where that was said."""

    def __init__(self, code: Code | None, retry_after: float) -> None:
        super().__init__(code.name if code else "not now")
        self.code, self.retry_after = code, retry_after


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
"""Opens a stream to an address. Raises OSError (also TimeoutError) where nobody answers, TurnedAway
among it where somebody does, and says when to come."""


def said_code(name: str) -> Code | None:
    """The code that headers or trailers name; None: none that is known here."""
    return Code.__members__.get(name)


def said_milliseconds(text: str) -> int:
    """A number that they say, within 32 bits; 0: none."""
    return min(int(text), 2**32 - 1) if text.isascii() and text.isdecimal() else 0


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
