"""The device's stream: opened, kept alive, moved, and opened again after every loss.

One stream is current. What it brings goes to the `Listener`, in order; what is handed to `send`
while there is none is dropped, because whoever needs it sends it again when told `opened`.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

import structlog

from signet.client.environment import Environment
from signet.client.errors import ServerUnreachable, StoreFailed
from signet.client.events import ConnectionState
from signet.client.greeting import Greeter, Memory, Opened, Refused, refused
from signet.client.moves import Moves, resolve, within
from signet.client.transports.stream import Dial, StreamEnded
from signet.core.backoff import Backoff
from signet.core.device_session import Do, Input, State, ended_by, step
from signet.core.errors import RULES, Code, Retry, SignetError
from signet.core.limits import BACKOFF_HURRY, HEARTBEAT, HEARTBEATS_MISSED
from signet.v1.messaging_pb2 import Bye, ClientFrame, Heartbeat, Reconnect, ServerFrame, Welcome

log = structlog.get_logger()


class Listener(Protocol):
    """Whom the stream serves. Called on the event loop; must not wait."""

    def opened(self, welcome: Welcome) -> None: ...

    def arrived(self, frames: Sequence[ServerFrame]) -> None: ...

    def lost(self) -> None: ...

    def changed(self, state: ConnectionState, code: Code | None, retry_in: float) -> None: ...


class Connection:
    """`start` it once; `close` ends it for good."""

    def __init__(
        self,
        *,
        dial: Dial,
        entry: Callable[[], Awaitable[str]],
        doubt_entry: Callable[[], None],
        domain: str,
        token: Callable[[], Awaitable[str]],
        forget_token: Callable[[], None],
        memory: Memory,
        listener: Listener,
        environment: Environment,
    ) -> None:
        self._greeter = Greeter(dial, token, forget_token, memory)
        self._entry, self._doubt_entry, self._domain = entry, doubt_entry, domain
        self._memory, self._listener, self._env = memory, listener, environment
        self._current: Opened | None = None
        self._backoff, self._moves = Backoff(), Moves()
        self._wake = asyncio.Event()
        self._state, self._hurried_at = State.CONNECTING, -math.inf
        self._sent_at = self._received_at = 0.0
        self._closing: set[asyncio.Task[None]] = set()
        self._supervisor: asyncio.Task[None] | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._moving: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._supervisor = asyncio.create_task(self._run(), name="signet-connection")

    def reconnect(self) -> None:
        """Do not wait any longer (S8); also ends the rest after DISPLACED."""
        self._wake.set()

    def hurry(self) -> None:
        """The same, for something that is to be sent: it takes nothing back from another stream."""
        if self._state is State.WAITING:
            self._wake.set()

    def send(self, frame: ClientFrame) -> None:
        """Hand a frame to the current stream; without one it is dropped."""
        if self._current is not None:
            self._sent_at = self._env.monotonic()
            self._current.stream.send(frame)

    def give_up(self) -> None:
        """What the stream brings cannot be kept: it ends, and another opens after a back-off."""
        if self._pumping is not None:
            self._pumping.cancel()

    async def close(self) -> None:
        """Say Bye, and end."""
        self._happens(Input.CLOSE)
        self.send(ClientFrame(bye=Bye()))
        tasks = [task for task in (self._supervisor, self._moving) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        current, self._current = self._current, None
        if current is not None:
            await current.stream.close()
        await asyncio.gather(*self._closing, return_exceptions=True)
        self._listener.changed(ConnectionState.CLOSED, None, 0.0)

    # --- one stream after the other ---------------------------------------------------------

    async def _run(self) -> None:
        while self._state is State.CONNECTING:
            self._listener.changed(ConnectionState.CONNECTING, None, 0.0)
            what, ended = await self._one_stream()
            self._drop()
            await self._after(what, ended)

    async def _one_stream(self) -> tuple[Input, Refused]:
        """Open a stream and serve it to its end, across moves; says how it ended."""
        try:
            opened = await self._greeter.open(resolve("", await self._entry()))
            self._backoff = self._backoff.opened(self._env.monotonic())
            self._happens(Input.WELCOMED)
            self._adopt(opened)
            await self._serve()
        except Refused as error:
            if error.code is Code.DRAINING:  # it takes nobody any more
                self._doubt_entry()
            return ended_by(error.code), error
        except SignetError as error:  # from the keys service: the login
            ended = Refused(error.code, error.retry_after_s)
            return Input.REFUSED if _is_final(error.code) else ended_by(error.code), ended
        except (OSError, ServerUnreachable):
            self._doubt_entry()
        except Exception as error:  # a store that fails (no Hello without it, O4), or a bug
            log.error("the stream broke on this side", why=type(error).__name__)
        return Input.ENDED, Refused(None)

    async def _after(self, what: Input, ended: Refused) -> None:
        """What the end of the stream asks for, until another is to be opened, or none ever."""
        self._greeter.learn(ended.code)
        match self._happens(what):
            case Do.BACK_OFF:
                await self._wait(ended)
                self._happens(Input.DUE)
            case Do.STAY_AWAY:
                self._listener.changed(ConnectionState.DISPLACED, ended.code, 0.0)
                await self._pause(math.inf)
                self._happens(Input.ASKED)
            case Do.END:
                removed = self._state is State.REMOVED
                told = ConnectionState.REMOVED if removed else ConnectionState.CLOSED
                self._listener.changed(told, ended.code, 0.0)

    def _happens(self, what: Input) -> Do:
        """Go where the table says."""
        self._state, do = step(self._state, what)
        return do

    async def _wait(self, ended: Refused) -> None:
        now, chance = self._env.monotonic(), self._env.chance()
        seconds, self._backoff = self._backoff.failed(now, chance, ended.retry_after)
        self._listener.changed(ConnectionState.WAITING, ended.code, seconds)
        await self._pause(now + seconds, not_before=now + ended.retry_after)

    async def _pause(self, until: float, not_before: float = -math.inf) -> None:
        """Until then, or until somebody hurries: at most once in BACKOFF_HURRY (S8)."""
        self._wake.clear()
        seconds = None if until == math.inf else until - self._env.monotonic()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        earliest = min(until, max(not_before, self._hurried_at + BACKOFF_HURRY))
        await asyncio.sleep(max(0.0, earliest - self._env.monotonic()))
        self._hurried_at = self._env.monotonic()

    def _drop(self) -> None:
        current, self._current = self._current, None
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None
            self._happens(Input.STUCK)
        if current is not None:
            self._listener.lost()
            self._close(current)

    def _adopt(self, opened: Opened) -> None:
        """Make a stream the current one."""
        self._current = opened
        self._sent_at = self._received_at = self._env.monotonic()
        self._listener.changed(ConnectionState.ONLINE, None, 0.0)
        self._listener.opened(opened.welcome)
        if opened.welcome.better_address:
            self._move(Reconnect(to=opened.welcome.better_address), hasty=False)

    # --- serving ----------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Give out what arrives on the current stream, whichever that becomes. Raises Refused."""
        while (opened := self._current) is not None:
            ended = await self._until_over(opened)
            waits = step(self._state, ended_by(ended.code)).do is Do.NOTHING  # while MOVING (S7)
            if waits and self._moving is not None:
                ended = Refused(None)
                await asyncio.wait({self._moving})
            if opened is self._current:
                raise ended

    async def _until_over(self, opened: Opened) -> Refused:
        """Serve one stream until it ends, falls silent or is replaced."""
        pumping = self._pumping = asyncio.create_task(self._pump(opened))
        beating = asyncio.create_task(self._beat(opened))
        try:
            await asyncio.wait({pumping, beating}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pumping.cancel()
            beating.cancel()
        failed = None if not pumping.done() or pumping.cancelled() else pumping.exception()
        if failed is None or isinstance(failed, StreamEnded):
            return Refused(None)
        if isinstance(failed, Refused):
            return failed
        raise failed

    async def _pump(self, opened: Opened) -> None:
        """Give out frames until the end. Raises Refused, StreamEnded."""
        frames: Sequence[ServerFrame] = opened.rest
        while True:
            self._received_at = self._env.monotonic()
            for frame in frames:
                if frame.HasField("close"):
                    raise refused(frame)
                if frame.HasField("reconnect"):
                    self._move(frame.reconnect, hasty=True)
            if frames:
                self._listener.arrived(frames)
            frames = await opened.stream.receive()

    async def _beat(self, opened: Opened) -> None:
        """Heartbeats when there is nothing to say; returns when the server says nothing (S5)."""
        every = opened.welcome.heartbeat_seconds or HEARTBEAT
        while True:
            now = self._env.monotonic()
            silent_at = self._received_at + every * HEARTBEATS_MISSED
            if now >= silent_at:
                return
            if now >= self._sent_at + every:
                self.send(ClientFrame(heartbeat=Heartbeat()))
            await asyncio.sleep(min(self._sent_at + every, silent_at) - now)

    # --- moving -----------------------------------------------------------------------------

    def _move(self, offer: Reconnect, *, hasty: bool) -> None:
        """Follow an offer, if it is of our domain and not one of too many (S7)."""
        if self._moving is None or self._moving.done():
            self._moving = asyncio.create_task(self._go(offer, hasty))
            self._moving.add_done_callback(_note_failure)

    async def _go(self, offer: Reconnect, hasty: bool) -> None:
        """Open the new stream, then close the old one. A hasty offer leads back to the entry."""
        await asyncio.sleep(offer.after_ms / 1000)
        entry = resolve("", await self._entry())
        to, old = resolve(offer.to, entry), self._current
        if old is None or (offer.to and to == old.address):
            return
        if not within(to, entry, self._domain) or not self._moves.may_move(self._env.monotonic()):
            log.info("an offer to move was not followed")
            return
        if offer.resume_token:
            await self._memory.keep_resume_token(offer.resume_token)
        addresses, backoff = ((to, entry) if hasty else (to,)), Backoff()
        while isinstance(opened := await self._open_beside(addresses), Refused) and hasty:
            # who stands before the gateways has not heard yet that this one drains
            now, chance = self._env.monotonic(), self._env.chance()
            seconds, backoff = backoff.failed(now, chance, opened.retry_after)
            await asyncio.sleep(seconds)
            addresses = (resolve("", await self._entry()),)
        if isinstance(opened, Opened):
            self._replace(old, opened)

    async def _open_beside(self, addresses: Sequence[str]) -> Opened | Refused | None:
        """The first that opens, while the old stream serves, and stays where none does.

        Refused: the last of them is of a gateway that drains; another try may lead elsewhere.
        """
        self._happens(Input.OFFERED)
        opened: Opened | Refused | None = None
        try:
            opened = await self._open_one(addresses)
        finally:
            self._happens(Input.MOVED if isinstance(opened, Opened) else Input.STUCK)
        return opened

    async def _open_one(self, addresses: Iterable[str]) -> Opened | Refused | None:
        draining: Refused | None = None
        for address in dict.fromkeys(addresses):
            draining = None
            try:
                return await self._greeter.open(address)
            except Refused as error:
                self._greeter.learn(error.code)
                draining = error if error.code is Code.DRAINING else None
            except (OSError, SignetError, ServerUnreachable, StoreFailed):
                pass
            log.info("a stream to move to did not open")
        if draining is not None:
            self._doubt_entry()
        return draining

    def _replace(self, old: Opened, new: Opened) -> None:
        """What the old stream still brings comes again on the new one."""
        if self._current is not old:
            return self._close(new)
        self._listener.lost()
        self._adopt(new)
        if self._pumping is not None:
            self._pumping.cancel()
        old.stream.send(ClientFrame(bye=Bye()))
        return self._close(old)

    def _close(self, opened: Opened) -> None:
        """End a stream, beside what goes on."""
        task = asyncio.create_task(opened.stream.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _note_failure(moving: "asyncio.Task[None]") -> None:
    """A move that failed before it began: the old stream stays."""
    if not moving.cancelled() and moving.exception() is not None:
        log.warning("a move failed", why=type(moving.exception()).__name__)


def _is_final(code: Code) -> bool:
    """Whether the keys service asks for a change that only a person can make."""
    return RULES[code].retry is Retry.CHANGED and code is not Code.NONCE_REFUSED
