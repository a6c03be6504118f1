"""A network for tests of the client's connection: who answers where, and all that was said."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from signet.client.connection import Connection
from signet.client.environment import Environment
from signet.client.events import ConnectionState
from signet.client.greeting import Hints
from signet.client.transports.stream import Arrivals, TurnedAway
from signet.core.errors import Code, SignetError
from signet.core.ids import START
from signet.v1 import messaging_pb2 as pb

ENTRY = "wss://chat.test/v1/connect"
DOMAIN = "chat.test"


def now() -> float:
    return asyncio.get_running_loop().time()


class Line:
    """One stream, the client's end of it (signet.client.transports.stream.Stream)."""

    def __init__(self, net: "Net", address: str) -> None:
        self.net, self.address, self.opened_at = net, address, now()
        self.arrivals = Arrivals()
        self.heard: list[tuple[float, pb.ClientFrame]] = []
        self.closed_at: float | None = None

    def send(self, frame: pb.ClientFrame) -> None:
        self.heard.append((now(), frame))
        self.net.answer(self, frame)

    async def receive(self) -> list[pb.ServerFrame]:
        return await self.arrivals.take()

    async def close(self) -> None:
        self.closed_at = now() if self.closed_at is None else self.closed_at
        self.arrivals.end()

    @property
    def hello(self) -> pb.Hello:
        return self.heard[0][1].hello

    def times(self, body: str) -> list[float]:
        """When the client said a frame of this kind."""
        return [at for at, frame in self.heard if frame.WhichOneof("body") == body]

    def say(self, frame: pb.ServerFrame) -> None:
        if self.closed_at is None:
            self.arrivals.add(frame)

    def end(self, code: Code | None = None, retry_after_ms: int = 0) -> None:
        if code is not None:
            close = pb.Close(code=code.value, retry_after_ms=retry_after_ms)  # type: ignore[arg-type]
            self.say(pb.ServerFrame(close=close))
        self.arrivals.end()

    def reconnect(self, to: str = "", after_ms: int = 0, token: bytes = b"") -> None:
        offer = pb.Reconnect(to=to, after_ms=after_ms, resume_token=token)
        self.say(pb.ServerFrame(reconnect=offer))


class Net:
    """Everybody answers but those in `down`; `alive` off: nobody answers heartbeats."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.tried: list[tuple[float, str]] = []
        self.down: set[str] = set()
        self.alive = True
        self.draining = False  # whoever says Hello is sent away
        self.displaces = False  # as gateways do: a second Hello ends the first stream, first
        self.full: TurnedAway | None = None  # what one hears who comes
        self.login: SignetError | None = None  # how the keys service refuses one
        self.welcome: Callable[[], pb.Welcome] = lambda: pb.Welcome(heartbeat_seconds=30)

    async def dial(self, address: str) -> Line:
        self.tried.append((now(), address))
        if address in self.down:
            raise ConnectionRefusedError(address)
        if self.full is not None:
            raise self.full
        self.lines.append(Line(self, address))
        return self.lines[-1]

    def answer(self, line: Line, frame: pb.ClientFrame) -> None:
        match frame.WhichOneof("body"):
            case "hello" if self.draining:
                line.end(Code.DRAINING)
            case "hello":
                if self.displaces and len(self.lines) > 1:
                    self.lines[-2].end(Code.DISPLACED)
                welcome = pb.ServerFrame(welcome=self.welcome())
                welcome.welcome.resume_token = b"of line %d" % len(self.lines)
                asyncio.get_running_loop().call_later(0.1, line.say, welcome)
            case "heartbeat" if self.alive:
                line.say(pb.ServerFrame(heartbeat=pb.Heartbeat()))


class Device:
    """The connection's `Memory` and `Listener`."""

    def __init__(self) -> None:
        self.counter, self.token = 0, b""
        self.states: list[tuple[float, ConnectionState]] = []
        self.log: list[str] = []
        self._changed = asyncio.Event()

    async def next_hello(self) -> Hints:
        self.counter += 1
        return Hints(self.counter, self.token, START)

    def is_behind(self) -> None:
        self.log.append("behind")
        self.counter += 1_000

    async def keep_resume_token(self, token: bytes) -> None:
        self.token = token

    def opened(self, welcome: pb.Welcome) -> None:
        self.log.append("opened")
        self._changed.set()

    def arrived(self, frames: Sequence[pb.ServerFrame]) -> None:
        self.log += [frame.WhichOneof("body") or "" for frame in frames]
        self._changed.set()

    def lost(self) -> None:
        self.log.append("lost")

    def changed(self, state: ConnectionState, code: Code | None, retry_in: float) -> None:
        self.states.append((now(), state))
        self._changed.set()

    @property
    def state(self) -> ConnectionState | None:
        return self.states[-1][1] if self.states else None

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(3600):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def connected(
    net: Net, device: Device, chance: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[Connection]:
    """A connection that runs; ended at the end."""
    loop = asyncio.get_running_loop()

    async def entry() -> str:
        return ENTRY

    async def token() -> str:
        if net.login is not None:
            raise net.login
        return "token"

    connection = Connection(
        dial=net.dial,
        entry=entry,
        doubt_entry=lambda: None,
        domain=DOMAIN,
        token=token,
        forget_token=lambda: None,
        memory=device,
        listener=device,
        environment=Environment(monotonic=loop.time, chance=chance),
    )
    connection.start()
    try:
        yield connection
    finally:
        await connection.close()


async def later(seconds: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)
