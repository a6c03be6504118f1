"""Phones for bench_storm: they lose their gateway without a word, and come back by rule S8."""

import asyncio
import random
import ssl
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import picows

from signet.core import limits
from signet.core.backoff import Backoff
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.v1 import messaging_pb2 as pb
from tests.bench.drain_phones import Phone, Seen
from tests.support.streams import hello

_PATIENCE = 15.0  # seconds until a try without any answer is given up, as the SDK does


@dataclass
class Storm(Seen):
    """What all of them saw. `told`: seconds that a refusal said, in the order of tries."""

    told: dict[UserId, list[float]] = field(default_factory=lambda: defaultdict(list))
    turned_away: int = 0  # of those: by an HTTP answer in place of the upgrade
    lost: int = 0  # streams that ended without a Close
    failed: Counter[str] = field(default_factory=Counter)  # tries without an answer, by reason


class _Listener(picows.WSListener):
    def __init__(self, phone: "StormPhone") -> None:
        super().__init__()
        self._phone = phone
        self.abandoned = False

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        if self.abandoned:  # picows goes on with what nobody waits for any more
            transport.disconnect()
        else:
            self._phone.opened(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.BINARY:
            self._phone.heard(transport, pb.ServerFrame.FromString(frame.get_payload_as_bytes()))
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._phone.ended(transport)


class _Stream:
    """What Phone sends by."""

    def __init__(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def send(self, frame: pb.ClientFrame) -> None:
        self.transport.send(picows.WSMsgType.BINARY, frame.SerializeToString())

    async def close(self) -> None:
        self.transport.disconnect()


class StormPhone(Phone):
    """One device. `where` is asked before each try; `welcome` is set while it is at `url`."""

    def __init__(
        self,
        user: UserId,
        token: Callable[[UserId], str],
        seen: Storm,
        where: Callable[[], str],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(user, token, seen, where)
        self.storm, self._tls = seen, tls
        self.welcome = asyncio.Event()
        self._trying: _Stream | None = None
        self._backoff = Backoff()
        self._retry_after = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.url = ""

    async def come(self) -> None:
        """One try. What becomes of it is told to `heard` and `ended`."""
        self.url, self._retry_after = self._elsewhere(), 0.0
        listener = _Listener(self)
        try:
            async with asyncio.timeout(_PATIENCE):
                await picows.ws_connect(
                    lambda: listener,
                    self.url,
                    websocket_handshake_timeout=_PATIENCE,
                    extra_headers={"Sec-WebSocket-Protocol": "signet.v1"},
                    read_buffer_init_size=4096,
                    ssl_context=self._tls,
                )
        except picows.WSHandshakeError as error:
            self._turned_away(error)
        except (OSError, TimeoutError, picows.WSError) as error:
            listener.abandoned = True
            self._unanswered(type(error).__name__)
        else:  # picows also returns when the connection ended before the upgrade
            self._unanswered("closed before the upgrade")

    def _turned_away(self, error: picows.WSHandshakeError) -> None:
        """An HTTP answer; one that names no time is none."""
        said = error.response.headers.get("retry-after-ms", "") if error.response else ""
        self._retry_after = int(said or 0) / 1000
        if not self._retry_after:
            return self._unanswered(type(error).__name__)
        self.storm.turned_away += 1
        self.storm.told[self.user].append(self._retry_after)
        return self._later()

    def forget(self) -> None:
        """The resume token: it comes back by a token of keys."""
        self._resume = b""

    def _unanswered(self, reason: str) -> None:
        if self._trying is None and self._timer is None:
            self.storm.failed[reason] += 1
            self._later()

    def opened(self, transport: picows.WSTransport) -> None:
        self._trying = _Stream(transport)
        self._counter += 1
        token = "" if self._resume else self._token(self.user)
        greeting = hello(
            token,
            self._counter,
            resume_token=self._resume,
            position=self._position,
            heartbeat_seconds=limits.HEARTBEAT_MAX,
        )
        self._trying.send(greeting)

    def heard(self, transport: picows.WSTransport, frame: pb.ServerFrame) -> None:
        if self._trying is None or self._trying.transport is not transport:
            return
        match frame.WhichOneof("body"):
            case "welcome":
                self._welcomed(frame.welcome, self._trying)
            case "item":
                self._show(frame.item)
            case "answer":
                self._answered(frame.answer)
            case "close":
                self._refused(frame.close)

    def _welcomed(self, welcome: pb.Welcome, stream: _Stream) -> None:
        self._resume, self._stream = welcome.resume_token, stream
        self._backoff = self._backoff.opened(monotonic())
        self.seen.welcomes[self.url].append(monotonic())
        self.seen.resumed += welcome.resumed
        self.welcome.set()
        for sent in self._sent.values():
            stream.send(sent)

    def _refused(self, close: pb.Close) -> None:
        self._retry_after = close.retry_after_ms / 1000
        self.seen.closes[Code(close.code).name] += 1
        self.storm.told[self.user].append(self._retry_after)

    def ended(self, transport: picows.WSTransport) -> None:
        if self._trying is None or self._trying.transport is not transport:
            return
        if not self._retry_after:
            self.storm.lost += 1
        self._trying = self._stream = None
        self.welcome.clear()
        if not self.over:
            self._later()

    def _later(self) -> None:
        """S8: after what was told, and a back-off with full jitter on top."""
        wait, self._backoff = self._backoff.failed(monotonic(), random.random(), self._retry_after)
        self._timer = asyncio.get_running_loop().call_later(wait, self._again)

    def _again(self) -> None:
        self._timer = None
        task = asyncio.create_task(self.come())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self.over = True
        if self._timer is not None:
            self._timer.cancel()
        await super().close()
