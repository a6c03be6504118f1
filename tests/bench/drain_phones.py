"""Phones for bench_drain: raw streams that move when they are asked, and a trickle of messages.

Without encryption: the contents are the time at which a message was first sent. Everything else is
what the SDK does: one session resumed, sends repeated from the oldest, items shown once.
"""

import asyncio
import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from signet.cli.bench_stream import Stream, WebSocketStream
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.v1 import messaging_pb2 as pb
from tests.support.streams import hello, send

_TIME = struct.Struct(">d")


@dataclass
class Seen:
    """What all phones saw. Times are of the monotonic clock."""

    welcomes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    asks: list[tuple[float, str]] = field(default_factory=list)  # when, and where to
    shown: list[tuple[float, float]] = field(default_factory=list)  # when, seconds since the send
    closes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    answered: set[tuple[UserId, int]] = field(default_factory=set)
    received: set[tuple[UserId, int]] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    resumed: int = 0


class Phone:
    """One device. `elsewhere`: an address to come back to when its gateway has closed."""

    def __init__(
        self, user: UserId, token: Callable[[UserId], str], seen: Seen, elsewhere: Callable[[], str]
    ) -> None:
        self.user, self.seen = user, seen
        self._token, self._elsewhere = token, elsewhere
        self._stream: Stream | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._resume, self._counter, self._life = b"", 0, 0
        self._position = pb.Position()
        self._ready = asyncio.Event()
        self._sent: dict[int, pb.ClientFrame] = {}  # not answered yet
        self._ordinal = 0
        self.over = False

    async def connect(self, url: str) -> None:
        """Open a stream, and let the one before go when the new one has its Welcome."""
        before, self._life = self._stream, self._life + 1
        life = self._life
        welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_frame(frame: pb.ServerFrame) -> None:
            if life == self._life:
                self._take(url, frame, welcome)

        stream = await WebSocketStream.open(url, on_frame)
        self._counter += 1
        token = "" if self._resume else self._token(self.user)
        greeting = hello(token, self._counter, resume_token=self._resume, position=self._position)
        stream.send(greeting)
        await asyncio.wait_for(welcome, 30)
        self._stream = stream
        for frame in self._sent.values():
            stream.send(frame)
        if before is not None:
            await before.close()

    def _take(self, url: str, frame: pb.ServerFrame, welcome: "asyncio.Future[None]") -> None:
        match frame.WhichOneof("body"):
            case "welcome":
                self._resume = frame.welcome.resume_token
                self.seen.welcomes[url].append(monotonic())
                self.seen.resumed += frame.welcome.resumed
                if not welcome.done():
                    welcome.set_result(None)
            case "item":
                self._show(frame.item)
            case "answer":
                self._answered(frame.answer)
            case "reconnect":
                self._resume = frame.reconnect.resume_token
                self.seen.asks.append((monotonic(), frame.reconnect.to))
                self._go(frame.reconnect.to or self._elsewhere(), frame.reconnect.after_ms / 1000)
            case "close":
                code = Code(frame.close.code)
                self.seen.closes[code.name] += 1
                if not self.over and code is not Code.DISPLACED:
                    self._go(self._elsewhere(), frame.close.retry_after_ms / 1000)

    def _show(self, item: pb.Item) -> None:
        if item.HasField("envelope"):
            (sent,) = _TIME.unpack(item.envelope.content)
            key = (
                UserId(item.envelope.sender),
                int.from_bytes(item.envelope.message_id[8:], "big"),
            )
            if key not in self.seen.received:
                self.seen.received.add(key)
                self.seen.shown.append((monotonic(), monotonic() - sent))
        self._position = item.position
        if self._stream is not None:
            self._stream.send(pb.ClientFrame(ack=pb.Ack(up_to=item.position)))

    def _answered(self, answer: pb.Answer) -> None:
        if answer.HasField("sent"):
            self._sent.pop(answer.ordinal, None)
            self.seen.answered.add((self.user, answer.ordinal))
        else:  # not now: again from the oldest
            self.seen.refusals[Code(answer.refused.code).name] += 1
            for frame in self._sent.values():
                if self._stream is not None:
                    self._stream.send(frame)

    def _go(self, url: str, after: float) -> None:
        task = asyncio.create_task(self._connect_in(url, after))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_in(self, url: str, after: float) -> None:
        await asyncio.sleep(after)
        for _ in range(30):
            try:
                return await self.connect(url)
            except (OSError, TimeoutError):
                await asyncio.sleep(0.2)
        return None

    def write(self, to: UserId) -> None:
        """One more message of the conversation."""
        self._ordinal += 1
        base = min(self._sent, default=self._ordinal)
        message_id = self.user[:8] + self._ordinal.to_bytes(8, "big")
        text = _TIME.pack(monotonic())
        frame = send(to, self._ordinal, text, message_id=message_id, base=base)
        self._sent[self._ordinal] = frame
        if self._stream is not None:
            self._stream.send(frame)

    async def close(self) -> None:
        self.over = True
        for task in self._tasks:
            task.cancel()
        if self._stream is not None:
            await self._stream.close()


def most_in_a_second(times: list[float]) -> int:
    """The largest number of events in any second."""
    ordered, most, first = sorted(times), 0, 0
    for last, time in enumerate(ordered):
        while time - ordered[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
