"""DELIVERED: an acknowledgement becomes a small item in the sender's inbox, gathered.

An acknowledged position is written together with the receipts that it causes, or after those that
other routers own have been confirmed, never before them: a crash may repeat a receipt, and loses
none (J5). What one device acknowledges waits for nobody else's receipts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from signet.core import limits
from signet.core.delivery import Receipt
from signet.core.ids import DeviceAddress, DeviceId, MessageId, Position, ShardId, UserId
from signet.internal.v1.stored import stored_delivered
from signet.ports.inbox import Acknowledged, Entry, StoreUnavailable
from signet.ports.peers import OwnersItem
from signet.router.context import Context
from signet.router.people import Inbox
from signet.router.taking import Then, loaded, taken
from signet.router.writer import Write
from signet.telemetry import metrics

log = structlog.get_logger()

ACCEPTED = metrics.ITEMS_ACCEPTED.labels("receipt")
Items = dict[ShardId, list[OwnersItem]]


@dataclass(slots=True)
class _Acked:
    """What one device has acknowledged: up to where, and whose messages those were."""

    position: Position
    messages: dict[DeviceAddress, list[MessageId]] = field(default_factory=dict)


Gathered = dict[DeviceId, _Acked]


class Receipts:
    """Gathers for RECEIPT_DELAY, or until RECEIPT_BATCH messages wait."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gathered: Gathered = {}
        self._behind: Gathered = {}  # of devices that are busy
        self._count = 0
        self._due = False
        self._busy: set[DeviceId] = set()  # what they acknowledge meanwhile is behind it

    def acknowledged(self, inbox: Inbox, up_to: Position, receipts: Sequence[Receipt]) -> None:
        """A device acknowledged these items, up to a position."""
        busy = inbox.device in self._busy
        gathered = self._behind if busy else self._gathered
        acked = gathered.setdefault(inbox.device, _Acked(up_to))
        acked.position = up_to
        for receipt in receipts:
            acked.messages.setdefault(receipt.to, []).append(receipt.message_id)
        if busy:
            return
        self._count += len(receipts)
        if self._count >= limits.RECEIPT_BATCH:
            self.flush()
        elif not self._due:
            self._due = True
            self._context.later(limits.RECEIPT_DELAY, self.flush)

    def flush(self) -> None:
        """Write what was gathered, when the senders are in memory or their owners have it."""
        self._due = False
        free, self._gathered, self._count = self._gathered, {}, 0
        here = {d: a for d, a in free.items() if all(map(self._is_here, a.messages))}
        self._busy |= free.keys()
        if here:
            self._with_senders(here)
        for device in free.keys() - here.keys():
            self._context.spawn(self._elsewhere(device, free[device]))

    def _is_here(self, to: DeviceAddress) -> bool:
        return self._context.serves(self._context.shard(to.device.user))

    async def _elsewhere(self, device: DeviceId, acked: _Acked) -> None:
        """First the receipts that others own, until they have them; then the rest (J5)."""
        away = {to: ids for to, ids in acked.messages.items() if not self._is_here(to)}
        items: Items = {}
        for to, ids in away.items():
            shard = self._context.shard(to.device.user)
            for body in self._bodies(device, ids):
                item = OwnersItem(to.device.user, body, to.device.device, to.registration)
                items.setdefault(shard, []).append(item)
        ours = self._context.shard(device.user)
        for shard, batch in items.items():
            if not await self.deliver(shard, batch, ours):
                self._done([device])
                return  # its next owner tells, when the device comes and says what it has
        acked.messages = {to: ids for to, ids in acked.messages.items() if to not in away}
        self._with_senders({device: acked})

    async def deliver(self, shard: ShardId, items: Sequence[OwnersItem], ours: ShardId) -> bool:
        """Until the owner has it. False: our own shard, for which it is done, is ours no more."""
        wait = limits.PEER_RETRY
        while self._context.serves(ours):
            try:
                if self._context.serves(shard):
                    await self.take(items)
                else:
                    await self._context.peers.deliver(shard, items)
            except StoreUnavailable:
                pass
            except Exception:  # a bug there must not keep what a device acknowledges for ever
                log.exception("what another owner has to be told could not be")
            else:
                return True
            await self._context.pause(wait)
            wait = min(2 * wait, 1.0)
        return False

    def _with_senders(self, gathered: Gathered) -> None:
        senders = {to.device.user for acked in gathered.values() for to in acked.messages}
        loaded(self._context, senders, lambda: self._write(gathered))

    def _write(self, gathered: Gathered) -> None:
        """Receipts and positions together; what changed hands meanwhile takes the longer way."""
        for device in [d for d, a in gathered.items() if not all(map(self._is_here, a.messages))]:
            self._context.spawn(self._elsewhere(device, gathered.pop(device)))
        items = [
            (inbox, body)
            for device, acked in gathered.items()
            for to, ids in acked.messages.items()
            if (inbox := self._inbox_of(to.device.user, to.device.device, to.registration))
            for body in self._bodies(device, ids)
        ]
        acknowledged = [
            (shard, Acknowledged(device, acked.position))
            for device, acked in gathered.items()
            for shard in [self._context.shard(device.user)]
            if self._context.serves(shard)  # else its next owner is told by the device itself
        ]
        self._append(items, acknowledged)
        self._done(gathered)

    def _done(self, devices: Iterable[DeviceId]) -> None:
        for device in devices:
            self._busy.discard(device)
            if device in self._behind:
                acked = self._gathered[device] = self._behind.pop(device)
                self._count += sum(map(len, acked.messages.values()))
        if self._gathered and not self._due:
            self._due = True
            self._context.soon(self.flush)

    def _bodies(self, by: DeviceId, ids: list[MessageId]) -> list[bytes]:
        now_ms, most = self._context.now_ms(), limits.RECEIPT_BATCH
        return [
            stored_delivered(by, ids[start : start + most], now_ms)
            for start in range(0, len(ids), most)
        ]

    # --- items of our own ---------------------------------------------------------------------

    async def take(self, items: Sequence[OwnersItem]) -> None:
        """Items for inboxes of our shards: durable when it returns.

        Raises:
            StoreUnavailable: there is no room, or a shard was given away meanwhile.
        """

        def append(then: Then) -> None:
            self._append([x for item in items for x in self._copies(item)], then=then)

        await taken(self._context, {item.user for item in items}, append)

    def _copies(self, item: OwnersItem) -> list[tuple[Inbox, bytes]]:
        if item.device:
            inbox = self._inbox_of(item.user, item.device, item.registration)
            return [(inbox, item.body)] if inbox else []
        person = self._context.people.known(item.user)
        devices = person.user.devices if person is not None and person.user is not None else {}
        assert person is not None
        return [(box, item.body) for number, box in person.inboxes.items() if number in devices]

    def _append(
        self,
        items: Sequence[tuple[Inbox, bytes]],
        acknowledged: Sequence[tuple[ShardId, Acknowledged]] = (),
        then: Then = lambda: None,
    ) -> None:
        """Number items of our own, and queue them together with positions."""
        now_ms = self._context.now_ms()
        numbered: list[tuple[Inbox, Position, bytes]] = []
        entries: list[tuple[ShardId, Entry]] = []
        for inbox, body in items:
            shard = self._context.shard(inbox.device.user)
            position = inbox.number(self._context.epochs[shard], len(body))
            numbered.append((inbox, position, body))
            entries.append((shard, Entry(inbox.device, position, now_ms, body)))

        def done() -> None:
            self._durable(numbered)
            then()

        self._context.writer.add(Write(entries, list(acknowledged), done=done))

    def _inbox_of(self, user: UserId, device: int, registration: int) -> Inbox | None:
        """None: the device is gone, or is another by now, or its shard is not ours."""
        person = self._context.people.known(user)
        if person is None or person.user is None or not self._context.serves(person.shard):
            return None
        if person.user.devices.get(device) != registration:
            return None
        return person.inboxes.get(device)

    def _durable(self, numbered: Sequence[tuple[Inbox, Position, bytes]]) -> None:
        ACCEPTED.inc(len(numbered))
        for inbox, position, body in numbered:
            inbox.durable = position
            self._context.pushed(inbox, position, body, None)
