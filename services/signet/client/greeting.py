"""How a stream is opened: dial, say Hello, wait for the Welcome (S2–S4)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from signet.client.transports.stream import Dial, Stream, StreamEnded, TurnedAway
from signet.core.errors import Code
from signet.core.ids import Position
from signet.core.limits import HELLO_TIMEOUT
from signet.v1.messaging_pb2 import (
    CAPABILITY_FLEETING,
    CAPABILITY_NOTICES,
    CAPABILITY_PRESENCE,
    CAPABILITY_RECONNECT,
    ClientFrame,
    Hello,
    ServerFrame,
    Welcome,
)
from signet.v1.messaging_pb2 import Position as WirePosition

PROTOCOL = 1
AGENT = "signet-python/0.1"
WELCOME_TIMEOUT = 2 * HELLO_TIMEOUT
"""Seconds for the server's first frame. Lower: a slow take-over fails greetings that would do."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a Hello says from memory; read, and the counter raised durably, before each stream."""

    counter: int
    resume_token: bytes
    position: Position


class Memory(Protocol):
    """What must survive a restart."""

    async def next_hello(self) -> Hints: ...

    async def keep_resume_token(self, token: bytes) -> None: ...

    def is_behind(self) -> None:
        """The server saw a higher counter (O4): this memory is older than the device. The next
        Hello waits until that is put right.
        """


class Refused(Exception):
    """The stream ended with a `Close`, or there was no room for it; or it broke (None)."""

    def __init__(self, code: Code | None, retry_after: float = 0.0) -> None:
        super().__init__(code.name if code else "the stream broke")
        self.code, self.retry_after = code, retry_after


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream after its Welcome, with what came right behind it."""

    stream: Stream
    address: str
    welcome: Welcome
    rest: tuple[ServerFrame, ...]


class Greeter:
    """Opens streams, each with what the end of the last one asks for."""

    def __init__(
        self,
        dial: Dial,
        token: Callable[[], Awaitable[str]],
        forget_token: Callable[[], None],
        memory: Memory,
    ) -> None:
        self._dial, self._memory = dial, memory
        self._token, self._forget_token = token, forget_token
        self._use_resume = True

    def learn(self, code: Code | None) -> None:
        """What the next Hello does differently after a stream that ended so."""
        match code:
            case Code.RESUME_REFUSED:
                self._use_resume = False
            case Code.UNAUTHENTICATED | Code.TOKEN_EXPIRED:
                self._use_resume = False
                self._forget_token()
            case Code.STALE_CONNECTION:
                self._memory.is_behind()

    async def open(self, address: str) -> Opened:
        """Raises Refused, OSError; SignetError and ServerUnreachable from the login."""
        hints = await self._memory.next_hello()
        resume = hints.resume_token if self._use_resume else b""
        token = "" if resume else await self._token()
        try:
            stream = await self._dial(address)
        except TurnedAway as error:
            raise Refused(error.code, error.retry_after) from error
        try:
            stream.send(ClientFrame(hello=_hello(hints, token, resume)))
            async with asyncio.timeout(WELCOME_TIMEOUT):
                frames = await stream.receive()
            first = frames[0]
            if not first.HasField("welcome"):
                raise refused(first)
            await self._memory.keep_resume_token(first.welcome.resume_token)
        except BaseException as error:
            await asyncio.shield(stream.close())
            if isinstance(error, StreamEnded):
                raise Refused(None) from None
            raise
        self._use_resume = True
        return Opened(stream, address, first.welcome, tuple(frames[1:]))


def refused(frame: ServerFrame) -> Refused:
    """The end that a frame says; a frame that is no Close, where one was due, is a broken one."""
    if not frame.HasField("close"):
        return Refused(None)
    try:
        code = Code(frame.close.code)
    except ValueError:
        return Refused(None, frame.close.retry_after_ms / 1000)
    return Refused(code, frame.close.retry_after_ms / 1000)


def _hello(hints: Hints, token: str, resume: bytes) -> Hello:
    return Hello(
        protocol=PROTOCOL,
        token=token,
        resume_token=resume,
        connection_counter=hints.counter,
        capabilities=[
            CAPABILITY_PRESENCE,
            CAPABILITY_FLEETING,
            CAPABILITY_NOTICES,
            CAPABILITY_RECONNECT,
        ],
        position=WirePosition(epoch=hints.position.epoch, seq=hints.position.seq),
        agent=AGENT,
    )
