"""One router: takes its shards, and carries frames between its links and what owns the inboxes."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence

import structlog

from signet.clocks import boot_clock, unix_ms
from signet.core import limits
from signet.core.drain import Order
from signet.core.ids import DeviceId, Epoch, Incarnation, ShardId
from signet.core.lease import Lease
from signet.core.link import (
    Acked,
    Attach,
    Detach,
    GroupSend,
    NotOwner,
    ReadAfter,
    SetStatus,
    Submit,
    ToRouter,
    WatchUsers,
)
from signet.core.recipients import Recipients
from signet.core.steward import Steward
from signet.ports.events import Events
from signet.ports.groups import Groups, NoGroups
from signet.ports.inbox import Entry, InboxStore, StoreUnavailable
from signet.ports.links import Deliver
from signet.ports.members import Members
from signet.ports.peers import Peers
from signet.ports.presence import PresenceStore
from signet.ports.users import Users
from signet.router.asked import Asked
from signet.router.attachments import Attachments
from signet.router.changes import Changes
from signet.router.context import Context, OpenLink
from signet.router.following import Following
from signet.router.groups.owner import GroupOwner
from signet.router.hints import Hints
from signet.router.ownership import Ownership
from signet.router.peers import NoPeers
from signet.router.people import People
from signet.router.presence import Presences
from signet.router.receipts import Receipts
from signet.router.sends import Reply, Sends
from signet.router.sessions import Sessions
from signet.router.writer import Writer
from signet.telemetry import metrics

log = structlog.get_logger()


class Router(Asked):
    """The owner of shards. What others ask of it is in asked.py.

    `members` None: the only router there is, which takes every shard before it serves. `lost` is
    called once if the lease ends: the process must end, it never resumes (L3). `alone` says that no
    other router can be alive (one process holds the lock of the data folder): then the leases of
    earlier lives need not be waited for. `lease_s` infinite: that lock is the fence, and a machine
    that slept, or a disk that hung, ends nobody's life.
    """

    def __init__(
        self,
        store: InboxStore,
        users: Users,
        presence: PresenceStore,
        events: Events,
        *,
        name: str = "router",
        members: Members | None = None,
        peers: Peers | None = None,
        groups: Groups | None = None,
        shards: int = limits.SHARDS,
        alone: bool = False,
        lease_s: float = limits.LEASE,
        lost: Callable[[], None] = lambda: None,
        now_ms: Callable[[], int] = unix_ms,
        clock: Callable[[], float] = boot_clock,
        incarnation: Incarnation | None = None,
        recipients: Recipients | None = None,
    ) -> None:
        self.incarnation = incarnation or Incarnation(os.urandom(16))
        self._lost = lost
        self._members = members
        self._lease = Lease(lease_s, limits.LEASE_MARGIN)
        self._tasks: set[asyncio.Task[None]] = set()
        self._order: Order  # of the drain that runs
        self._next_link = 0
        self._context = context = Context(
            self.incarnation,
            shards,
            store,
            users,
            presence,
            events,
            peers or NoPeers(),
            now_ms,
            clock,
            lambda call: asyncio.get_running_loop().call_soon(call),
            self._spawn,
            lambda delay, call: asyncio.get_running_loop().call_later(delay, call),
            asyncio.sleep,
            recipients or Recipients(),
        )
        self._sends = Sends(context)
        context.hints = Hints(context)
        self._groups = GroupOwner(context, groups or NoGroups())
        context.people = People(users, store, clock, self._restore, context.shard, context.epochs)
        context.writer = Writer(store, self._held_epoch, self._holds, self._end)
        self._receipts = Receipts(context)
        self._presences = Presences(context)
        self._following = Following(context)
        self._attachments = Attachments(context, self._following, self._receipts, self._presences)
        context.pushed = self._following.pushed
        self._changes = Changes(context, self._attachments, self._receipts, self._presences)
        self._steward = Steward(name, self.incarnation, shards, alone=alone)
        self._ownership = Ownership(
            context,
            self._steward,
            self._lease,
            members,
            self._flush,
            self._forget,
            self._groups.taken,
            self._end,
        )

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Register, and begin to serve; a router without members has every shard by then.

        Raises:
            StoreUnavailable: the store did not answer.
            OtherShards: the inboxes are in another number of shards.
        """
        await self._ownership.register()
        self._context.writer.start()
        self._spawn(self._ownership.keep_lease())
        if self._members is None:
            await self._take_all()
        self._spawn(self._ownership.run())
        self._measure(self._context.sessions)
        self._spawn(self._every_second())
        self._spawn(self._keep_presence())
        self._spawn(self._sweep())

    async def _take_all(self) -> None:
        """An owner that has died is waited for (L2)."""
        while True:
            await self._ownership.look()
            if len(self._context.epochs) == self._context.shards:
                self._steward.alone = False  # whoever comes later lives, and ends this life
                return
            await asyncio.sleep(0 if self._steward.alone else limits.LEASE_RENEW / 2)

    async def stop(self, patience_s: float = 2.0) -> None:
        """Write what waits, release the shards, end."""
        self._flush()
        noting = self._spawn(self._presences.stop())
        await self._context.writer.stop(patience_s)
        await self._ownership.release_all()
        await self._context.people.stop()
        await asyncio.wait([noting], timeout=patience_s)
        self._measure(Sessions())  # of nothing
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def not_ready(self) -> str:
        """Why it cannot make anything durable now, '' when it can."""
        return "the inbox store does not answer" if self._context.writer.failing else ""

    def _flush(self) -> None:
        """What was gathered is queued."""
        self._receipts.flush()
        self._groups.flush()

    def _restore(self, device: DeviceId, entries: Sequence[Entry]) -> None:
        """What an inbox holds from an earlier life."""
        self._sends.restore(device, entries)
        self._groups.restore(device, entries)

    def _forget(self, shards: set[ShardId]) -> None:
        """They are given away: nothing of them stays in memory, and nobody is told anything."""
        self._attachments.let_go(self._context.people.forget_shards(shards))
        self._sends.forget_shards(shards)
        self._groups.forget_shards(shards)
        self._context.hints.forget_shards(shards)
        self._presences.forget_shards(shards)

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
        return not self._lease.over(self._context.clock())

    def _held_epoch(self, shard: ShardId) -> Epoch:
        return self._context.epochs[shard]

    # --- as a pod (pod/service.Service) -------------------------------------------------------

    def load(self) -> int:
        """How many shards it holds."""
        return len(self._context.epochs)

    def accepts(self) -> float:
        """Streams are moved between gateways; shards go by the ring."""
        return 0.0

    async def drain(self, order: Order) -> None:
        """Hand over every shard, one few at a time; without a taker they are kept to the end."""
        self._steward.leaving, self._order = True, order
        self._ownership.rate = order.rate or limits.HANDOVER_RATE
        self._ownership.wake()
        while self._steward.leaving and self._context.epochs:
            left = self._order.deadline - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.05))

    async def undrain(self) -> None:
        """Shards come back by the ring."""
        self._steward.leaving = False
        self._ownership.rate = limits.HANDOVER_RATE

    def misplaced(self) -> int:
        """Shards that it holds and that belong at another router by the ring."""
        steward = self._steward
        wanted = (steward.wanted_at(shard) for shard in self._context.epochs)
        return sum(name not in {None, steward.name} for name in wanted)

    def rebalance(self) -> None:
        """Shards go where they belong by themselves."""

    def status(self) -> dict[str, object]:
        """For the admin port."""
        context = self._context
        return {
            "shards": len(context.epochs),
            "leaving": len(context.leaving),
            "attached": len(context.sessions),
            "links": sorted(link.gateway for link in context.links.values()),
            "unwritten_bytes": context.writer.pending_bytes,
            "users": len(context.people),
            "groups": len(self._groups),
        }

    @staticmethod
    def _measure(sessions: Sessions) -> None:
        """Summed up when somebody asks: those attached are many."""
        metrics.INBOX_ITEMS.set_function(lambda: sum(inbox.items for inbox in sessions.values()))
        metrics.INBOX_BYTES.set_function(lambda: sum(inbox.bytes for inbox in sessions.values()))

    # --- rhythm -------------------------------------------------------------------------------

    async def _every_second(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._ownership.say()
            self._context.hints.remind()
            self._following.redeliver()
            metrics.USERS_CACHED.set(len(self._context.people))
            metrics.GROUPS_WAITING_BYTES.set(self._groups.waiting_bytes)

    async def _keep_presence(self) -> None:
        """Beside `_every_second`: what gateways wait for does not wait for Redis."""
        while True:
            await asyncio.sleep(limits.HEARTBEAT_MIN)
            await self._presences.refresh()

    async def _sweep(self) -> None:
        """Drop what nobody fetched within its time to live (P4)."""
        while True:
            before = self._context.now_ms() - limits.ITEM_TTL * 1000
            try:
                dropped = await self._context.store.sweep(before, limits.SWEEP_ITEMS)
            except StoreUnavailable:
                dropped = 0
            metrics.ITEMS_EXPIRED.inc(dropped)
            await asyncio.sleep(1.0 if dropped == limits.SWEEP_ITEMS else limits.SWEEP_PERIOD)

    # --- links --------------------------------------------------------------------------------

    def open(self, gateway: str, deliver: Deliver) -> int:
        """A gateway has connected; its frames come with the number that is returned."""
        self._next_link += 1
        self._context.links[self._next_link] = OpenLink(self._next_link, gateway, deliver)
        self._context.tell(self._next_link, [self._ownership.holding()])
        return self._next_link

    def close(self, link: int) -> None:
        """The gateway is gone, and its sessions with it."""
        self._attachments.detach_link(link)
        self._presences.forget_link(link)
        self._context.links.pop(link, None)

    def take(self, link: int, frames: Sequence[ToRouter]) -> None:
        """Frames from a gateway, in order."""
        for frame in frames:
            if isinstance(frame.body, Detach):  # of a shard that leaves, too: it may be kept
                self._attachments.detach(link, frame.body.session)
                self._presences.forget(link, frame.body.session)
            elif self._misdirected(frame):
                self._context.tell(link, [self._not_owner(frame)])
            else:
                self._carry(link, frame)

    def _carry(self, link: int, frame: ToRouter) -> None:
        match frame.body:
            case Submit() as submit:
                reply = Reply(self._context.tell, link, submit.ticket)
                if isinstance(submit.send, GroupSend):
                    self._groups.submit(reply, submit.sender, submit.send)
                else:
                    self._sends.submit(reply, submit.sender, submit.send)
            case Acked() as acked:
                self._attachments.acked(link, acked)
            case Attach() as attach:
                self._attachments.attach(link, attach)
            case ReadAfter() as read:
                self._following.read_after(link, read)
            case SetStatus() as status:
                self._presences.set_status(link, status)
            case WatchUsers() as watch:
                self._presences.watch(link, frame.shard, watch)

    def _misdirected(self, frame: ToRouter) -> bool:
        """It names another incarnation or epoch, or a shard that is not served here (L7)."""
        if not self._context.serves(frame.shard):
            return True
        if frame.epoch and frame.epoch != self._context.epochs[frame.shard]:
            return True
        return bool(frame.incarnation) and frame.incarnation != self.incarnation

    def _not_owner(self, frame: ToRouter) -> NotOwner:
        body = frame.body
        if isinstance(body, Submit):
            return self._context.not_owner(frame.shard, tickets=[body.ticket])
        return self._context.not_owner(frame.shard, sessions=[body.session])
