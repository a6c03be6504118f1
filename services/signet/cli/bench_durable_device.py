"""The two devices of `signet bench durable`: one that sends until all is SENT, one that reads.

They speak the raw protocol, and keep it as an SDK does: go back N from the lowest unanswered
send (M3, O3), a resume token and a position (S4), acknowledgements of what was taken.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from signet.cli.bench_person import Account, Failed
from signet.cli.bench_stream import Dialler, Stream
from signet.core.ids import START, Position
from signet.core.inbox import Ack, Effect, ReadFrom, Show, accept
from signet.core.limits import MAX_UNANSWERED
from signet.v1 import messaging_pb2 as pb
from signet.v1.messaging_pb2 import (
    CAPABILITY_RECONNECT,
    Bye,
    ClientFrame,
    DeviceContent,
    Hello,
    Read,
    Send,
    ServerFrame,
)

BODY = os.urandom(300)  # about what an encrypted text of one line weighs
AGAIN = 0.1  # seconds between two tries to connect, or to send what was refused
PATIENCE = 60.0  # seconds without any progress after which something is called lost


class Device:
    """A stream that is opened again and again; its frames go to `_take`."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._stream: Stream | None = None
        self._dialler: Dialler | None = None
        self._news = asyncio.Event()
        self._resume = b""
        self._counter = 0
        self._welcomed = False

    async def connect(self, websocket: str) -> None:
        """Try until the server says Welcome. Raises Failed: it does not within PATIENCE."""
        over = time.monotonic() + PATIENCE
        while not await self._connected(websocket):
            if time.monotonic() > over:
                raise Failed("no stream could be opened")
            await asyncio.sleep(AGAIN)

    async def _connected(self, websocket: str) -> bool:
        await self.cut()
        self._counter += 1
        self._welcomed = False
        self._dialler = Dialler("websocket", websocket)
        try:
            self._stream = await self._dialler.open(self._frame)
            self._stream.send(ClientFrame(hello=self._hello()))
            async with asyncio.timeout(5):
                await self.until(lambda: self._welcomed)
        except (OSError, TimeoutError):
            self._resume = b""  # a token that is not taken is not shown again
            return False
        return True

    def _hello(self) -> Hello:
        return Hello(
            protocol=1,
            token="" if self._resume else self.account.token,
            resume_token=self._resume,
            connection_counter=self._counter,
            capabilities=[CAPABILITY_RECONNECT],
            heartbeat_seconds=300,
            position=_wire(self._position()),
            agent="signet-bench",
        )

    def _position(self) -> Position:
        """What was taken last."""
        return START

    def counts_from(self, other: "Device") -> None:
        """The same device had another stream before: the counter goes on (O4)."""
        self._counter = other._counter

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._news.clear()
            await self._news.wait()

    def _frame(self, frame: ServerFrame) -> None:
        if frame.WhichOneof("body") == "welcome":
            self._welcomed, self._resume = True, frame.welcome.resume_token
        else:
            self._take(frame)
        self._news.set()

    def _take(self, frame: ServerFrame) -> None:
        raise NotImplementedError

    async def cut(self) -> None:
        """The line is gone, without a word."""
        stream, self._stream = self._stream, None
        if stream is not None and self._dialler is not None:
            await stream.close()
            await self._dialler.close()

    async def leave(self) -> None:
        """Say goodbye: whoever comes back has to log in."""
        if self._stream is not None:
            self._stream.send(ClientFrame(bye=Bye()))
        await self.cut()
        self._resume = b""


class Writer(Device):
    """Sends; `acknowledged` are the ids that were answered SENT, in the order of sending."""

    def __init__(self, account: Account, to: Account) -> None:
        super().__init__(account)
        self.acknowledged: list[bytes] = []
        self._to = to
        self._unanswered: dict[int, Send] = {}  # by ordinal, oldest first
        self._ordinal = 0

    async def send(self, until: int) -> None:
        """Go on until so many are SENT; as many as may be are on their way. Raises Failed."""
        while len(self.acknowledged) < until:
            room = min(MAX_UNANSWERED, until - len(self.acknowledged)) - len(self._unanswered)
            for _ in range(room):
                self._put(self._next())
            await self._progress()

    async def connect(self, websocket: str) -> None:
        """And send again what is not answered, oldest first (O3)."""
        await super().connect(websocket)
        self._again()

    async def _progress(self) -> None:
        before = len(self.acknowledged)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.until(lambda: len(self.acknowledged) > before)
        except TimeoutError:
            raise Failed(f"no send was answered for {PATIENCE:.0f} s") from None

    def _next(self) -> Send:
        self._ordinal += 1
        content = DeviceContent(
            device_id=self._to.device,
            registration_id=self._to.registration,
            type=2,
            content=BODY,
        )
        send = Send(message_id=os.urandom(16), to=self._to.user, ordinal=self._ordinal)
        send.contents.append(content)
        self._unanswered[send.ordinal] = send
        return send

    def _put(self, send: Send) -> None:
        send.base = next(iter(self._unanswered))
        if self._stream is not None:
            self._stream.send(ClientFrame(send=send))

    def _again(self) -> None:
        for send in list(self._unanswered.values()):
            self._put(send)

    def _take(self, frame: ServerFrame) -> None:
        if frame.WhichOneof("body") != "answer":
            return
        answer = frame.answer
        if answer.WhichOneof("outcome") == "sent":
            if self._unanswered.pop(answer.ordinal, None) is not None:
                self.acknowledged.append(answer.message_id)
        elif answer.ordinal in self._unanswered and answer.ordinal == next(iter(self._unanswered)):
            pause = max(AGAIN, answer.refused.retry_after_ms / 1000)
            asyncio.get_running_loop().call_later(pause, self._again)


@dataclass(frozen=True, slots=True)
class _Item:
    position: Position
    follows: Position | None
    message_id: bytes  # empty: not a message


class Reader(Device):
    """Takes items as every device does (signet.core.inbox); `got` are the ids of messages."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.got: list[bytes] = []
        self.acknowledges = True
        self._at = START

    def _position(self) -> Position:
        return self._at

    async def read(self, wanted: set[bytes]) -> None:
        """Until all of these have come, or nothing comes any more."""
        while not wanted.issubset(self.got):
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._more(len(self.got))
            except TimeoutError:
                return

    async def _more(self, than: int) -> None:
        await self.until(lambda: len(self.got) > than)

    def _take(self, frame: ServerFrame) -> None:
        if frame.WhichOneof("body") != "item":
            return
        item = frame.item
        follows = _read(item.follows) if item.HasField("follows") else None
        taken = _Item(_read(item.position), follows, item.envelope.message_id)
        self._at, effects = accept(self._at, taken)
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect[_Item]) -> None:
        match effect:
            case Show(item):
                self.got += [item.message_id] if item.message_id else []
            case Ack(up_to):
                if self.acknowledges:
                    self._tell(ClientFrame(ack=pb.Ack(up_to=_wire(up_to))))
            case ReadFrom(after):
                self._tell(ClientFrame(read=Read(after=_wire(after))))

    def _tell(self, frame: ClientFrame) -> None:
        if self._stream is not None:
            self._stream.send(frame)


def _read(wire: pb.Position) -> Position:
    return Position(wire.epoch, wire.seq)


def _wire(at: Position) -> pb.Position:
    return pb.Position(epoch=at.epoch, seq=at.seq)
