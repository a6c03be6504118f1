"""A device as a router sees it: a link of its own, and what came over it."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence

from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, Position, UserId
from signet.core.limits import WINDOW_BYTES, WINDOW_ITEMS
from signet.core.link import (
    Acked,
    Answer,
    Answered,
    Attach,
    Attached,
    Content,
    Detach,
    Drop,
    GroupSend,
    Push,
    ReadAfter,
    Send,
    Submit,
    ToGateway,
    ToRouter,
    ToRouterBody,
)
from signet.core.shards import shard_of
from signet.router.in_process import InProcessRouters
from signet.router.router import Router
from signet.v1 import messaging_pb2 as pb


class Device:
    """Speaks to a router as a gateway would for one stream; keeps its position like an SDK."""

    def __init__(self, router: Router, user: UserId, device: int = 1, shards: int = 16) -> None:
        self.address = DeviceAddress(DeviceId(user, device), 10 + device, 1)
        self.counter = 0
        self.at = START
        self.frames: list[pb.ServerFrame] = []
        self.answers: list[Answer] = []
        self.drops: list[Drop] = []
        self.attached: list[Attached] = []
        self._router = router
        self._shards = shards
        self._changed = asyncio.Event()
        self._tickets = 0

    async def connect(
        self,
        *,
        window: int = WINDOW_ITEMS,
        resume_counter: int | None = None,
        again: bool = False,
    ) -> None:
        """Open a link and attach; does not wait for the outcome."""
        self.counter += 1
        routers = InProcessRouters(self._router)
        self.link = await routers.open("", "gateway-0", self._deliver, lambda: None)
        self._submit(
            self.address.device.user,
            Attach(
                1,
                self.address,
                self.counter,
                self.at,
                window,
                WINDOW_BYTES,
                30,
                frozenset((1, 2, 3)),
                resume_counter,
                again,
            ),
        )

    def _deliver(self, frames: Sequence[ToGateway]) -> None:
        for frame in frames:
            match frame:
                case Push(_, body):
                    self.frames.append(pb.ServerFrame.FromString(body))
                case Answered(_, answer):
                    self.answers.append(answer)
                case Drop():
                    self.drops.append(frame)
                case Attached():
                    self.attached.append(frame)
        self._changed.set()

    def _submit(self, user: UserId, body: ToRouterBody) -> None:
        self.link.submit([ToRouter(shard_of(user, self._shards), body)])

    async def until(self, met: Callable[[], bool]) -> None:
        """Wait for a condition on what has come."""
        async with asyncio.timeout(30):
            while not met():
                self._changed.clear()
                await self._changed.wait()

    def send(
        self,
        to: UserId,
        ordinal: int,
        *,
        base: int | None = None,
        text: bytes = b"hello",
        message_id: bytes | None = None,
        devices: dict[int, int] | None = None,
        fleeting: bool = False,
        urgent: bool = False,
        quiet: bool = False,
    ) -> MessageId:
        identifier = MessageId(message_id or os.urandom(16))
        chosen = devices if devices is not None else {1: 11}
        contents = tuple(Content(device, reg, 2, text) for device, reg in chosen.items())
        digest = hashlib.blake2b(to + repr(contents).encode(), digest_size=16).digest()
        first = ordinal if base is None else base
        self._tickets += 1
        send = Send(identifier, to, ordinal, first, contents, digest, fleeting, urgent, quiet)
        self._submit(to, Submit(self._tickets, self.address, send))
        return identifier

    def send_group(
        self,
        send: GroupSend,
    ) -> MessageId:
        """Bring a send to the owner of its group's shard."""
        self._tickets += 1
        self._submit(send.to, Submit(self._tickets, self.address, send))
        return send.message_id

    async def sent(self, to: UserId, ordinal: int, text: bytes = b"hello") -> Answer:
        """Send, and wait for the answer."""
        before = len(self.answers)
        self.send(to, ordinal, text=text)
        await self.until(lambda: len(self.answers) > before)
        return self.answers[-1]

    @property
    def items(self) -> list[pb.Item]:
        return [frame.item for frame in self.frames if frame.WhichOneof("body") == "item"]

    @property
    def texts(self) -> list[bytes]:
        return [i.envelope.content for i in self.items if i.WhichOneof("body") == "envelope"]

    @property
    def delivered(self) -> list[bytes]:
        """Ids of own messages that a receipt named."""
        return [identifier for item in self.items for identifier in item.delivered.message_ids]

    def caught_up(self) -> bool:
        return any(frame.WhichOneof("body") == "caught_up" for frame in self.frames)

    def ack(self, position: Position | None = None) -> None:
        """Acknowledge a position, or all that has come."""
        if position is None:
            last = self.items[-1].position
            position = Position(last.epoch, last.seq)
        self.at = max(self.at, position)
        self._submit(self.address.device.user, Acked(1, position))

    def read_after(self, position: Position) -> None:
        self._submit(self.address.device.user, ReadAfter(1, position))

    def detach(self) -> None:
        self._submit(self.address.device.user, Detach(1))
