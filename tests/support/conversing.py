"""Two people who write to each other over bad links, to routers that die, on a store in trouble.

Each device drives the SDK's cores: core/outbox.Outbox for what it sends, core/inbox.accept for
what it gets. All is one virtual clock and one source of chance.
"""

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.presence_memory import MemoryPresence
from signet.core import inbox
from signet.core.errors import Code
from signet.core.ids import START, DeviceAddress, DeviceId, Incarnation, MessageId, Position, UserId
from signet.core.limits import WINDOW_BYTES
from signet.core.link import (
    Acked,
    Answer,
    Answered,
    Attach,
    Attached,
    Content,
    Drop,
    Push,
    ReadAfter,
    Send,
    Submit,
    ToGateway,
    ToRouter,
    ToRouterBody,
)
from signet.core.outbox import Completed, Effect, Failed, Outbox, Seal, Transmit, WakeAt
from signet.core.shards import shard_of
from signet.ports.inbox import StoreUnavailable
from signet.router.router import Router
from signet.v1 import messaging_pb2 as pb
from tests.support.bad_links import Life, Stream, Weather
from tests.support.troubled_inbox import Rows, TroubledInbox
from tests.support.troubled_users import TroubledUsers

SHARDS = 4
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))
LONGEST_WAIT = 5.0  # what devices here make of "come back in an hour"
WINDOW = 8  # items in flight: small, so that it fills


class World(Weather):
    """What the two devices live in."""

    def __init__(self, chance: random.Random, *, strangers: bool) -> None:
        super().__init__(chance)
        self.rows = Rows()
        self.users = TroubledUsers(chance)
        self.lives: list[Life] = []
        self.current: Life | None = None
        self._starting: asyncio.Task[None] | None = None
        for user in (ALICE, BOB):
            self.users.add(user)
        if not strangers:
            self.users.written |= {(ALICE, BOB), (BOB, ALICE)}
        self.alice, self.bob = Talker(self, ALICE, BOB), Talker(self, BOB, ALICE)

    def set_trouble(self, trouble: float) -> None:
        self.trouble = self.users.trouble = trouble
        for life in self.lives:
            life.store.trouble = trouble

    def start_another(self) -> None:
        """A router starts on the same store; until then there is none for new streams."""
        self.current = None
        if self._starting is None or self._starting.done():
            self._starting = self.loop.create_task(self._start())

    async def _start(self) -> None:
        while self.current is None:
            life = self._new_life()
            self.lives.append(life)
            try:
                await life.router.start()
            except StoreUnavailable:
                life.kill()
                continue
            if not life.over:
                self.current = life

    def _new_life(self) -> Life:
        store = TroubledInbox(self.rows, self.chance, SHARDS)
        store.trouble = self.trouble

        def lost() -> None:
            self.loop.call_soon(self._end, life)

        router = Router(
            store,
            self.users,
            MemoryPresence(self.loop.time),
            MemoryEvents(),
            shards=SHARDS,
            alone=True,
            lost=lost,
            now_ms=lambda: 1_700_000_000_000 + int(self.loop.time() * 1000),
            clock=self.loop.time,
            incarnation=Incarnation(self.chance.randbytes(16)),
        )
        life = Life(router, store)
        return life

    def _end(self, life: Life) -> None:
        life.kill()
        if life is self.current:
            self.start_another()

    def kill(self) -> None:
        """The router dies, and another one starts."""
        if self.current is not None:
            self._end(self.current)

    def overtake(self) -> None:
        """Another router starts while the one before does not know yet that it is over (L3)."""
        if self.current is not None:
            self.start_another()

    def calm(self) -> None:
        """From now on all goes well; routers that were overtaken are gone."""
        self.set_trouble(0.0)
        for life in self.lives:
            if life is not self.current and life.store is not self.lives[-1].store:
                life.kill()

    def end(self) -> None:
        for life in self.lives:
            life.kill()


@dataclass(slots=True)
class Written:
    """A message that somebody wrote. A registration of 11 is right, any other is wrong."""

    id: MessageId
    registration: int
    hopeless: bool


@dataclass(frozen=True, slots=True)
class Arrived:
    """An item as the inbox's rules see it."""

    position: Position
    follows: Position | None
    item: pb.Item


@dataclass(eq=False)
class Talker:
    """One device. `shown` are the other's ordinals, in the order in which they were shown."""

    world: World
    user: UserId
    peer: UserId
    at: Position = START
    shown: list[int] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    receipts: set[bytes] = field(default_factory=set)
    acknowledged: set[bytes] = field(default_factory=set)
    drops: list[Code] = field(default_factory=list)
    outbox: Outbox = field(default_factory=Outbox)
    written: dict[int, Written] = field(default_factory=dict)
    stream: Stream | None = None
    attached: bool = False
    _seen: set[bytes] = field(default_factory=set)
    _counter: int = 0
    _hello_at: Position = START
    _tickets: int = 0

    @property
    def address(self) -> DeviceAddress:
        return DeviceAddress(DeviceId(self.user, 1), 11, 1)

    @property
    def other(self) -> "Talker":
        return self.world.bob if self.user == ALICE else self.world.alice

    # --- streams ------------------------------------------------------------------------------

    def reconnect(self) -> None:
        """Open a stream to the router that is there; try again until one is."""
        self.break_off()
        life = self.world.current
        if life is None or life.over:
            self.world.loop.call_later(0.3, self._retry, self._counter)
            return
        self._counter += 1
        self._hello_at = self.at
        self._open(life, f"{self.user!r} {self._counter}", again=False)

    def come_again(self) -> None:
        """The same stream, over another link of its gateway (L7)."""
        life, old = self.world.current, self.stream
        if life is None or life.over or old is None or not self.attached:
            self.reconnect()
            return
        old.fade()
        self.attached = False
        self.outbox.lost()
        self._open(life, old.gateway, again=True)

    def _open(self, life: Life, gateway: str, *, again: bool) -> None:
        self.stream = Stream(self.world, life, gateway, self._take)
        hello = Attach(
            1,
            self.address,
            self._counter,
            self._hello_at,
            WINDOW,
            WINDOW_BYTES,
            30,
            again=again,
        )
        self.stream.at_once(ToRouter(shard_of(self.user, SHARDS), hello))
        self.world.loop.call_later(3.0, self._look, self.stream)

    def _retry(self, counter: int) -> None:
        if self._counter == counter and self.stream is None:
            self.reconnect()

    def _look(self, stream: Stream) -> None:
        """A stream that never came to be, or whose router died, is opened again."""
        if stream is not self.stream:
            return
        if not self.attached or stream.life.over:
            self.reconnect()
        else:
            self.world.loop.call_later(1.0, self._look, stream)

    def break_off(self) -> None:
        if self.stream is not None:
            self.stream.end()
        self.stream, self.attached = None, False
        self.outbox.lost()

    # --- sending ------------------------------------------------------------------------------

    def write(self, *, stale: bool = False, hopeless: bool = False) -> None:
        """Queue a message; a stale one is addressed wrongly until it is sealed again."""
        ordinal = len(self.written) + 1
        wrong = stale or hopeless
        id_ = MessageId(self.world.chance.randbytes(16))
        self.written[ordinal] = Written(id_, 99 if wrong else 11, hopeless)
        self.outbox.add(ordinal, self.world.loop.time(), sealed=True)
        self._pump()

    def _pump(self) -> None:
        self._do(self.outbox.pump(self.world.loop.time()))

    def _do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit():
                    self._transmit(effect)
                case Seal(ordinals):
                    for ordinal in ordinals:
                        self._seal(ordinal)
                    self._pump()
                case Completed(ordinal):
                    self.completed.append(ordinal)
                case Failed(ordinal, code):
                    raise AssertionError(f"{ordinal} failed: {code}")
                case WakeAt(at):
                    self.world.loop.call_at(at, self._pump)

    def _seal(self, ordinal: int) -> None:
        if self.written[ordinal].hopeless:
            self.outbox.cancel(ordinal)
            self.given_up.append(ordinal)
        else:
            self.written[ordinal].registration = 11
            self.outbox.sealed(ordinal)

    def _transmit(self, transmit: Transmit) -> None:
        assert self.stream is not None
        written = self.written[transmit.ordinal]
        contents = (Content(1, written.registration, 2, b"%d" % transmit.ordinal),)
        digest = hashlib.blake2b(repr(contents).encode(), digest_size=16).digest()
        self._tickets += 1
        self.stream.tickets[self._tickets] = transmit.ordinal
        send = Send(written.id, self.peer, transmit.ordinal, transmit.base, contents, digest)
        self._submit(self.peer, Submit(self._tickets, self.address, send))

    def _submit(self, owner: UserId, body: ToRouterBody) -> None:
        if self.stream is not None:
            self.stream.submit(ToRouter(shard_of(owner, SHARDS), body))

    # --- taking -------------------------------------------------------------------------------

    def _take(self, stream: Stream, frame: ToGateway) -> None:
        if self.stream is None or stream.gateway != self.stream.gateway:
            return  # of a stream of before
        if stream is not self.stream and not isinstance(frame, Push):
            return  # of a link that the gateway has given up
        match frame:
            case Attached():
                self.attached = True
                self._do(self.outbox.opened(self.world.loop.time()))
            case Drop(_, code):
                self.drops.append(code)
                self.reconnect()
            case Answered(ticket, answer):
                self._answered(ticket, answer)
            case Push(_, body):
                self._pushed(pb.ServerFrame.FromString(body))

    def _answered(self, ticket: int, answer: Answer) -> None:
        assert self.stream is not None
        ordinal, now = self.stream.tickets.pop(ticket, None), self.world.loop.time()
        if ordinal is None:
            return  # repeated
        if answer.code is None:
            self._do(self.outbox.sent(ordinal, now))
        else:
            wait = min(answer.retry_after_s, LONGEST_WAIT)
            self._do(self.outbox.refused(ordinal, answer.code, now, wait))

    def _pushed(self, frame: pb.ServerFrame) -> None:
        if frame.HasField("expired"):
            first, last = (_position(getattr(frame.expired, name)) for name in ("from", "to"))
            assert inbox.expire(self.at, first, last) == (self.at, []), "nothing expires here"
        if not frame.HasField("item"):
            return
        item = frame.item
        follows = _position(item.follows) if item.HasField("follows") else None
        self.at, effects = inbox.accept(self.at, Arrived(_position(item.position), follows, item))
        for effect in effects:
            match effect:
                case inbox.Show(arrived):
                    self._show(arrived.item)
                case inbox.Ack(up_to):
                    self._submit(self.user, Acked(1, up_to))
                case inbox.ReadFrom(after):
                    self._submit(self.user, ReadAfter(1, after))

    def _show(self, item: pb.Item) -> None:
        if item.HasField("delivered"):
            for message_id in item.delivered.message_ids:
                assert message_id in self.other.acknowledged, "a receipt before its Ack (R4)"
                self.receipts.add(message_id)
            return
        message_id = item.envelope.message_id
        self.acknowledged.add(message_id)
        if message_id not in self._seen:  # O2: the SDK is exact
            self._seen.add(message_id)
            self.shown.append(int(item.envelope.content))


def _position(wire: pb.Position) -> Position:
    return Position(wire.epoch, wire.seq)
