"""Attached devices: who follows which inbox, what they acknowledge, who is not of the account.

Rules S3, S4, S9, R4 and R7 of protos/protocol.md; O4, R5, J6 of docs/durability.md.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog

from signet.core import limits
from signet.core.delivery import Delivery, Flown
from signet.core.errors import Code
from signet.core.ids import DeviceId, Position
from signet.core.link import Acked, Attach, Attached, Drop
from signet.internal.v1.stored import own_devices_frame
from signet.ports.events import Event, Topic
from signet.ports.inbox import Connected, Entry, StoreUnavailable
from signet.ports.users import User
from signet.router.context import Context
from signet.router.following import Following, opened
from signet.router.people import Inbox, Person, Session
from signet.router.presence import Presences
from signet.router.receipts import Receipts
from signet.router.writer import Write
from signet.telemetry import metrics
from signet.v1.messaging_pb2 import CAPABILITY_NOTICES

log = structlog.get_logger()

Known = Mapping[int, tuple[int, int]]
"""Devices as they were: generation and registration of each id."""
NOBODY = (0, 0)  # equals nothing that a device can have


class Attachments:
    """The sessions of this router."""

    def __init__(
        self, context: Context, following: Following, receipts: Receipts, presences: Presences
    ) -> None:
        self._context = context
        self._following = following
        self._receipts = receipts
        self._presences = presences
        self._arriving: dict[tuple[int, int], Attach] = {}  # wait for their users

    # --- attaching ----------------------------------------------------------------------------

    def attach(self, link: int, frame: Attach) -> None:
        """A device's stream wants its inbox. Answered by Attached or Drop.

        One that resumes is known by the copy that was good for its stream, however old: else all
        streams of a gateway that dies would ask the directory at once. Removals are told (S9).
        Where too much is not written yet, a new stream would only add to it (P7).
        """
        if self._context.writer.pending_bytes >= limits.MAX_UNWRITTEN and not frame.again:
            wait, number = limits.STORE_RETRY_AFTER, frame.session
            self._context.tell(link, [Drop(number, Code.STORE_UNAVAILABLE, wait)])
            return
        self._arriving[link, frame.session] = frame
        resumes = frame.again or frame.resume_counter is not None
        self._context.people.with_person(
            frame.address.device.user,
            lambda person: self._identify(person, link, frame),
            aged=resumes,
        )

    def _identify(self, person: Person, link: int, frame: Attach) -> None:
        """Our copy may be older than the device: nobody is called removed by an old copy (S9)."""
        if is_of_account(person, frame):
            self._admit(person, link, frame)
            return
        self._context.people.with_person(
            person.id, lambda fresh: self._admit(fresh, link, frame), fresh=True
        )

    def _admit(self, person: Person, link: int, frame: Attach) -> None:
        if self._arriving.get((link, frame.session)) is not frame:
            return  # its stream is gone, or has come again
        del self._arriving[link, frame.session]
        if not self._context.serves(person.shard):
            moved = self._context.not_owner(person.shard, sessions=[frame.session])
            self._context.tell(link, [moved])
            return
        inbox = person.inboxes.get(frame.address.device.device)
        if inbox is None or not is_of_account(person, frame):
            self._refuse(link, frame.session, ended(person))
        elif frame.counter < inbox.counter + (not frame.again):  # O4
            self._refuse(link, frame.session, Code.STALE_CONNECTION)
        elif frame.resume_counter is not None and frame.resume_counter not in inbox.resumable:
            self._refuse(link, frame.session, Code.RESUME_REFUSED)
        elif frame.position > inbox.last:  # R5: claims what was never given
            self._refuse(link, frame.session, Code.ACK_BEYOND_SENT)
        else:
            self._connect(inbox, link, frame)

    def _refuse(self, link: int, session: int, code: Code) -> None:
        self.detach(link, session)
        self._context.tell(link, [Drop(session, code)])

    def _connect(self, inbox: Inbox, link: int, frame: Attach) -> None:
        """Say Attached when the counter is durable (S4); until then an older session goes on."""
        delivery = Delivery(inbox.acknowledged, frame.window_items, frame.window_bytes)
        session = Session(
            link,
            frame.session,
            frame.address,
            frame.counter,
            frame.capabilities,
            frame.heartbeat_s,
            delivery,
            again=frame.again,
        )
        inbox.resumable = resumable(inbox, frame)
        inbox.counter = frame.counter
        self._context.sessions[link, frame.session] = inbox
        self._context.attaching[link, frame.session] = session
        self._write_connected(inbox, lambda: self._connected(inbox, session, frame.position))

    def _write_connected(self, inbox: Inbox, done: Callable[[], None]) -> None:
        note = Connected(inbox.device, inbox.counter, inbox.resumable)
        shard = self._context.shard(inbox.device.user)

        def durable() -> None:
            inbox.connecting -= 1
            done()

        inbox.connecting += 1
        self._context.writer.add(Write(connected=[(shard, note)], done=durable))

    def _connected(self, inbox: Inbox, session: Session, position: Position) -> None:
        """An older session is displaced when the new one is there, not before (S3, S7)."""
        attaching = self._context.attaching.pop((session.link, session.number), None)
        if attaching is not session:
            return  # its stream is gone already
        if session.claimed > inbox.durable:
            self._refuse(session.link, session.number, Code.ACK_BEYOND_SENT)
            return
        position = max(position, session.claimed)
        older, inbox.session = inbox.session, session
        session.delivery.start(inbox.acknowledged)
        self._following.begins(inbox, session)
        self._context.tell(session.link, [Attached(session.number, inbox.acknowledged)])
        self._context.hints.came_back(inbox.device)
        if older is not None and self._is_same_stream(older, session):
            if older.link != session.link:  # the same stream, over another link
                self._context.sessions.pop((older.link, older.number))
        elif older is not None:
            self._context.drop(older, Code.DISPLACED)
        self._presences.changed(inbox.device.user)
        metrics.ATTACHED.set(len(self._context.sessions))
        self._context.spawn(self._settle(inbox, session, position))

    def _is_same_stream(self, older: Session, session: Session) -> bool:
        """Whether a stream came again, over the same link or another of the same gateway."""
        before = self._context.links.get(older.link)
        now = self._context.links.get(session.link)
        same = session.again and older.number == session.number
        return same and before is not None and now is not None and before.gateway == now.gateway

    async def _settle(self, inbox: Inbox, session: Session, position: Position) -> None:
        """What the device had when it said Hello is acknowledged by it; then the rest goes."""
        after = inbox.acknowledged
        done: list[Flown] = []
        while after < position and inbox.session is session:
            page = await self._read(inbox, after)
            for entry in page:
                after = entry.position
                if after <= position:
                    _, receipt = opened(entry)
                    done.append(Flown(entry.position, len(entry.body), receipt))
            if not page:
                break
        if inbox.session is session:
            session.delivery.skip(position)
            session.delivery.ack(position)  # what of it was pushed meanwhile is in `done` already
            self._acknowledge(inbox, position, done)
            self._following.follow(inbox, session)

    async def _read(self, inbox: Inbox, after: Position) -> Sequence[Entry]:
        """A page, however long the store is away; nothing is skipped."""
        while True:
            try:
                page = await self._context.store.read(
                    inbox.device, after, limits.READ_ITEMS, limits.READ_BYTES, 0
                )
                return page.entries
            except StoreUnavailable:
                await self._context.pause(limits.STORE_RETRY)

    # --- acknowledging ------------------------------------------------------------------------

    def acked(self, link: int, frame: Acked) -> None:
        """The device has it: delete, tell the senders (R4)."""
        if attaching := self._context.attaching.get((link, frame.session)):
            attaching.claimed = max(attaching.claimed, frame.up_to)
            return
        inbox = self._context.sessions.get((link, frame.session))
        if inbox is None or not inbox.session or not inbox.session.is_of(link, frame.session):
            return
        session = inbox.session
        done = session.delivery.ack(frame.up_to)
        if done is None and session.again and frame.up_to <= inbox.durable:
            self._context.spawn(
                self._settle(inbox, session, frame.up_to)
            )  # the old link brought it
            return
        if done is None:
            self._context.drop(session, Code.ACK_BEYOND_SENT)
            return
        if len(inbox.resumable) > 1:  # the first Ack: the earlier token is used up (S4)
            inbox.resumable = inbox.resumable[-1:]
            self._write_connected(inbox, lambda: None)
        self._acknowledge(inbox, frame.up_to, done)
        self._following.follow(inbox, session)

    def _acknowledge(self, inbox: Inbox, up_to: Position, done: Sequence[Flown]) -> None:
        if up_to <= inbox.acknowledged:
            return
        inbox.acknowledged = up_to
        inbox.items = max(0, inbox.items - len(done))
        inbox.bytes = max(0, inbox.bytes - sum(flown.size for flown in done))
        metrics.ITEMS_ACKNOWLEDGED.inc(len(done))
        now_ms = self._context.now_ms()
        for flown in done:
            if flown.receipt is not None:
                metrics.DELIVERY_SECONDS.observe((now_ms - flown.receipt.accepted_ms) / 1000)
        self._receipts.acknowledged(inbox, up_to, [f.receipt for f in done if f.receipt])

    # --- ending -------------------------------------------------------------------------------

    def detach(self, link: int, number: int) -> None:
        """The stream is gone."""
        self._arriving.pop((link, number), None)
        self._context.attaching.pop((link, number), None)
        inbox = self._context.sessions.pop((link, number))
        if inbox is not None and inbox.session and inbox.session.is_of(link, number):
            inbox.session = None
            self._presences.changed(inbox.device.user)
        metrics.ATTACHED.set(len(self._context.sessions))

    def detach_link(self, link: int) -> None:
        """The link is lost, and all its streams with it."""
        for key in {*self._context.sessions, *self._arriving}:
            if key[0] == link:
                self.detach(*key)

    def let_go(self, people: Sequence[Person]) -> None:
        """Their shards are given away: streams go on, and are attached at the next owner."""
        for inbox in (inbox for person in people for inbox in person.inboxes.values()):
            inbox.session = None
            for stream in list(inbox.streams):
                self._context.sessions.pop(stream)
                self._context.attaching.pop(stream, None)
        metrics.ATTACHED.set(len(self._context.sessions))

    def reviewed(self, person: Person, before: Known) -> None:
        """The user's devices were loaded again: end what is not of the account (S9).

        A device that registered anew (K8), or whose account changed its identity key, is the same:
        its inbox stays, the streams and tokens that it had before do not.
        """
        now = known_devices(person.user)
        for device, was in before.items():
            if device not in now or is_another(was, now[device]):
                self._drop(person, device)
        for inbox in person.attached:
            session = inbox.session
            assert session is not None
            address = session.address
            is_now = now.get(inbox.device.device, NOBODY)
            if is_now != (address.generation, address.registration):
                self._context.drop(session, ended(person))
                self._presences.changed(person.id)
            elif CAPABILITY_NOTICES in session.capabilities:
                self._context.push(session, own_devices_frame())

    async def drop_forgotten(self, person: Person) -> None:
        """Somebody of whom nothing was in memory has changed: who is gone is seen in the store.

        Raises StoreUnavailable: the shard was given away meanwhile.
        """
        devices = person.user.devices if person.user is not None else {}
        gone = [n for n in range(1, limits.MAX_DEVICE_ID + 1) if n not in devices]
        try:
            heads = await self._context.store.heads([DeviceId(person.id, n) for n in gone])
        except StoreUnavailable:
            return  # what is left there is dropped by its age (W2)
        if not self._context.serves(person.shard):
            raise StoreUnavailable("the shard was given away")
        for head in heads:
            if head.last > head.acknowledged or head.counter:
                self._drop(person, head.device.device)

    def _drop(self, person: Person, device: int) -> None:
        """A device is gone: its inbox is emptied. Numbers go on if it is registered again (J6)."""
        inbox = person.inboxes.get(device)
        if inbox is not None and inbox.session is not None:
            self._context.drop(inbox.session, ended(person))
            self._presences.changed(person.id)
        if inbox is not None:
            inbox.acknowledged = inbox.last
            inbox.counter, inbox.resumable, inbox.items, inbox.bytes = 0, (), 0, 0
        shard, now_ms = self._context.shard(person.id), self._context.now_ms()
        gone = [(shard, DeviceId(person.id, device))]
        self._context.writer.add(Write(dropped=gone, for_good=person.user is None))
        dropped = Event(Topic.AUDIT, person.id, "INBOX_DROPPED", now_ms, device)
        self._context.events.publish(dropped)


def resumable(inbox: Inbox, frame: Attach) -> tuple[int, ...]:
    """Which tokens are good from now on (S4).

    The one that was shown, or else the newest, stays good until the first Ack: the Welcome with the
    new one may be lost on the way. A stream that comes again had its Welcome before.
    """
    if frame.again and frame.counter in inbox.resumable:
        return inbox.resumable
    used = frame.resume_counter
    kept = inbox.resumable[-1:] if used is None else (used,)
    return (*kept, frame.counter)


def ended(person: Person) -> Code:
    """Why a device that is not of the account is sent away (S9)."""
    return Code.ACCOUNT_DELETED if person.user is None else Code.DEVICE_REMOVED


def known_devices(user: User | None) -> Known:
    """As `reviewed` compares them."""
    if user is None:
        return {}
    return {
        one: (user.generations[one], registration) for one, registration in user.devices.items()
    }


def is_another(was: tuple[int, int], now: tuple[int, int]) -> bool:
    """Whether an id is another device's now, or nobody's."""
    return was[0] != now[0] and was[1] != now[1]


def is_of_account(person: Person, frame: Attach) -> bool:
    """Whether this very registration and generation is the account's."""
    device, user = frame.address.device.device, person.user
    return (
        user is not None
        and user.devices.get(device) == frame.address.registration
        and user.generations.get(device) == frame.address.generation
    )
