"""One router: takes its shards, and carries frames between its links and what owns the inboxes."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence

import structlog

from signet.core import limits
from signet.core.ids import Epoch, Incarnation, ShardId, UserId
from signet.core.lease import Lease
from signet.core.link import (
    Acked,
    Attach,
    Detach,
    Holding,
    NotOwner,
    ReadAfter,
    SetStatus,
    Submit,
    ToRouter,
    WatchUsers,
)
from signet.internal.v1.stored import keys_low_frame, stored_peer_changed
from signet.ports import inbox as store_port
from signet.ports.events import Events
from signet.ports.inbox import InboxStore, StoreUnavailable
from signet.ports.links import Deliver
from signet.ports.presence import PresenceStore
from signet.ports.users import Users
from signet.router.attachments import NO_REGISTRATION, Attachments
from signet.router.context import Context, OpenLink
from signet.router.people import People, Person
from signet.router.presence import Presences
from signet.router.receipts import Receipts
from signet.router.sends import Sends
from signet.router.writer import Write, Writer
from signet.telemetry import metrics
from signet.v1.messaging_pb2 import CAPABILITY_NOTICES

log = structlog.get_logger()


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


def boot_clock() -> float:
    """Seconds on a clock that goes on while the machine sleeps (L2)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Router:
    """The owner of shards. Also how keys tells of changes (ports/users.UserChanges).

    `lost` is called once if the lease ends: the process must end, it never resumes (L3). `alone`
    says that no other router can be alive (one process holds the lock of the data folder): then
    the leases of earlier lives need not be waited for. `lease_s` infinite: that lock is the fence,
    and a machine that slept, or a disk that hung, ends nobody's life.
    """

    def __init__(
        self,
        store: InboxStore,
        users: Users,
        presence: PresenceStore,
        events: Events,
        *,
        shards: int = limits.SHARDS,
        alone: bool = False,
        lease_s: float = limits.LEASE,
        lost: Callable[[], None] = lambda: None,
        now_ms: Callable[[], int] = unix_ms,
        clock: Callable[[], float] = boot_clock,
        incarnation: Incarnation | None = None,
    ) -> None:
        self.incarnation = incarnation or Incarnation(os.urandom(16))
        self._store = store
        self._clock = clock
        self._lost = lost
        self._alone = alone
        self._lease = Lease(lease_s, limits.LEASE_MARGIN)
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_link = 0
        self._context = context = Context(
            self.incarnation,
            shards,
            store,
            users,
            presence,
            events,
            now_ms,
            clock,
            lambda call: asyncio.get_running_loop().call_soon(call),
            self._spawn,
            lambda delay, call: asyncio.get_running_loop().call_later(delay, call),
            asyncio.sleep,
        )
        self._sends = Sends(context)
        context.people = People(users, store, clock, self._sends.restore)
        context.writer = Writer(store, self._held_epoch, self._holds, self._end)
        self._receipts = Receipts(context)
        self._presences = Presences(context)
        self._attachments = Attachments(context, self._receipts, self._presences)
        context.pushed = self._attachments.pushed

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Register, take every shard that is free, begin to serve.

        Raises:
            StoreUnavailable: the store did not answer.
            RuntimeError: another router holds shards, and this one was to hold all.
        """
        started = self._clock()
        await self._store.register(self.incarnation, limits.LEASE)
        self._lease.confirmed(started)
        await self._take_all()
        self._context.writer.start()
        self._spawn(self._keep_lease())
        self._spawn(self._every_second())
        self._spawn(self._sweep())

    async def _take_all(self) -> None:
        """All shards of a single router; an owner that has died is waited for (L2)."""
        wanted = [ShardId(number) for number in range(self._context.shards)]
        while True:
            taken = await self._store.take(self.incarnation, wanted)
            self._context.epochs.update({t.shard: t.epoch for t in taken})
            wanted = [shard for shard in wanted if shard not in self._context.epochs]
            metrics.SHARDS_OWNED.set(len(self._context.epochs))
            if not wanted:
                return
            await self._bury_the_dead()

    async def _bury_the_dead(self) -> None:
        """Mark those dead whose counter stands still for a lease and the drift (L2)."""
        before = await self._store.leases()
        wait = 0.0 if self._alone else limits.LEASE + limits.LEASE_DRIFT
        deadline = self._clock() + wait
        while self._clock() < deadline:
            await asyncio.sleep(limits.LEASE_RENEW / 2)
            await self._renew()
        for incarnation, counter in (await self._store.leases()).items():
            still = counter is not None and before.get(incarnation) == counter
            if still and counter is not None and incarnation != self.incarnation:
                await self._store.mark_dead(incarnation, counter)

    async def stop(self, patience_s: float = 2.0) -> None:
        """Write what waits, release the shards, end."""
        self._receipts.flush()
        await self._context.writer.stop(patience_s)
        held = [store_port.Taken(shard, epoch) for shard, epoch in self._context.epochs.items()]
        try:
            await self._store.release(self.incarnation, held)
        except StoreUnavailable:
            log.warning("shards are not released: the store does not answer")
        await self._context.people.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def not_ready(self) -> str:
        """Why it cannot make anything durable now, '' when it can."""
        return "the inbox store does not answer" if self._context.writer.failing else ""

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task of the router failed", exc_info=error)

    def _end(self) -> None:
        """The lease is over: nothing more follows from anything (L3)."""
        self._lost()

    def _holds(self) -> bool:
        return not self._lease.over(self._clock())

    def _held_epoch(self, shard: ShardId) -> Epoch:
        return self._context.epochs[shard]

    # --- rhythm -------------------------------------------------------------------------------

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(limits.LEASE_RENEW)
            await self._renew()
            if self._lease.over(self._clock()):
                log.warning("the lease is over; this incarnation ends")
                self._end()
                return

    async def _renew(self) -> None:
        sent = self._clock()
        try:
            await asyncio.wait_for(self._store.renew(self.incarnation), limits.LEASE)
        except (StoreUnavailable, TimeoutError):
            return  # tried again; `over` decides
        except store_port.NotOwner:
            self._lease.end()
            return
        self._lease.confirmed(sent)

    async def _every_second(self) -> None:
        seconds = 0
        while True:
            await asyncio.sleep(1.0)
            seconds += 1
            for link in list(self._context.links):
                self._context.tell(link, [Holding(self.incarnation, self._context.epochs)])
            inboxes = list(self._context.sessions.values())
            metrics.INBOX_ITEMS.set(sum(inbox.items for inbox in inboxes))
            metrics.INBOX_BYTES.set(sum(inbox.bytes for inbox in inboxes))
            metrics.USERS_CACHED.set(len(self._context.people))
            if seconds % limits.HEARTBEAT_MIN == 0:
                await self._presences.refresh()

    async def _sweep(self) -> None:
        """Drop what nobody fetched within its time to live (P4)."""
        while True:
            before = self._context.now_ms() - limits.ITEM_TTL * 1000
            try:
                dropped = await self._store.sweep(before, limits.SWEEP_ITEMS)
            except StoreUnavailable:
                dropped = 0
            metrics.ITEMS_EXPIRED.inc(dropped)
            await asyncio.sleep(1.0 if dropped == limits.SWEEP_ITEMS else limits.SWEEP_PERIOD)

    # --- links --------------------------------------------------------------------------------

    def open(self, gateway: str, deliver: Deliver) -> int:
        """A gateway has connected; its frames come with the number that is returned."""
        self._next_link += 1
        self._context.links[self._next_link] = OpenLink(self._next_link, gateway, deliver)
        self._context.tell(self._next_link, [Holding(self.incarnation, self._context.epochs)])
        return self._next_link

    def close(self, link: int) -> None:
        """The gateway is gone, and its sessions with it."""
        for key in [key for key in self._context.sessions if key[0] == link]:
            self._attachments.detach(*key)
        self._presences.forget_link(link)
        self._context.links.pop(link, None)

    def take(self, link: int, frames: Sequence[ToRouter]) -> None:
        """Frames from a gateway, in order."""
        for frame in frames:
            if self._misdirected(frame):
                self._context.tell(link, [self._not_owner(frame)])
                continue
            match frame.body:
                case Submit() as submit:
                    self._sends.submit(link, submit)
                case Acked() as acked:
                    self._attachments.acked(link, acked)
                case Attach() as attach:
                    self._attachments.attach(link, attach)
                case Detach(session):
                    self._attachments.detach(link, session)
                    self._presences.forget((link, session))
                case ReadAfter() as read:
                    self._attachments.read_after(link, read)
                case SetStatus() as status:
                    self._presences.set_status(link, status)
                case WatchUsers() as watch:
                    self._presences.watch(link, watch)

    def _misdirected(self, frame: ToRouter) -> bool:
        """It names another incarnation or epoch, or a shard that is not held here (L7)."""
        held = self._context.epochs.get(frame.shard)
        if held is None or (frame.epoch and frame.epoch != held):
            return True
        return bool(frame.incarnation) and frame.incarnation != self.incarnation

    def _not_owner(self, frame: ToRouter) -> NotOwner:
        held = self._context.epochs.get(frame.shard)
        owner = self.incarnation if held else None
        body = frame.body
        tickets = (body.ticket,) if isinstance(body, Submit) else ()
        sessions = () if isinstance(body, Submit) else (body.session,)
        return NotOwner(frame.shard, owner, held or Epoch(0), sessions, tickets)

    # --- what keys tells (ports/users.UserChanges) ----------------------------------------------

    async def changed(self, user: UserId) -> None:
        """Load the user again, and end streams that are not theirs any more (S9).

        Durable when it returns. Raises TimeoutError: tell it again.
        """
        known = self._context.people.known(user)
        before = dict(known.user.devices) if known and known.user else {}

        person = await self._person(user, fresh=True)
        self._attachments.reviewed(person, before)
        self._presences.changed(user)  # whom it is shown to may be others now
        if known is None:
            await self._attachments.drop_forgotten(person)
        await self._durable()

    async def replaced(self, user: UserId, dropped_devices: Sequence[int]) -> None:
        """Another identity key: the old inboxes are dropped, and those who know the user told.

        Durable when it returns. Raises TimeoutError, StoreUnavailable: tell it again.
        """
        gone = dict.fromkeys(dropped_devices, NO_REGISTRATION)
        self._attachments.reviewed(await self._person(user, fresh=True), gone)
        now_ms = self._context.now_ms()
        body = stored_peer_changed(user, True, now_ms)
        for peer in await self._context.users.peers(user):
            self._receipts.tell_peer_changed(await self._person(peer), body)
        await self._durable()

    async def _person(self, user: UserId, *, fresh: bool = False) -> Person:
        """Somebody, in memory. Raises TimeoutError: the directory does not answer."""
        here: asyncio.Future[Person] = asyncio.get_running_loop().create_future()

        def came(person: Person) -> None:
            if not here.done():
                here.set_result(person)

        self._context.people.with_person(user, came, fresh=fresh)
        return await asyncio.wait_for(here, limits.TELL_TIMEOUT)

    async def _durable(self) -> None:
        """All that was queued until now is in the store. Raises TimeoutError."""
        done = asyncio.Event()
        self._context.writer.add(Write(done=done.set))
        await asyncio.wait_for(done.wait(), limits.TELL_TIMEOUT)

    async def keys_low(self, user: UserId, device: int, pre_keys: int, kyber_pre_keys: int) -> None:
        """Tell the device, if it is attached."""
        person = self._context.people.known(user)
        inbox = person.inboxes.get(device) if person else None
        if inbox and inbox.session and CAPABILITY_NOTICES in inbox.session.capabilities:
            self._context.push(inbox.session, keys_low_frame(pre_keys, kyber_pre_keys))
