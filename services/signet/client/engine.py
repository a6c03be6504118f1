"""A running client: what ties stream, store, mailbox and sender together.

Frames come in on the event loop, all that waits is taken in one transaction of the store, and
only then are events given out and positions acknowledged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog

from signet.client import mailbox, profiles, renewal, upkeep
from signet.client.account import Keys
from signet.client.connection import Connection
from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import StoreFailed
from signet.client.event_codec import keep, waiting
from signet.client.events import (
    ConnectionChanged,
    ConnectionState,
    Event,
    IdentityChanged,
    Kept,
    Online,
    PresenceChanged,
    ReceiptChanged,
    SendFailed,
    Status,
)
from signet.client.greeting import Hints
from signet.client.groups import sealing as group_sealing
from signet.client.groups.work import GroupWork
from signet.client.mailbox import Taken
from signet.client.outcome import Outcome
from signet.client.sealing import Self
from signet.client.sender import Result, Sender
from signet.client.store.outgoing import Row
from signet.client.transports.stream import Dial
from signet.core.errors import Code
from signet.core.ids import MessageId, Position, UserId
from signet.v1 import messaging_pb2 as pb

log = structlog.get_logger()

_SHOWN_BODIES = ("text", "reaction", "edit", "delete", "disappearing_timer", "attachment")


class Engine:
    """`start` it in a running event loop; `close` it. `emit` gets events and must not wait."""

    def __init__(
        self,
        *,
        store: DeviceStore,
        me: Self,
        keys: Keys,
        dial: Dial,
        entry: Callable[[], Awaitable[str]],
        doubt_entry: Callable[[], None],
        domain: str,
        emit: Callable[[Event], None],
        fell_behind: Callable[[], None],
    ) -> None:
        self.state, self.code = ConnectionState.CONNECTING, None
        self._store, self._me, self._keys, self._emit = store, me, keys, emit
        self.connection = Connection(
            dial=dial,
            entry=entry,
            doubt_entry=doubt_entry,
            domain=domain,
            token=keys.token,
            forget_token=keys.forget_token,
            memory=self,
            listener=self,
            environment=me.environment,
        )
        self.sender = Sender(
            store=store,
            me=me,
            keys=keys,
            transmit=self.connection.send,
            ended=self._ended,
            identity_changed=self._identity_changed,
        )
        self.upkeep = upkeep.Upkeep(store, me, keys, self.sender, self._keep_and_emit)
        self.groups = GroupWork(store, me, keys, self.kept, self.give_out)
        self._inbound: list[pb.ServerFrame] = []
        self._unkept: list[Result] = []
        self._highest: Position | None = None
        self._asked: Position | None = None
        self._generation = 0
        self._taking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watched: list[UserId] = []
        self._away = False
        self._may_greet, self._fell_behind = asyncio.Event(), fell_behind
        self._may_greet.set()

    code: Code | None

    async def start(self) -> None:
        """Give out what the application has not confirmed, load the outbox, connect."""
        events, rows, behind = await self._store.run(
            lambda tx: (waiting(tx, self.confirm), tx.outgoing.all(), renewal.is_due(tx))
        )
        if behind:
            self.is_behind()
        for event in events:
            self._emit(event)
        self.sender.add(rows)
        self.upkeep.start()
        self.connection.start()

    async def close(self) -> None:
        """End the stream, finish what is being taken, stop."""
        await self.connection.close()
        await self.upkeep.close()
        await self.groups.close()
        await self.sender.close()
        if self._taking is not None:
            await asyncio.gather(self._taking, return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def confirm(self, number: int) -> Callable[[], Awaitable[None]]:
        """What `done` of the event with this number does."""

        async def done() -> None:
            await self._store.run(lambda tx: tx.incoming.confirm([number]))

        return done

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that may fail without harm: it is logged, and comes again."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def watch(self, users: Sequence[UserId]) -> None:
        """Whose presence is wanted, on this stream and on later ones."""
        self._watched = list(users)
        self.connection.send(pb.ClientFrame(watch=pb.Watch(users=self._watched)))

    def set_away(self, away: bool) -> None:
        self._away = away
        status = pb.PRESENCE_STATUS_AWAY if away else pb.PRESENCE_STATUS_ONLINE
        self.connection.send(pb.ClientFrame(set_presence=pb.SetPresence(status=status)))

    # --- what the connection asks and tells ---------------------------------------------------

    def is_behind(self) -> None:
        """Nothing is sent any more: somebody registers this device anew, and replaces us."""
        self._may_greet.clear()
        self._fell_behind()

    async def next_hello(self) -> Hints:
        """Raise the counter, durably; read the rest."""
        await self._may_greet.wait()

        def read(tx: Tx) -> Hints:
            counter = tx.settings.raise_counter()
            token = tx.settings.get("resume_token") or b""
            return Hints(counter, token, tx.settings.position())

        return await self._store.run(read)

    async def keep_resume_token(self, token: bytes) -> None:
        await self._store.run(lambda tx: tx.settings.put("resume_token", token))

    def opened(self, welcome: pb.Welcome) -> None:
        self._generation += 1
        self._highest = self._asked = None
        self._inbound.clear()
        if self._watched:
            self.watch(self._watched)
        if self._away:
            self.set_away(True)
        unkept, self._unkept = self._unkept, []
        self._ended(unkept)
        self.sender.opened()
        self.upkeep.online()
        self.groups.online()

    def lost(self) -> None:
        self._generation += 1
        self._inbound.clear()
        self.sender.lost()

    def changed(self, state: ConnectionState, code: Code | None, retry_in: float) -> None:
        self.state, self.code = state, code
        self._emit(ConnectionChanged(state=state, code=code, retry_in_s=retry_in))

    def arrived(self, frames: Sequence[pb.ServerFrame]) -> None:
        for frame in frames:
            match frame.WhichOneof("body"):
                case "answer":
                    self.sender.answered(frame.answer)
                case "item":
                    self._note_highest(frame.item.position)
                    self._inbound.append(frame)
                case "expired":
                    self._note_highest(frame.expired.to)
                    self._inbound.append(frame)
                case "fleeting":
                    self._inbound.append(frame)
                case "caught_up":
                    self._asked = None
                case "presence":
                    self._presence(frame.presence)
                case "notice":
                    self._notice(frame.notice)
                case "refused":
                    code = frame.refused.refusal.code
                    log.warning("the server refused a frame", code=int(code))  # may be a newer one
        if self._inbound and (self._taking is None or self._taking.done()):
            self._taking = asyncio.create_task(self._take_all())

    # --- the mailbox --------------------------------------------------------------------------

    def _note_highest(self, wire: pb.Position) -> None:
        at = Position(wire.epoch, wire.seq)
        self._highest = max(at, self._highest or at)

    async def _take_all(self) -> None:
        """Take what has arrived, and what arrives meanwhile, one transaction after the other."""
        while self._inbound:
            frames, self._inbound = self._inbound, []
            generation = self._generation
            try:
                taken = await self._take(frames)
            except Exception as error:  # the store failed, or a bug: it comes again, later
                log.error("what arrived could not be stored", why=type(error).__name__)
                self._inbound.clear()
                self.connection.give_up()
                return
            self.give_out(taken)
            if generation == self._generation:
                self._acknowledge(taken)

    def _take(self, frames: list[pb.ServerFrame]) -> Awaitable[Taken]:
        return self._store.run(lambda tx: mailbox.take(tx, self._me, frames, self.confirm))

    def kept(self, tx: Tx, outcome: Outcome) -> Outcome:
        """Store, in the transaction of what caused them, the events that are kept."""
        outcome.events = [
            keep(tx, event, self.confirm) if isinstance(event, Kept) else event
            for event in outcome.events
        ]
        return outcome

    def give_out(self, outcome: Outcome) -> None:
        """Do what a transaction asks for, now that it is durable."""
        for event in outcome.events:
            self._emit(event)
        self.sender.add(outcome.queued)
        for user in outcome.refresh:
            self.background(self.sender.refresh(user))
        for user in outcome.profiles:
            self.background(self._fetch_profile(user))
        self.groups.do(outcome)

    def _acknowledge(self, taken: Taken) -> None:
        """Never above what this stream has brought (R5 of the durability rules)."""
        if taken.ack is not None and self._highest is not None:
            up_to = min(taken.ack, self._highest)
            self.connection.send(pb.ClientFrame(ack=pb.Ack(up_to=_wire(up_to))))
        if taken.read_from is not None and taken.read_from != self._asked:
            self._asked = taken.read_from
            self.connection.send(pb.ClientFrame(read=pb.Read(after=_wire(taken.read_from))))

    # --- what becomes of sends ----------------------------------------------------------------

    def _ended(self, results: list[Result]) -> None:
        if results:
            self.background(self._keep_results(results))

    async def _keep_results(self, results: list[Result]) -> None:
        try:
            events = await self._store.run(lambda tx: self._record(tx, results))
        except StoreFailed as error:  # kept when there is a stream again
            log.error("what became of sends could not be stored", why=type(error).__name__)
            self._unkept += results
            self.connection.give_up()
        else:
            for event in events:
                self._emit(event)

    def _record(self, tx: Tx, results: list[Result]) -> list[Event]:
        events: list[Event] = []
        for result in results:
            row = result.row
            tx.outgoing.remove(row.peer, row.ordinal)
            if result.failed and row.group:
                group_sealing.gave_up(tx, row)
            status = Status.FAILED if result.failed else Status.SENT
            changed = tx.messages.raise_status([row.id], self._me.user, status, row.peer)
            if result.failed and row.content.WhichOneof("body") in _SHOWN_BODIES:
                failed = SendFailed(peer=row.peer, message_id=row.id, code=result.code)
                events.append(keep(tx, failed, self.confirm))
            elif changed:
                ids = (MessageId(row.id),)
                events.append(ReceiptChanged(peer=row.peer, message_ids=ids, status=status))
        return events

    async def _fetch_profile(self, user: UserId) -> None:
        changed = await profiles.fetch(self._store, self._keys, user)
        if changed is not None:
            await self._keep_and_emit(changed)

    def _identity_changed(self, peer: UserId) -> None:
        self.background(self._keep_and_emit(IdentityChanged(peer=peer)))

    async def _keep_and_emit(self, event: Kept) -> None:
        self._emit(await self._store.run(lambda tx: keep(tx, event, self.confirm)))

    # --- the rest -----------------------------------------------------------------------------

    def queue(self, rows: Sequence[Row]) -> None:
        """Sends of the application that are durable now: worth a try to connect (S8)."""
        self.sender.add(rows)
        self.connection.hurry()

    def _presence(self, presence: pb.Presence) -> None:
        try:
            status = Online(presence.status)
        except ValueError:
            return
        seen = presence.last_seen_ms
        self._emit(PresenceChanged(peer=UserId(presence.user), status=status, last_seen_ms=seen))

    def _notice(self, notice: pb.Notice) -> None:
        if notice.HasField("keys_low"):
            self.upkeep.keys_low()
        elif notice.HasField("own_devices_changed"):
            self.background(self.upkeep.check_devices())

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("a task of the client failed", why=type(task.exception()).__name__)


def _wire(at: Position) -> pb.Position:
    return pb.Position(epoch=at.epoch, seq=at.seq)
