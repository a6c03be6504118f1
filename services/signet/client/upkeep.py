"""What a device does now and then: pre-keys, what disappears, what may be forgotten.

Nothing here is urgent: what fails is done when there is a new reason, or at the next round.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from signet.client import content as contents
from signet.client import own_devices, prekeys, sealing
from signet.client.account import Keys, KeyStock
from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import ServerUnreachable, StoreFailed
from signet.client.events import DeviceAdded, DeviceDropped, Kept
from signet.client.sealing import Self
from signet.client.sender import Sender
from signet.client.store.messages import Due
from signet.client.store.outgoing import Row
from signet.core.errors import SignetError
from signet.core.limits import (
    ITEM_TTL,
    READ_RECEIPT_DELAY,
    READ_RECEIPT_IDS,
    RETRY_LIMIT,
    SENT_LOG_MESSAGES,
    SENT_LOG_TTL,
)

log = structlog.get_logger()

ROUND = 3600.0
"""Seconds between rounds. Raise: less work; keys are rotated and ids forgotten later."""


class Upkeep:
    """Runs from `start` to `close`."""

    def __init__(
        self,
        store: DeviceStore,
        me: Self,
        keys: Keys,
        sender: Sender,
        emit: Callable[[Kept], Awaitable[None]],
    ) -> None:
        self._store, self._me, self._keys, self._sender, self._emit = store, me, keys, sender, emit
        self._tasks: list[asyncio.Task[None]] = []
        self._keys_due, self._changed, self._receipts = (asyncio.Event() for _ in range(3))

    def start(self) -> None:
        loops = (
            (self._keys_loop, self._keys_due),
            (self._forget_loop, self._changed),
            (self._receipt_loop, self._receipts),
        )
        self._tasks = [asyncio.create_task(self._forever(loop, due)) for loop, due in loops]
        self._receipts.set()  # what a crash left

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def online(self) -> None:
        """A stream was opened: a good time to look after the keys, and what could not be done."""
        self._keys_due.set()
        self._receipts.set()

    def keys_low(self) -> None:
        self._keys_due.set()

    def expiry_changed(self) -> None:
        """Something disappears earlier than it was known."""
        self._changed.set()

    def receipts_due(self) -> None:
        """Something was read that the sender is to be told of."""
        self._receipts.set()

    async def refresh_keys(self) -> KeyStock:
        """Refill and rotate what is due; make client and server agree. The server's counts then.

        Raises SignetError, ServerUnreachable.
        """
        stock = await self._keys.count()
        me, now = self._me, self._me.environment.now()

        def make(tx: Tx) -> tuple[prekeys.Upload | None, bytes | None]:
            due = prekeys.what_is_due(tx, stock.pre_keys, stock.kyber_pre_keys, now)
            tx.pre_keys.drop_old(now)
            upload = prekeys.make(tx, me.local.identity, me.environment, due) if due else None
            return upload, prekeys.digest(tx, me)

        upload, digest = await self._store.run(make)
        if upload is not None:
            stock = await self._keys.upload(upload)
        if digest is not None and not await self._keys.check(digest):
            stock = await self._keys.upload(await self._store.run(prekeys.long_lived))
        return stock

    async def check_devices(self) -> None:
        """Compare the account's devices with those that were known; tell of what changed."""
        listed = {device.id for device in await self._keys.devices()}
        me = self._me

        def note(tx: Tx) -> tuple[set[int], set[int]]:
            known = set(tx.settings.get("own_devices") or bytes([me.account.device]))
            tx.settings.put("own_devices", bytes(sorted(listed)))
            if known != listed:
                tx.peers.set(me.user, stale=1)
            return listed - known, known - listed

        added, dropped = await self._store.run(note)
        if added:
            await self._emit(DeviceAdded(device_ids=tuple(sorted(added))))
        if dropped:
            await self._emit(DeviceDropped(device_ids=tuple(sorted(dropped))))

    async def device_added(self) -> None:
        """This device let another one in: tell it of the people that are known here."""
        await self.check_devices()
        rows = await self._store.run(lambda tx: own_devices.tell_people(tx, self._me))
        self._sender.add(rows)

    async def _forever(self, loop: Callable[[], Awaitable[None]], due: asyncio.Event) -> None:
        while True:
            try:
                await loop()
            except (SignetError, ServerUnreachable, StoreFailed) as error:
                log.info("upkeep comes again", why=type(error).__name__)
                await _wait(due, ROUND * (0.5 + self._me.environment.chance()))
                due.set()

    async def _keys_loop(self) -> None:
        await self._keys_due.wait()
        self._keys_due.clear()
        await self.refresh_keys()
        await self.check_devices()
        await _wait(self._keys_due, ROUND)
        self._keys_due.set()

    async def _forget_loop(self) -> None:
        self._changed.clear()
        due_ms = await self._store.run(self._forget)
        self._sender.pump_all()
        now_ms = self._me.environment.now_ms()
        seconds = ROUND if due_ms is None else min(ROUND, max(0, due_ms - now_ms) / 1000)
        await _wait(self._changed, seconds)

    def _forget(self, tx: Tx) -> int | None:
        """Drop what has disappeared and what need not be remembered; the next that disappears."""
        now = self._me.environment.now()
        tx.messages.expire(int(now * 1000))
        tx.group_lines.forget_recipients()
        tx.incoming.forget_seen(now)
        tx.peers.forget_gone(now - ITEM_TTL)
        tx.incoming.forget_tries(now - RETRY_LIMIT)
        tx.outgoing.trim_log(now - SENT_LOG_TTL, SENT_LOG_MESSAGES)
        return tx.messages.next_expiry()

    async def _receipt_loop(self) -> None:
        await self._receipts.wait()
        await asyncio.sleep(READ_RECEIPT_DELAY)  # gathers what is read in one glance
        self._receipts.clear()
        self._sender.add(await self._store.run(self._take_receipts))

    def _take_receipts(self, tx: Tx) -> list[Row]:
        rows = []
        for author in tx.messages.receipts_due():
            while taken := tx.messages.take_receipts(author, READ_RECEIPT_IDS):
                if told := [line.id for line in taken if Due.PEER in line.due]:
                    rows.append(sealing.queue(tx, self._me, author, contents.read_receipt(told)))
                rows += own_devices.tell_read(tx, self._me, taken)
        return rows


async def _wait(due: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(due.wait(), seconds)
