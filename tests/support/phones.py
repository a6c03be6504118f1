"""Phones in a cluster in virtual time: the SDK's cores, on streams of real gateway sessions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from signet.core import inbox
from signet.core.errors import Code
from signet.core.ids import START, MessageId, Position, UserId
from signet.core.outbox import Completed, Effect, Failed, Outbox, Seal, Transmit, WakeAt
from signet.core.session import Input
from signet.gateway.hub import Hub
from signet.gateway.session import Session
from signet.v1 import messaging_pb2 as pb
from tests.support.cluster_in_time import Cluster, Way
from tests.support.conversing import Arrived, _position

TRANSIENT = 3.0  # seconds after which a stream without a Welcome is given up


class Wire:
    """See gateway/edge.Edge: one stream of a phone."""

    def __init__(self, phone: "Phone", hub: Hub) -> None:
        self.phone, self.hub, self.over = phone, hub, False
        self._up, self._down = Way(phone.cluster.loop), Way(phone.cluster.loop)
        self.session: Session | None = None

    pending = 0
    taken = 0

    def write(self, frame: bytes) -> None:
        self._down.carry(self._arrive, frame)

    def _arrive(self, frame: bytes) -> None:
        if not self.over and self.phone.wire is self:
            self.phone.take(pb.ServerFrame.FromString(frame))

    def finish(self, frame: bytes, code: Code, retry_after_s: float) -> None:
        self.write(frame)

    def send(self, frame: pb.ClientFrame) -> None:
        data = frame.SerializeToString()
        self._up.carry(self._carry, data)

    def _carry(self, data: bytes) -> None:
        if not self.over and self.session is not None:
            self.session.receive(data)

    def cut(self) -> None:
        """The gateway finds out later."""
        self.over = True
        late = self.phone.cluster.chance.uniform(0, 2.0)
        self.phone.cluster.loop.call_later(late, self._lost)

    def _lost(self) -> None:
        if self.session is not None:
            self.session.happens(Input.LOST)


@dataclass(eq=False)
class Phone:
    """One device. `shown[sender]` are that sender's ordinals in the order of showing."""

    cluster: Cluster
    user: UserId
    at: Position = START
    shown: defaultdict[UserId, list[int]] = field(default_factory=lambda: defaultdict(list))
    outboxes: dict[UserId, Outbox] = field(default_factory=dict)
    written: dict[tuple[UserId, int], MessageId] = field(default_factory=dict)
    receipts: set[bytes] = field(default_factory=set)
    closes: list[Code] = field(default_factory=list)
    wire: Wire | None = None
    welcome: bool = False
    resume: bytes = b""
    _counter: int = 0
    _requests: dict[int, tuple[UserId, int]] = field(default_factory=dict)
    _request: int = 0
    _seen: set[bytes] = field(default_factory=set)
    _away: bool = False

    # --- streams ------------------------------------------------------------------------------

    def connect(self) -> None:
        """A new stream to any gateway; tried again until it is welcomed."""
        self.hang_up()
        self._away = False
        hub = self.cluster.chance.choice(self.cluster.hubs)
        self.wire = Wire(self, hub)
        self._counter += 1
        self.wire.session = hub.open(self.wire, "test")
        hello = pb.Hello(
            protocol=1,
            token=self.cluster.keys.token(self.user),
            connection_counter=self._counter,
            capabilities=[pb.CAPABILITY_PRESENCE, pb.CAPABILITY_FLEETING],
        )
        hello.position.epoch, hello.position.seq = self.at
        self.wire.send(pb.ClientFrame(request=self._next(), hello=hello))
        self.cluster.loop.call_later(TRANSIENT, self._look, self.wire)

    def _look(self, wire: Wire) -> None:
        if self.wire is wire and not self.welcome and not self._away:
            self.connect()

    def hang_up(self) -> None:
        if self.wire is not None:
            self.wire.cut()
        self.wire, self.welcome = None, False
        self._requests.clear()
        for outbox in self.outboxes.values():
            outbox.lost()

    def lost(self, hub: Hub) -> None:
        """That gateway is gone, and nothing of its streams with it."""
        if self.wire is not None and self.wire.hub is hub:
            self.wire.session = None
            self.hang_up()
            self.cluster.loop.call_later(0.2, self._again, self._counter)

    def leave(self) -> None:
        """Off, until `connect`."""
        self._away = True
        self.hang_up()

    def _next(self) -> int:
        self._request += 1
        return self._request

    # --- sending ------------------------------------------------------------------------------

    def write(self, to: UserId) -> None:
        now = self.cluster.loop.time()
        if to not in self.outboxes:
            self.outboxes[to] = Outbox()
            if self.welcome:
                self._do(to, self.outboxes[to].opened(now))
        ordinal = sum(peer == to for peer, _ in self.written) + 1
        self.written[to, ordinal] = MessageId(self.cluster.chance.randbytes(16))
        self.outboxes[to].add(ordinal, now, sealed=True)
        self._pump(to)

    def _pump(self, to: UserId) -> None:
        self._do(to, self.outboxes[to].pump(self.cluster.loop.time()))

    def _do(self, to: UserId, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit():
                    self._transmit(to, effect)
                case Seal(ordinals):
                    for ordinal in ordinals:
                        self.outboxes[to].sealed(ordinal)
                    self._pump(to)
                case Completed(_):
                    pass
                case Failed(ordinal, code):
                    raise AssertionError(f"{ordinal} failed: {code}")
                case WakeAt(at):
                    self.cluster.loop.call_at(at, self._pump, to)

    def _transmit(self, to: UserId, transmit: Transmit) -> None:
        assert self.wire is not None
        request = self._next()
        self._requests[request] = (to, transmit.ordinal)
        content = pb.DeviceContent(
            device_id=1, registration_id=11, type=2, content=b"%d" % transmit.ordinal
        )
        send = pb.Send(
            to=to,
            ordinal=transmit.ordinal,
            base=transmit.base,
            message_id=self.written[to, transmit.ordinal],
            contents=[content],
        )
        self.wire.send(pb.ClientFrame(request=request, send=send))

    # --- taking -------------------------------------------------------------------------------

    def take(self, frame: pb.ServerFrame) -> None:
        match frame.WhichOneof("body"):
            case "welcome":
                self.welcome = True
                for to, outbox in self.outboxes.items():
                    self._do(to, outbox.opened(self.cluster.loop.time()))
            case "answer":
                self._answered(frame.request, frame.answer)
            case "item":
                self._item(frame.item)
            case "close":
                self.closes.append(Code(frame.close.code))
                self.hang_up()
                self.cluster.loop.call_later(0.2, self._again, self._counter)

    def _again(self, counter: int) -> None:
        if self.wire is None and counter == self._counter and not self._away:
            self.connect()

    def _answered(self, request: int, answer: pb.Answer) -> None:
        to, ordinal = self._requests.pop(request, (None, 0))
        if to is None:
            return
        now, outbox = self.cluster.loop.time(), self.outboxes[to]
        if answer.HasField("sent"):
            self._do(to, outbox.sent(ordinal, now))
        else:
            wait = min(answer.refused.retry_after_ms / 1000, 5.0)
            self._do(to, outbox.refused(ordinal, Code(answer.refused.code), now, wait))

    def _item(self, item: pb.Item) -> None:
        follows = _position(item.follows) if item.HasField("follows") else None
        self.at, effects = inbox.accept(self.at, Arrived(_position(item.position), follows, item))
        for effect in effects:
            match effect:
                case inbox.Show(arrived):
                    self._show(arrived.item)
                case inbox.Ack(up_to):
                    self._say("ack", up_to)
                case inbox.ReadFrom(after):
                    self._say("read", after)

    def _say(self, what: str, position: Position) -> None:
        assert self.wire is not None
        frame = pb.ClientFrame(request=self._next())
        where = frame.ack.up_to if what == "ack" else frame.read.after
        where.epoch, where.seq = position
        self.wire.send(frame)

    def _show(self, item: pb.Item) -> None:
        if item.HasField("delivered"):
            self.receipts.update(item.delivered.message_ids)
        elif item.envelope.message_id not in self._seen:  # O2: the SDK is exact
            self._seen.add(item.envelope.message_id)
            self.shown[UserId(item.envelope.sender)].append(int(item.envelope.content))
