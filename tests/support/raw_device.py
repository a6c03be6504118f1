"""A device that speaks frames: what it sends and when is the test's, not an SDK's."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from signet.cli.bench_accounts import accounts
from signet.cli.bench_person import Account
from signet.cli.bench_stream import Dialler, Stream, Transport
from signet.cli.server_process import Addresses
from signet.v1.messaging_pb2 import (
    Ack,
    Answer,
    ClientFrame,
    Close,
    DeviceContent,
    Hello,
    Item,
    Position,
    Send,
    ServerFrame,
)

PATIENCE = 40.0  # seconds in which what must happen has to happen


class RawDevice:
    """Keeps what it got, in order. Nothing is acknowledged or sent again by itself."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.items: list[Item] = []
        self.answers: list[Answer] = []
        self.closes: list[Close] = []
        self._stream: Stream | None = None
        self._dialler: Dialler | None = None
        self._welcomed = False
        self._changed = asyncio.Event()
        self._counter = 0
        self._ordinal = 0
        self._open: dict[int, bytes] = {}

    async def connect(self, addresses: Addresses, transport: Transport = "websocket") -> None:
        """A new stream, with the token, from after the last item that came."""
        self._counter += 1
        self._welcomed = False
        self._dialler = Dialler(transport, getattr(addresses, transport))
        self._stream = await self._dialler.open(self._take)
        at = self.items[-1].position if self.items else None
        hello = Hello(
            protocol=1,
            token=self.account.token,
            connection_counter=self._counter,
            position=at,
            agent="raw",
        )
        self._stream.send(ClientFrame(hello=hello))
        await self.until(lambda: self._welcomed)

    def _take(self, frame: ServerFrame) -> None:
        match frame.WhichOneof("body"):
            case "welcome":
                self._welcomed = True
            case "item":
                self.items.append(frame.item)
            case "answer":
                self.answers.append(frame.answer)
            case "close":
                self.closes.append(frame.close)
        self._changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    def message(self, to: Account, body: bytes = b"ciphertext") -> Send:
        """The next send of this device to that one."""
        self._ordinal += 1
        content = DeviceContent(
            device_id=to.device, registration_id=to.registration, type=2, content=body
        )
        return Send(
            message_id=os.urandom(16), to=to.user, ordinal=self._ordinal, contents=[content]
        )

    def send(self, *messages: Send) -> None:
        """Also again: the same id and bytes, with the base of now (M1, M3)."""
        assert self._stream is not None
        self._open.update((message.ordinal, message.message_id) for message in messages)
        answered = {a.message_id for a in self.answers if a.WhichOneof("outcome") == "sent"}
        base = min(o for o, message_id in self._open.items() if message_id not in answered)
        for message in messages:
            message.base = base
            self._stream.send(ClientFrame(send=message))

    def ack(self) -> None:
        """All that came."""
        assert self._stream is not None
        self._stream.send(ClientFrame(ack=Ack(up_to=self.items[-1].position)))

    async def answered(self, message: Send) -> Answer:
        """The latest answer to a message."""
        await self.until(lambda: any(a.message_id == message.message_id for a in self.answers))
        return next(a for a in reversed(self.answers) if a.message_id == message.message_id)

    @property
    def got(self) -> list[bytes]:
        """The message ids that came, in order, doubles and all.

        What is pushed again, at the same position, is no double (R2, R8).
        """
        messages = [item for item in self.items if item.HasField("envelope")]
        came = {(i.position.epoch, i.position.seq): i.envelope.message_id for i in messages}
        return list(came.values())

    @property
    def positions(self) -> list[Position]:
        return [item.position for item in self.items]

    async def close(self) -> None:
        if self._stream is not None and self._dialler is not None:
            await self._stream.close()
            await self._dialler.close()
        self._stream = None


@asynccontextmanager
async def raw_pair(addresses: Addresses) -> AsyncIterator[tuple[RawDevice, RawDevice]]:
    """Two registered devices, not connected."""
    one, other = [RawDevice(account) for account in await accounts(addresses.grpc, 2)]
    try:
        yield one, other
    finally:
        await one.close()
        await other.close()
