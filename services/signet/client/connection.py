"""The device's stream: opened, kept alive, moved, and opened again after every loss.

One stream is current. What it brings goes to the `Listener`, in order; what is handed to `send`
while there is none is dropped, because whoever needs it sends it again when told `opened`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from signet.client.environment import Environment
from signet.client.errors import ServerUnreachable
from signet.client.events import ConnectionState
from signet.client.moves import Moves, Next, after_close, resolve, within
from signet.client.transports.stream import Dial, Stream, StreamEnded
from signet.core.backoff import Backoff
from signet.core.errors import RULES, Code, Retry, SignetError
from signet.core.ids import Position
from signet.core.limits import HEARTBEAT, HEARTBEATS_MISSED, HELLO_TIMEOUT
from signet.v1.messaging_pb2 import (
    CAPABILITY_FLEETING,
    CAPABILITY_NOTICES,
    CAPABILITY_PRESENCE,
    CAPABILITY_RECONNECT,
    Bye,
    ClientFrame,
    Heartbeat,
    Hello,
    Reconnect,
    ServerFrame,
    Welcome,
)
from signet.v1.messaging_pb2 import Position as WirePosition

PROTOCOL = 1
AGENT = "signet-python/0.1"
WELCOME_TIMEOUT = 2 * HELLO_TIMEOUT
"""Seconds for the server's first frame. Lower: a slow take-over fails greetings that would do."""
COUNTER_JUMP = 1_000
"""How far the counter goes up when the server saw a higher one (a store that was restored)."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Hints:
    """What a Hello says from memory; read, and the counter raised durably, before each stream."""

    counter: int
    resume_token: bytes
    position: Position


class Memory(Protocol):
    """What must survive a restart."""

    async def next_hello(self, raise_by: int) -> Hints: ...

    async def keep_resume_token(self, token: bytes) -> None: ...


class Listener(Protocol):
    """Whom the stream serves. Called on the event loop; must not wait."""

    def opened(self, welcome: Welcome) -> None: ...

    def arrived(self, frames: Sequence[ServerFrame]) -> None: ...

    def lost(self) -> None: ...

    def changed(self, state: ConnectionState, code: Code | None, retry_in: float) -> None: ...


class Refused(Exception):
    """The stream ended with a `Close`, before or after its Welcome; or it broke (None)."""

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


class Connection:
    """`start` it once; `close` ends it for good."""

    def __init__(
        self,
        *,
        dial: Dial,
        entry: Callable[[], Awaitable[str]],
        domain: str,
        token: Callable[[], Awaitable[str]],
        forget_token: Callable[[], None],
        memory: Memory,
        listener: Listener,
        environment: Environment,
    ) -> None:
        self._dial, self._entry, self._domain = dial, entry, domain
        self._token, self._forget_token = token, forget_token
        self._memory, self._listener, self._env = memory, listener, environment
        self._current: Opened | None = None
        self._backoff, self._moves = Backoff(), Moves()
        self._use_resume, self._raise_by = True, 1
        self._wake = asyncio.Event()
        self._sent_at = self._received_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._supervisor: asyncio.Task[None] | None = None
        self._moving: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._supervisor = asyncio.create_task(self._run(), name="signet-connection")

    def reconnect(self) -> None:
        """Do not wait any longer; also ends the rest after DISPLACED."""
        self._wake.set()

    def send(self, frame: ClientFrame) -> None:
        """Hand a frame to the current stream; without one it is dropped."""
        if self._current is not None:
            self._sent_at = self._env.monotonic()
            self._current.stream.send(frame)

    async def close(self) -> None:
        """Say Bye, and end."""
        self.send(ClientFrame(bye=Bye()))
        tasks = [t for t in (self._supervisor, self._moving, *self._tasks) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        current, self._current = self._current, None
        if current is not None:
            await current.stream.close()
        self._listener.changed(ConnectionState.CLOSED, None, 0.0)

    # --- one stream after the other ---------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._listener.changed(ConnectionState.CONNECTING, None, 0.0)
            try:
                opened = await self._open(resolve("", await self._entry()))
                self._backoff = self._backoff.opened(self._env.monotonic())
                self._adopt(opened)
                await self._serve()
            except Refused as refused:
                ended = refused
            except SignetError as error:  # from the keys service: the login
                ended = Refused(error.code, error.retry_after_s)
                if RULES[error.code].retry is Retry.CHANGED:
                    return self._stop(ConnectionState.CLOSED, error.code)
            except (OSError, ServerUnreachable):
                ended = Refused(None)
            self._drop()
            if not await self._after(ended):
                return None

    async def _after(self, ended: Refused) -> bool:
        """Wait as the end of the stream asks; False: never again."""
        match after_close(ended.code):
            case Next.ANEW:
                self._use_resume = False
            case Next.LOGIN:
                self._use_resume = False
                self._forget_token()
            case Next.JUMP:
                self._raise_by = COUNTER_JUMP
            case Next.DISPLACED:
                self._listener.changed(ConnectionState.DISPLACED, ended.code, 0.0)
                self._wake.clear()
                await self._wake.wait()
                return True
            case Next.REMOVED:
                self._stop(ConnectionState.REMOVED, ended.code)
                return False
            case Next.STOP:
                self._stop(ConnectionState.CLOSED, ended.code)
                return False
            case Next.AGAIN:
                pass
        await self._wait(ended)
        return True

    async def _wait(self, ended: Refused) -> None:
        now, chance = self._env.monotonic(), self._env.chance()
        seconds, self._backoff = self._backoff.failed(now, chance, ended.retry_after)
        self._listener.changed(ConnectionState.WAITING, ended.code, seconds)
        self._wake.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    def _stop(self, state: ConnectionState, code: Code | None) -> None:
        self._listener.changed(state, code, 0.0)

    def _drop(self) -> None:
        current, self._current = self._current, None
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None
        if current is not None:
            self._listener.lost()
            self._background(current.stream.close())

    # --- greeting ---------------------------------------------------------------------------

    async def _open(self, address: str) -> Opened:
        """Dial, say Hello, wait for the Welcome. Raises Refused, OSError, SignetError."""
        hints = await self._memory.next_hello(self._raise_by)
        resume = hints.resume_token if self._use_resume else b""
        token = "" if resume else await self._token()
        stream = await self._dial(address)
        try:
            stream.send(ClientFrame(hello=_hello(hints, token, resume)))
            async with asyncio.timeout(WELCOME_TIMEOUT):
                frames = await stream.receive()
            first = frames[0]
            if not first.HasField("welcome"):
                raise _refused(first)
        except StreamEnded:
            raise Refused(None) from None
        except BaseException:
            self._background(stream.close())
            raise
        self._use_resume, self._raise_by = True, 1
        await self._memory.keep_resume_token(first.welcome.resume_token)
        return Opened(stream, address, first.welcome, tuple(frames[1:]))

    def _adopt(self, opened: Opened) -> None:
        """Make a stream the current one."""
        self._current = opened
        self._sent_at = self._received_at = self._env.monotonic()
        self._listener.changed(ConnectionState.ONLINE, None, 0.0)
        self._listener.opened(opened.welcome)
        if opened.welcome.better_address:
            self._move(Reconnect(to=opened.welcome.better_address))

    # --- serving ----------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Give out what arrives on the current stream, whichever that becomes. Raises Refused."""
        beating = asyncio.create_task(self._beat())
        try:
            while True:
                opened = self._current
                assert opened is not None
                try:
                    await self._pump(opened)
                except StreamEnded:
                    if opened is self._current:
                        raise Refused(None) from None
                except Refused:
                    if opened is self._current:
                        raise
        finally:
            beating.cancel()

    async def _pump(self, opened: Opened) -> None:
        frames: Sequence[ServerFrame] = opened.rest
        while True:
            if opened is not self._current:  # it was replaced: what it still brings comes again
                return
            self._received_at = self._env.monotonic()
            for frame in frames:
                if frame.HasField("close"):
                    raise _refused(frame)
                if frame.HasField("reconnect"):
                    self._move(frame.reconnect)
            if frames:
                self._listener.arrived(frames)
            frames = await opened.stream.receive()

    async def _beat(self) -> None:
        """Heartbeats when there is nothing to say; the end of a stream that says nothing (S5)."""
        while (current := self._current) is not None:
            every = current.welcome.heartbeat_seconds or HEARTBEAT
            now = self._env.monotonic()
            silent_at = self._received_at + every * HEARTBEATS_MISSED
            if now >= silent_at:
                await current.stream.close()
                return
            if now >= self._sent_at + every:
                self.send(ClientFrame(heartbeat=Heartbeat()))
            await asyncio.sleep(min(self._sent_at + every, silent_at) - now)

    # --- moving -----------------------------------------------------------------------------

    def _move(self, offer: Reconnect) -> None:
        """Follow an offer, if it is of our domain and not one of too many (S7)."""
        if self._moving is None or self._moving.done():
            self._moving = asyncio.create_task(self._go(offer))

    async def _go(self, offer: Reconnect) -> None:
        if offer.after_ms:
            await asyncio.sleep(offer.after_ms / 1000)
        entry = await self._entry()
        to = resolve(offer.to, entry)
        old = self._current
        if old is None or (offer.to and to == old.address):
            return
        if not within(to, entry, self._domain) or not self._moves.may_move(self._env.monotonic()):
            log.info("an offer to move was not followed")
            return
        if offer.resume_token:
            await self._memory.keep_resume_token(offer.resume_token)
        try:
            opened = await self._open(to)
        except (OSError, Refused, SignetError, ServerUnreachable):
            log.info("the new stream did not open; the old one stays until it ends")
            return
        if self._current is not old:  # it ended meanwhile, and another was opened
            await opened.stream.close()
            return
        self._listener.lost()
        self._adopt(opened)
        old.stream.send(ClientFrame(bye=Bye()))
        await old.stream.close()

    def _background(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


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


def _refused(frame: ServerFrame) -> Refused:
    """The end that a frame says; a frame that is no Close, where one was due, is a broken one."""
    if not frame.HasField("close"):
        return Refused(None)
    try:
        code = Code(frame.close.code)
    except ValueError:
        return Refused(None, frame.close.retry_after_ms / 1000)
    return Refused(code, frame.close.retry_after_ms / 1000)
