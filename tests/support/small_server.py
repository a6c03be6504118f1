"""A Signet of one dict, for tests of the SDK: no sockets, no disk, and it misbehaves on demand.

It keeps the rules of protos/protocol.md that a client can notice (order of sends, positions,
acknowledgements, device sets, resume tokens) and names its faults: `lose_items`, `refuse_next`,
`cut`, `hold_answers`, `garble`. The real services are tested against the SDK in tests/e2e.
"""

import asyncio
from collections import defaultdict, deque

from signet.client.transports.stream import Arrivals
from signet.core.errors import Code
from signet.core.ids import START, Position
from signet.v1 import messaging_pb2 as pb
from tests.support.small_keys import Device, SmallKeys, token_of


class SmallStream:
    """The client's end (signet.client.transports.stream.Stream)."""

    def __init__(self, server: "SmallServer") -> None:
        self.server, self.arrivals = server, Arrivals()
        self.device: Device | None = None
        self.over = False

    def send(self, frame: pb.ClientFrame) -> None:
        if not self.over:
            copy = pb.ClientFrame.FromString(frame.SerializeToString())
            asyncio.get_running_loop().call_soon(self.server.handle, self, copy)

    async def receive(self) -> list[pb.ServerFrame]:
        return await self.arrivals.take()

    async def close(self) -> None:
        self.end()

    def push(self, frame: pb.ServerFrame) -> None:
        if not self.over:
            self.arrivals.add(pb.ServerFrame.FromString(frame.SerializeToString()))

    def end(self, code: Code | None = None, retry_after_ms: int = 0) -> None:
        if code is not None:
            close = pb.Close(code=code.value, retry_after_ms=retry_after_ms)  # type: ignore[arg-type]
            self.push(pb.ServerFrame(close=close))
        self.over = True
        self.arrivals.end()
        if self.device is not None and self.device.stream is self:
            self.device.stream = None


class SmallServer(SmallKeys):
    """`dial` and `http` go into an Environment."""

    def __init__(self) -> None:
        super().__init__()
        self.lose_items = 0  # so many pushed items are not delivered
        self.hold_answers = False
        self.garble: defaultdict[bytes, int] = defaultdict(int)  # so many messages to a user
        self.refuse_next: deque[tuple[Code, int]] = deque()
        self.sends: list[pb.Send] = []  # every try that reached the server
        self.hellos: list[pb.Hello] = []
        self.acks: list[Position] = []
        self.dialled: list[str] = []
        self.gone: set[str] = set()  # addresses at which nobody answers
        self._next: dict[tuple[bytes, int, bytes], int] = defaultdict(lambda: 1)
        self._taken: dict[tuple[bytes, int, bytes, bytes], bytes] = {}

    # --- faults -------------------------------------------------------------------------------

    def cut(self, user: bytes) -> None:
        """Break the streams of a user, without a word."""
        for device in self.users[user].devices.values():
            if device.stream is not None:
                device.stream.end()

    def close(self, user: bytes, code: Code) -> None:
        for device in self.users[user].devices.values():
            if device.stream is not None:
                device.stream.end(code)

    def forget_conversations(self) -> None:
        """A new owner that remembers nothing of ordinals and answers."""
        self._next.clear()
        self._taken.clear()

    def push(self, device: Device, item: pb.Item) -> None:
        """Store an item and push it to an attached device."""
        item.position.CopyFrom(_wire(Position(device.last.epoch, device.last.seq + 1)))
        before = device.last if device.last.seq else START
        item.follows.CopyFrom(_wire(before))
        device.last = Position(device.last.epoch, device.last.seq + 1)
        device.items.append(item)
        if device.stream is not None:
            if self.lose_items:
                self.lose_items -= 1
                return
            self._deliver(device, item)

    def waiting(self, user: bytes) -> int:
        """Items that no device has acknowledged."""
        return sum(len(device.items) for device in self.users[user].devices.values())

    # --- the stream ---------------------------------------------------------------------------

    async def dial(self, address: str) -> SmallStream:
        self.dialled.append(address)
        if self.down or address in self.gone:
            raise ConnectionRefusedError(address)
        return SmallStream(self)

    def handle(self, stream: SmallStream, frame: pb.ClientFrame) -> None:
        if stream.over:
            return
        match frame.WhichOneof("body"):
            case "hello":
                self._hello(stream, frame.hello)
            case "send":
                self._send(stream, frame.send)
            case "ack":
                self._ack(stream, _position(frame.ack.up_to))
            case "read":
                self._read(stream, _position(frame.read.after))
            case "heartbeat":
                stream.push(pb.ServerFrame(heartbeat=pb.Heartbeat()))
            case "bye":
                stream.end(Code.BYE)

    def _hello(self, stream: SmallStream, hello: pb.Hello) -> None:
        self.hellos.append(hello)
        device = self._by_token(hello)
        if device is None:
            code = Code.RESUME_REFUSED if hello.resume_token else Code.UNAUTHENTICATED
            return stream.end(code)
        if hello.connection_counter <= device.counter:
            return stream.end(Code.STALE_CONNECTION)
        if device.stream is not None:
            device.stream.end(Code.DISPLACED)
        device.counter, device.stream, stream.device = hello.connection_counter, stream, device
        device.resume = b"%s/%d/%d" % (device.user, device.id, device.counter)
        device.sent_up_to = _position(hello.position)
        welcome = pb.Welcome(session_id=bytes(16), resume_token=device.resume, heartbeat_seconds=30)
        stream.push(pb.ServerFrame(welcome=welcome))
        return self._read(stream, _position(hello.position))

    def _by_token(self, hello: pb.Hello) -> Device | None:
        for user in self.users.values():
            for device in user.devices.values():
                if hello.resume_token and hello.resume_token == device.resume:
                    return device
                if hello.token and hello.token == token_of(device):
                    return device
        return None

    def _read(self, stream: SmallStream, after: Position) -> None:
        device = stream.device
        assert device is not None
        for item in device.items:
            if _position(item.position) > after:
                copy = pb.Item()
                copy.CopyFrom(item)
                if _position(item.position).seq == 1:
                    copy.follows.CopyFrom(_wire(after))
                self._deliver(device, copy)
        stream.push(pb.ServerFrame(caught_up=pb.CaughtUp(up_to=_wire(device.last))))

    def _deliver(self, device: Device, item: pb.Item) -> None:
        device.sent_up_to = max(device.sent_up_to, _position(item.position))
        if device.stream is not None:
            device.stream.push(pb.ServerFrame(item=item))

    def _ack(self, stream: SmallStream, up_to: Position) -> None:
        device = stream.device
        assert device is not None
        self.acks.append(up_to)
        if up_to > device.sent_up_to:
            return stream.end(Code.ACK_BEYOND_SENT)
        gone = [item for item in device.items if _position(item.position) <= up_to]
        device.items = [item for item in device.items if _position(item.position) > up_to]
        for item in gone:
            if item.HasField("envelope"):
                self._delivered(device, item.envelope)
        return None

    def _delivered(self, by: Device, envelope: pb.Envelope) -> None:
        sender = self.users[envelope.sender].devices.get(envelope.sender_device)
        if sender is not None:
            ids = [envelope.message_id]
            delivered = pb.Delivered(by=by.user, by_device=by.id, message_ids=ids)
            self.push(sender, pb.Item(delivered=delivered))

    def _send(self, stream: SmallStream, send: pb.Send) -> None:
        sender = stream.device
        assert sender is not None
        self.sends.append(send)
        if self.hold_answers:
            return None
        if self.refuse_next:
            code, retry_after_ms = self.refuse_next.popleft()
            return self._refuse(stream, send, code, retry_after_ms)
        key = (sender.user, sender.id, send.to, send.message_id)
        digest = b"".join(content.content for content in send.contents)
        if key in self._taken:
            if self._taken[key] != digest:
                return self._refuse(stream, send, Code.ID_REUSED)
            return self._sent(stream, send)
        mismatch = self._mismatch(sender, send)
        if mismatch is not None:
            return self._refuse(stream, send, Code.WRONG_DEVICES, devices=mismatch)
        if send.fleeting:
            return self._spread(sender, send)
        conversation = key[:3]
        if send.ordinal not in (self._next[conversation], send.base):
            return self._refuse(stream, send, Code.OUT_OF_ORDER)
        self._next[conversation] = send.ordinal + 1
        self._taken[key] = digest
        self._spread(sender, send)
        return self._sent(stream, send)

    def _spread(self, sender: Device, send: pb.Send) -> None:
        for content in send.contents:
            envelope = pb.Envelope(
                sender=sender.user,
                sender_device=sender.id,
                message_id=send.message_id,
                type=content.type,
                content=content.content,
                sender_registration_id=sender.registration,
            )
            device = self.users[send.to].devices[content.device_id]
            if not send.fleeting:
                if self.garble[send.to]:
                    self.garble[send.to] -= 1
                    envelope.content = envelope.content[:-1] + bytes([envelope.content[-1] ^ 1])
                self.push(device, pb.Item(envelope=envelope))
            elif device.stream is not None:
                device.stream.push(pb.ServerFrame(fleeting=pb.Fleeting(envelope=envelope)))

    def _mismatch(self, sender: Device, send: pb.Send) -> pb.DeviceMismatch | None:
        devices = {d.id: d for d in self.users[send.to].devices.values() if d is not sender}
        given = {content.device_id: content.registration_id for content in send.contents}
        stale = [i for i, r in given.items() if i in devices and devices[i].registration != r]
        found = pb.DeviceMismatch(
            missing=devices.keys() - given.keys(), extra=given.keys() - devices.keys(), stale=stale
        )
        return found if found.ByteSize() else None

    def _sent(self, stream: SmallStream, send: pb.Send) -> None:
        answer = pb.Answer(message_id=send.message_id, ordinal=send.ordinal, sent=pb.Sent())
        stream.push(pb.ServerFrame(answer=answer))

    def _refuse(
        self,
        stream: SmallStream,
        send: pb.Send,
        code: Code,
        retry_after_ms: int = 0,
        devices: pb.DeviceMismatch | None = None,
    ) -> None:
        refusal = pb.Refusal(code=code.value, retry_after_ms=retry_after_ms, devices=devices)  # type: ignore[arg-type]
        answer = pb.Answer(message_id=send.message_id, ordinal=send.ordinal, refused=refusal)
        stream.push(pb.ServerFrame(answer=answer))


def _wire(at: Position) -> pb.Position:
    return pb.Position(epoch=at.epoch, seq=at.seq)


def _position(wire: pb.Position) -> Position:
    return Position(wire.epoch, wire.seq)
