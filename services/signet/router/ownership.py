"""Which shards this router owns: what core/steward.py decides, done against the store.

One look after the other, a second apart, sooner while shards are handed over or were offered. A
shard is stopped, flushed, forgotten and only then released: whatever its next owner reads is all
that was ever answered (durability.md, L6).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set

import structlog

from signet.core import limits
from signet.core.ids import Epoch, Incarnation, ShardId
from signet.core.lease import Lease
from signet.core.link import Holding
from signet.core.steward import Candidate, Row, Steps, Steward
from signet.ports import inbox as port
from signet.ports.inbox import StoreUnavailable
from signet.ports.members import Kind, Member, Members, State
from signet.router.context import Context
from signet.router.writer import Write
from signet.telemetry import metrics

log = structlog.get_logger()


class Ownership:
    """`forget` empties memory of shards that are given away, `taken` hears of those that are ours;
    `end` ends this life (L3).
    """

    def __init__(
        self,
        context: Context,
        steward: Steward,
        lease: Lease,
        members: Members | None,
        flush: Callable[[], None],
        forget: Callable[[set[ShardId]], None],
        taken: Callable[[Set[ShardId]], None],
        end: Callable[[], None],
    ) -> None:
        self._context, self._steward, self._lease = context, steward, lease
        self._members = members
        self._flush, self._forget, self._end = flush, forget, end
        self._taken = taken
        self._wake = asyncio.Event()
        self._offered: set[ShardId] = set()
        self._room = 0.0  # how many shards may be given away now
        self._looked_at = context.clock()
        self._ending = False
        self.rate = limits.HANDOVER_RATE

    # --- the lease (L1–L3) --------------------------------------------------------------------

    async def register(self) -> None:
        """Raises StoreUnavailable, OtherShards."""
        started = self._context.clock()
        await self._context.store.register(self._context.incarnation, limits.LEASE)
        self._lease.confirmed(started)

    async def keep_lease(self) -> None:
        """Renew each second; when it is over, this life is."""
        while True:
            await asyncio.sleep(limits.LEASE_RENEW)
            await self._renew()
            if self._lease.over(self._context.clock()):
                log.warning("the lease is over; this incarnation ends")
                self._end()
                return

    async def _renew(self) -> None:
        sent = self._context.clock()
        renewing = self._context.store.renew(self._context.incarnation)
        try:
            await asyncio.wait_for(renewing, limits.LEASE)
        except (StoreUnavailable, TimeoutError):
            return  # tried again; `over` decides
        except port.NotOwner:
            self._lease.end()
        except Exception:  # a bug; as if the store had not answered
            log.exception("the lease could not be renewed")
        else:
            self._lease.confirmed(sent)

    # --- looking ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look again and again, whatever the store says."""
        while True:
            self._wake.clear()
            try:
                busy = await self.look()
            except StoreUnavailable as error:
                log.warning("the rows of shards cannot be read", reason=str(error))
                busy = False
            except port.NotOwner:
                log.warning("the store says that this incarnation is over")
                self._lease.end()
                self._end()
                return
            except Exception:  # a bug; a router that looks no more would hold its shards for ever
                log.exception("the rows of shards could not be looked at")
                busy = False
            pause = limits.HANDOVER_AT_ONCE / self.rate if busy else limits.SHARDS_LOOK
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def look(self) -> bool:
        """Once. True: shards are being given away, and there may be more of them."""
        await self._take_offered()
        store, context = self._context.store, self._context
        leases = await store.leases()
        rows = [Row(r.shard, r.owner, r.epoch) for r in await store.shards()]
        members = await self._members.list() if self._members is not None else ()
        now = context.clock()
        steps = self._steward.look(
            now, rows, leases, candidates(members), context.epochs, self._room_at(now)
        )
        context.owners.update({row.shard: (row.owner, row.epoch) for row in rows})
        if self._ending:  # what we have released ourselves was taken by nobody
            return False
        await self._do(steps)
        return bool(steps.release)

    def _room_at(self, now: float) -> int:
        passed, self._looked_at = now - self._looked_at, now
        self._room = min(self._room + passed * self.rate, limits.HANDOVER_AT_ONCE)
        return int(self._room)

    async def _do(self, steps: Steps) -> None:
        if steps.lost:
            log.warning("a shard that is served here has another owner; this incarnation ends")
            self._end()
            return
        store, incarnation = self._context.store, self._context.incarnation
        for other, counter in steps.bury:
            if await store.mark_dead(other, counter):
                log.warning("a router is dead: its lease was not renewed", router=other.hex())
        if steps.adopt:
            self._took({row.shard: row.epoch for row in steps.adopt})
        if steps.give_again:
            rows = [port.Taken(row.shard, row.epoch) for row in steps.give_again]
            await store.release(incarnation, rows)
        if steps.take:
            await self._take(steps.take)
        if steps.bury:
            self._wake.set()  # theirs are free now
        for taker, shards in steps.release.items():
            await self._hand_over(taker, shards)

    # --- taking -------------------------------------------------------------------------------

    def offered(self, shards: Sequence[ShardId]) -> None:
        """Another router has released them for us: do not wait for the next look."""
        if self._ending:
            return
        self._offered.update(shards)
        self._wake.set()

    async def _take_offered(self) -> None:
        offered, self._offered = self._offered, set()
        if offered and not self._steward.leaving:
            await self._take([shard for shard in offered if shard not in self._context.epochs])

    async def _take(self, shards: Sequence[ShardId]) -> None:
        """TAKE_AT_ONCE of them; the others at the next look, which follows at once."""
        now = shards[: limits.TAKE_AT_ONCE]
        taken = await self._context.store.take(self._context.incarnation, now)
        self._took({one.shard: one.epoch for one in taken})
        if len(shards) > len(now):
            self._wake.set()

    def _took(self, shards: Mapping[ShardId, Epoch]) -> None:
        if not shards or self._lease.over(self._context.clock()):
            return
        self._context.epochs.update(shards)
        log.info("shards taken", shards=len(shards), held=len(self._context.epochs))
        self._taken(shards.keys())
        self.say()

    # --- giving away --------------------------------------------------------------------------

    async def _hand_over(self, taker: Incarnation, shards: Sequence[ShardId]) -> None:
        """Stop, flush, forget, release, offer. What does not flush in time is kept for now."""
        context, leaving = self._context, set(shards)
        self._flush()
        context.leaving |= leaving
        try:
            if not await self._flushed():
                return
            self._forget(leaving)
            given = [port.Taken(shard, context.epochs.pop(shard)) for shard in shards]
        finally:
            context.leaving -= leaving
        self._room -= len(given)
        self._steward.given.update({one.shard: one.epoch for one in given})
        self.say()
        await context.store.release(context.incarnation, given)
        await context.peers.offer(taker, shards)
        log.info("shards handed over", shards=len(given), taker=taker.hex())

    async def _flushed(self) -> bool:
        """All that was queued is durable, and has been answered."""
        done = asyncio.Event()
        self._context.writer.add(Write(done=done.set))
        try:
            await asyncio.wait_for(done.wait(), limits.HANDOVER_FLUSH)
        except TimeoutError:
            log.warning("a handover waits: the store does not answer")
            return False
        return True

    async def release_all(self) -> None:
        """At the end of the process, when all is written: nobody has to wait for the lease."""
        self._ending = True
        held = [port.Taken(shard, epoch) for shard, epoch in self._context.epochs.items()]
        self._context.leaving |= self._context.epochs.keys()
        try:
            await self._context.store.release(self._context.incarnation, held)
        except StoreUnavailable:
            log.warning("shards are not released: the store does not answer")

    def say(self) -> None:
        """Tell every gateway what is held, now (L7)."""
        context = self._context
        metrics.SHARDS_OWNED.set(len(context.epochs))
        for link in list(context.links):
            context.tell(link, [self.holding()])

    def holding(self) -> Holding:
        context = self._context
        held = {s: e for s, e in context.epochs.items() if s not in context.leaving}
        return Holding(context.incarnation, held)

    def wake(self) -> None:
        """Look now."""
        self._wake.set()


def candidates(members: Sequence[Member]) -> list[Candidate]:
    """The routers of a members' list."""
    return [
        Candidate(m.name, Incarnation(m.incarnation), m.state is State.ACTIVE)
        for m in members
        if m.kind is Kind.ROUTER
    ]
