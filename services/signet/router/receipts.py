"""DELIVERED: an acknowledgement becomes a small item in the sender's inbox, gathered.

An acknowledged position is written together with the receipts that it causes, never before them:
a crash may repeat a receipt, and loses none (J5).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from signet.core import limits
from signet.core.delivery import Receipt
from signet.core.ids import DeviceAddress, DeviceId, MessageId, Position, ShardId
from signet.internal.v1.stored import stored_delivered
from signet.ports.inbox import Acknowledged, Entry
from signet.router.context import Context
from signet.router.people import Inbox, Person
from signet.router.writer import Write
from signet.telemetry import metrics

ACCEPTED = metrics.ITEMS_ACCEPTED.labels("receipt")


@dataclass(slots=True)
class _Gathering:
    """Positions to acknowledge, and for each sending device which messages came where."""

    positions: dict[DeviceId, Position] = field(default_factory=dict)
    messages: defaultdict[tuple[DeviceAddress, DeviceId], list[MessageId]] = field(
        default_factory=lambda: defaultdict(list)
    )
    count: int = 0


class Receipts:
    """Gathers for RECEIPT_DELAY, or until RECEIPT_BATCH messages wait."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gathering = _Gathering()
        self._due = False
        self._waiting = False  # for senders to be loaded: what comes meanwhile goes after it

    def acknowledged(self, inbox: Inbox, up_to: Position, receipts: Sequence[Receipt]) -> None:
        """A device acknowledged these items, up to a position."""
        gathering = self._gathering
        gathering.positions[inbox.device] = up_to
        for receipt in receipts:
            gathering.messages[receipt.to, inbox.device].append(receipt.message_id)
        gathering.count += len(receipts)
        if gathering.count >= limits.RECEIPT_BATCH:
            self.flush()
        elif not self._due:
            self._due = True
            self._context.later(limits.RECEIPT_DELAY, self.flush)

    def flush(self) -> None:
        """Write what was gathered when all the senders are in memory."""
        self._due = False
        if self._waiting or not self._gathering.positions:
            return
        gathering, self._gathering = self._gathering, _Gathering()
        senders = {to.device.user for to, _ in gathering.messages}
        missing = set(senders)

        def here(person: Person) -> None:
            missing.discard(person.id)
            if not missing:
                self._write(gathering)

        self._waiting = True
        if not senders:
            self._write(gathering)
        for user in senders:
            self._context.people.with_person(user, here)

    def _write(self, gathering: _Gathering) -> None:
        items: list[tuple[Inbox, bytes]] = []
        now_ms = self._context.now_ms()
        for (to, by), messages in gathering.messages.items():
            inbox = self._inbox_of(to)
            if inbox is None:
                continue  # that device is gone, or is another by now
            for start in range(0, len(messages), limits.RECEIPT_BATCH):
                body = stored_delivered(by, messages[start : start + limits.RECEIPT_BATCH], now_ms)
                items.append((inbox, body))
        acknowledged = [
            (self._context.shard(device.user), Acknowledged(device, position))
            for device, position in gathering.positions.items()
        ]
        self._append(items, now_ms, acknowledged)
        self._waiting = False
        self.flush()

    def _append(
        self,
        items: Sequence[tuple[Inbox, bytes]],
        now_ms: int,
        acknowledged: Sequence[tuple[ShardId, Acknowledged]] = (),
    ) -> None:
        """Number items of our own, and queue them together with positions."""
        numbered: list[tuple[Inbox, Position, bytes]] = []
        entries: list[tuple[ShardId, Entry]] = []
        for inbox, body in items:
            shard = self._context.shard(inbox.device.user)
            position = inbox.number(self._context.epochs[shard], len(body))
            numbered.append((inbox, position, body))
            entries.append((shard, Entry(inbox.device, position, now_ms, body)))
        self._context.writer.add(
            Write(entries, list(acknowledged), done=lambda: self._durable(numbered))
        )

    def _inbox_of(self, to: DeviceAddress) -> Inbox | None:
        person = self._context.people.known(to.device.user)
        if person is None or person.user is None:
            return None
        device = to.device.device
        if person.user.devices.get(device) != to.registration:
            return None
        return person.inboxes.get(device)

    def _durable(self, numbered: Sequence[tuple[Inbox, Position, bytes]]) -> None:
        ACCEPTED.inc(len(numbered))
        for inbox, position, body in numbered:
            inbox.durable = position
            self._context.pushed(inbox, position, body, None)

    def tell_peer_changed(self, peer: Person, body: bytes) -> None:
        """Put a PeerChanged item into the inbox of each device that a peer has."""
        devices = peer.user.devices if peer.user is not None else {}
        inboxes = [inbox for number, inbox in peer.inboxes.items() if number in devices]
        self._append([(inbox, body) for inbox in inboxes], self._context.now_ms())
