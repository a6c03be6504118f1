"""One device of the bench: says Hello, sends, acknowledges, and notes when what happened."""

import asyncio
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass

from signet.cli.bench_stream import Dialler, Stream
from signet.v1.messaging_pb2 import (
    CAPABILITY_RECONNECT,
    Ack,
    ClientFrame,
    DeviceContent,
    Hello,
    Position,
    Send,
    ServerFrame,
    Welcome,
)

Clock = Callable[[], float]
ORDINALS = 1000  # of one conversation between two counters: above all that it had before (M4)


@dataclass(frozen=True, slots=True)
class Account:
    """A registered device of the bench and its token."""

    user: bytes
    device: int
    registration: int
    token: str


class Failed(Exception):
    """The server closed a stream of the bench, or refused what it must take: no figure holds."""


class Person:
    """A device and its one conversation. Times are seconds of `clock`."""

    def __init__(self, account: Account, dialler: Dialler, clock: Clock, counter: int = 0) -> None:
        self.account = account
        self.peer: Person | None = None
        self.sent_after: list[float] = []
        self.received_after: list[float] = []
        self.on_done: Callable[[Person], None] = lambda _: None
        self.on_failure: Callable[[Failed], None] = lambda _: None
        self._dialler = dialler
        self._clock = clock
        self._stream: Stream | None = None
        self._welcome: asyncio.Future[Welcome] | None = None
        self._resume = b""
        self._counter = counter
        self._at: Position | None = None
        self._ordinals = itertools.count(1 + counter * ORDINALS)
        self._unanswered: dict[bytes, tuple[int, float]] = {}
        self._leaving: dict[bytes, float] = {}
        self._ack_asked = False
        self._loop = asyncio.get_running_loop()

    async def connect(self) -> None:
        """Open a stream and wait for its Welcome; the second time with the resume token."""
        self._counter += 1
        self._welcome = self._loop.create_future()
        self._stream = await self._dialler.open(self._frame)
        hello = Hello(
            protocol=1,
            token="" if self._resume else self.account.token,
            resume_token=self._resume,
            connection_counter=self._counter,
            capabilities=[CAPABILITY_RECONNECT],
            heartbeat_seconds=300,
            position=self._at,
            agent="signet-bench",
        )
        self._stream.send(ClientFrame(hello=hello))
        welcome = await asyncio.wait_for(self._welcome, 30)
        self._resume = welcome.resume_token

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.close()

    @property
    def expected(self) -> int:
        """What the peer has sent and has not arrived."""
        return len(self._leaving)

    @property
    def waiting(self) -> int:
        """Sends that are not answered."""
        return len(self._unanswered)

    def send(self, content: bytes) -> None:
        """Send to the peer; SENT notes its seconds here, the arrival there."""
        assert self._stream is not None
        assert self.peer is not None
        to, ordinal, message_id = self.peer.account, next(self._ordinals), os.urandom(16)
        base = min((number for number, _ in self._unanswered.values()), default=ordinal)
        self._unanswered[message_id] = ordinal, self._clock()
        self.peer.expect(message_id, self._clock())
        device = DeviceContent(
            device_id=to.device, registration_id=to.registration, type=2, content=content
        )
        send = Send(message_id=message_id, to=to.user, ordinal=ordinal, base=base)
        send.contents.append(device)
        self._stream.send(ClientFrame(send=send))

    def expect(self, message_id: bytes, at: float) -> None:
        self._leaving[message_id] = at

    def _frame(self, frame: ServerFrame) -> None:
        match frame.WhichOneof("body"):
            case "welcome":
                if self._welcome is not None and not self._welcome.done():
                    self._welcome.set_result(frame.welcome)
            case "answer":
                if frame.answer.WhichOneof("outcome") == "refused":
                    return self.on_failure(Failed(f"a send was refused: {frame.answer.refused}"))
                _, at = self._unanswered.pop(frame.answer.message_id)
                self.sent_after.append(self._clock() - at)
                self.on_done(self)
            case "item":
                self._at = frame.item.position
                at = self._leaving.pop(frame.item.envelope.message_id, -1.0)
                if at >= 0:
                    self.received_after.append(self._clock() - at)
                self._ask_ack()
            case "close":
                failed = Failed(f"the server closed a stream: {frame.close}")
                if self._welcome is not None and not self._welcome.done():
                    self._welcome.set_exception(failed)
                else:
                    self.on_failure(failed)
        return None

    def _ask_ack(self) -> None:
        """One Ack for all that one turn of the loop brought, as the SDK's commits do."""
        if not self._ack_asked:
            self._ack_asked = True
            self._loop.call_soon(self._ack)

    def _ack(self) -> None:
        self._ack_asked = False
        if self._stream is not None:
            self._stream.send(ClientFrame(ack=Ack(up_to=self._at)))
