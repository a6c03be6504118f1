"""What an attached device is brought: all that is durable, in order, and again if need be.

Rules R3, R6, R7 and R8 of protos/protocol.md; core/delivery.py decides what is pushed when.
"""

from collections.abc import Sequence

from signet.core import limits
from signet.core.delivery import Pushed, Receipt
from signet.core.ids import DeviceId, Position
from signet.core.link import ReadAfter
from signet.internal.v1.stored import (
    caught_up_frame,
    expired_frame,
    item_frame,
    read_stored,
    stored_item,
)
from signet.ports.inbox import Entry, StoreUnavailable
from signet.router.context import Context
from signet.router.people import Inbox, Session
from signet.telemetry import metrics


class Following:
    """The devices of this router's sessions, each behind its inbox."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._owed: dict[DeviceId, Inbox] = {}  # attached, and not all of it acknowledged

    def pushed(
        self, inbox: Inbox, position: Position, body: bytes, receipt: Receipt | None
    ) -> None:
        """An item became durable: to the device at once, if it follows."""
        session = inbox.session
        if session is None:
            return
        self._owes(inbox, session)
        ready = session.delivery.arrived(position, stored_item(body), receipt)
        if ready is not None:
            self._context.push(session, item_frame(ready.position, ready.follows, ready.body))

    def follow(self, inbox: Inbox, session: Session) -> None:
        """Read on from the cursor, unless that is under way or the window is full."""
        delivery = session.delivery
        if delivery.live or delivery.reading or not delivery.room:
            return
        delivery.reading = True
        self._context.spawn(self._read_on(inbox, session))

    async def _read_on(self, inbox: Inbox, session: Session) -> None:
        delivery = session.delivery
        try:
            while inbox.session is session and not delivery.live and delivery.room:
                await self._one_page(inbox, session)
        finally:
            delivery.reading = False

    async def _one_page(self, inbox: Inbox, session: Session) -> None:
        delivery, after = session.delivery, session.delivery.cursor
        items, size = delivery.space
        items, size = min(items, limits.READ_ITEMS), min(size, limits.READ_BYTES)
        stored = inbox.durable
        try:
            page = await self._context.store.read(
                inbox.device, after, items, size, self._context.now_ms()
            )
        except StoreUnavailable:
            await self._context.pause(limits.STORE_RETRY)
            return
        if inbox.session is not session or delivery.cursor != after:
            return  # a Read moved the cursor meanwhile
        for first, last in page.expired:
            delivery.skip(last)
            self._context.push(session, expired_frame(first, last))
            metrics.ITEMS_EXPIRED.inc()
        self._push_page(session, page.entries, delivery.cursor)
        if page.more:
            return
        delivery.exhausted(stored)
        delivery.live = delivery.cursor >= inbox.durable
        if delivery.catching_up:
            delivery.catching_up = False
            self._context.push(session, caught_up_frame(delivery.cursor))

    def _push_page(self, session: Session, entries: Sequence[Entry], after: Position) -> None:
        opened_entries = [(entry.position, *opened(entry)) for entry in entries]
        for ready in session.delivery.read(opened_entries, after):
            self._push(session, ready)

    def _push(self, session: Session, ready: Pushed) -> None:
        self._context.push(session, item_frame(ready.position, ready.follows, ready.body))

    def read_after(self, link: int, frame: ReadAfter) -> None:
        """The device misses something: it is read from the store (R3)."""
        inbox = self._context.sessions.get((link, frame.session))
        if inbox is None or not inbox.session or not inbox.session.is_of(link, frame.session):
            return
        session = inbox.session
        gone = session.delivery.acknowledged
        if frame.after < gone:  # a device that lost its memory: what it asks for is deleted
            first = Position(frame.after.epoch, frame.after.seq + 1)
            self._context.push(session, expired_frame(first, gone))
        session.delivery.rewind(frame.after)
        self.follow(inbox, session)

    # --- what is not acknowledged -------------------------------------------------------------

    def begins(self, inbox: Inbox, session: Session) -> None:
        """It is attached; what it has not acknowledged on an earlier stream is owed from now."""
        self._owed.pop(inbox.device, None)
        if inbox.acknowledged < inbox.durable:
            self._owes(inbox, session)

    def _owes(self, inbox: Inbox, session: Session) -> None:
        if self._owed.get(inbox.device) is not inbox:
            self._owed[inbox.device] = inbox
            session.still = (session.delivery.acknowledged, self._context.clock())
            session.patience = limits.REDELIVER

    def redeliver(self) -> None:
        """Push again what devices have not acknowledged for long: the link is a hint (R8)."""
        now = self._context.clock()
        for inbox in list(self._owed.values()):
            session = inbox.session
            if session is None or session.delivery.acknowledged >= inbox.durable:
                del self._owed[inbox.device]
                continue
            acknowledged = session.delivery.acknowledged
            if acknowledged != session.still[0]:
                session.still, session.patience = (acknowledged, now), limits.REDELIVER
            elif now - session.still[1] >= session.patience:
                session.still = (acknowledged, now)
                session.patience = min(2 * session.patience, limits.REDELIVER_AT_MOST)
                session.delivery.rewind(acknowledged)
                self.follow(inbox, session)


def opened(entry: Entry) -> tuple[bytes, Receipt | None]:
    """What is pushed of an entry, and whom its acknowledgement is told."""
    item, origin = read_stored(entry.body, entry.accepted_ms)
    if origin is None:
        return item, None
    return item, Receipt(origin.sender, origin.message_id, origin.accepted_ms)
