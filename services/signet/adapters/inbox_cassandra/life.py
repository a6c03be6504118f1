"""One incarnation in the store: the core's effects performed, what follows from answers awaited.

The core decides, here is only asyncio: a task an operation under way, a future a call that waits.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import NamedTuple

import structlog

from signet.adapters.inbox_cassandra.driver import Driver
from signet.core import limits
from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.incarnation import Parts
from signet.core.durability.journal import Journal
from signet.core.durability.lease import OwnLease, Watch
from signet.core.durability.memory import Memory
from signet.core.durability.operations import (
    UNKNOWN,
    Appended,
    Effect,
    End,
    LeaseRow,
    Operation,
    ReadShard,
    Record,
    ShardRow,
    SwapShard,
)
from signet.core.durability.shards import Shards
from signet.core.durability.weights import less
from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId
from signet.ports.inbox import NotOwner, StoreUnavailable

log = structlog.get_logger()
Part = tuple[ShardId, Epoch, Sequence[Record]]
FLUSH_S = 0.05  # between two looks at what is left to flush
Clock = Callable[[], float]


class Pace(NamedTuple):
    """In seconds: when the journal becomes rows and heads, and how often that is asked.

    `memory` is in bytes: beyond it all becomes rows at once, and sends wait (J5).
    """

    row_after: float = limits.ROW_AFTER
    head_after: float = limits.HEAD_AFTER
    tick: float = limits.ROW_TICK
    memory: int = limits.JOURNAL_MEMORY


def core(incarnation: Incarnation, lease_s: float, pace: Pace) -> Core:
    """A life that begins."""
    parts = Parts(
        OwnLease(incarnation, lease_s, limits.LEASE_MARGIN),
        Watch(limits.LEASE_DRIFT),
        Journal(incarnation, limits.JOURNAL_PARTITION),
        Memory(),
        Shards(incarnation),
    )
    return Core(parts, pace.row_after, pace.memory, pace.head_after)


def swaps(operation: Operation) -> ShardId | None:
    """The shard whose row is changed or asked for."""
    match operation:
        case SwapShard(old, _):
            return old.shard
        case ReadShard(shard):
            return shard
    return None


def pause(attempt: int) -> float:
    """Before an operation whose outcome is unknown is performed again, in seconds."""
    return min(limits.UNKNOWN_BACKOFF * 2.0**attempt, limits.UNKNOWN_BACKOFF_CAP)


class Life:
    """`clock` is in seconds and counts suspend (L2). Use it in one loop."""

    def __init__(self, began: Core, driver: Driver, clock: Clock, tick: float) -> None:
        self.core, self._driver, self._clock, self._tick = began, driver, clock, tick
        self._tokens: dict[int, asyncio.Future[None]] = {}
        self._token = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._seen: object = None
        self._swapping: dict[ShardId, int] = {}  # steps under way of takes and releases
        self._writing = False
        self.ended = False
        self._spawn(self._ages())

    # --- effects and answers ------------------------------------------------------------------

    def run(self, effects: Sequence[Effect], attempt: int = 0) -> None:
        """In order; nothing after the end (L3)."""
        for effect in effects:
            match effect:
                case Appended(token):
                    future = self._tokens.pop(token)
                    if not future.done():
                        future.set_result(None)
                case End(reason):
                    self.end(reason)
                    return
                case _:
                    if (shard := swaps(effect)) is not None:
                        self._swapping[shard] = self._swapping.get(shard, 0) + 1
                    self._spawn(self._perform(effect, attempt))
        self._look()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an operation of the inbox store failed", exc_info=error)
            self.end("a bug")

    async def _perform(self, operation: Operation, attempt: int) -> None:
        answer = await self._driver.perform(operation)
        if answer is UNKNOWN:
            await asyncio.sleep(pause(attempt))
        if not self.ended:
            effects = self.core.answered(self._clock(), operation, answer)
            self.run(effects, attempt + 1 if answer is UNKNOWN else 0)
            self._swapped(operation)
            self._write()

    def _swapped(self, operation: Operation) -> None:
        """One step of a take or release is over; those that follow are counted already."""
        shard = swaps(operation)
        if shard is not None:
            less(self._swapping, shard, 1)
            self._look()

    def end(self, reason: str) -> None:
        """Nothing follows any more; whoever waits is told that it is not ours (L3)."""
        if self.ended:
            return
        self.ended = True
        log.warning("an incarnation ends in the inbox store", reason=reason)
        for future in self._tokens.values():
            if not future.done():
                future.set_exception(NotOwner(reason))
                future.exception()  # it may be that nobody asks
        self._tokens.clear()
        self._look()

    async def stop(self) -> None:
        """Give up what is under way."""
        self.ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _look(self) -> None:
        """Wake who waits, when something changed that somebody may wait for."""
        core, shards = self.core, self.core.shards
        flushed = sum(shard not in core.memory.busy for shard in shards.leaving)
        known = (len(shards.held), len(shards.recovering), len(self._swapping), flushed)
        now = (known, core.lease.counter, core.full(), self.ended)
        if now != self._seen:
            self._seen = now
            changed, self._changed = self._changed, self._changed.get_loop().create_future()
            changed.set_result(None)
            if not shards.recovering:
                self._driver.journals.forget()

    async def until(self, so: Callable[[], bool], patience_s: float) -> None:
        """Wait for it.

        Raises:
            StoreUnavailable: not in time.
            NotOwner: the incarnation has ended.
        """
        try:
            async with asyncio.timeout(patience_s):
                while not so():
                    if self.ended:
                        raise NotOwner("the incarnation has ended")
                    await asyncio.shield(self._changed)
        except TimeoutError:
            raise StoreUnavailable("Cassandra does not answer") from None

    async def _ages(self) -> None:
        """What is old becomes rows, and what is idle leaves memory (J5, J6)."""
        while not self.ended:
            await asyncio.sleep(self._tick)
            self.run(self.core.age(self._clock()))
            self._forget()

    def _forget(self) -> None:
        known = self.core.memory.shard_of
        for device in list(known)[: max(0, len(known) - limits.REMEMBERED_INBOXES)]:
            self.run(self.core.forget(device))

    # --- calls --------------------------------------------------------------------------------

    def over(self) -> bool:
        """Whether the lease has ended (L3)."""
        return self.ended or self.core.lease.over(self._clock())

    def holds(self, shard: ShardId) -> bool:
        return shard in self.core.shards.held

    def serves(self, shard: ShardId) -> bool:
        return self.core.shards.serves(shard)

    async def append(self, parts: Sequence[Part]) -> list["asyncio.Future[None]"]:
        """Queue all of it; each future is done when its part is durable.

        Raises:
            StoreUnavailable: no memory (J5), or earlier epochs are no rows yet (R3); not queued.
            NotOwner: one of the shards is not ours in that epoch; nothing was queued.
        """
        await self.until(lambda: self._takes(parts), limits.STORE_PATIENCE)
        futures = []
        for _, _, records in parts:
            token = next(self._token)
            self.core.queue(token, records)
            self._tokens[token] = asyncio.get_running_loop().create_future()
            futures.append(self._tokens[token])
        self._soon()
        return futures

    def _takes(self, parts: Sequence[Part]) -> bool:
        """Raises NotOwner."""
        self.check(parts)
        if self.core.full():
            self.run(self.core.age(self._clock()))
        return all(self.core.takes(*part) for part in parts)

    def check(self, parts: Sequence[Part]) -> None:
        """Raises NotOwner: another owns one of the shards, or did in that epoch (L7)."""
        shards = self.core.shards
        if self.over() or not all(shards.appends(shard, epoch) for shard, epoch, _ in parts):
            raise NotOwner("another owns it, or did in that epoch")

    def _soon(self) -> None:
        """All that is appended in this turn of the loop shares a segment (J1)."""
        if not self._writing:
            self._writing = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._writing = False
        journal = self.core.journal
        while journal.waiting and len(journal.submitted) < limits.SEGMENTS_IN_FLIGHT:
            if self.ended:
                return
            self.run(self.core.write(self._clock()))

    async def renew(self, patience_s: float) -> None:
        """A renewal that was sent after this call is confirmed (L2).

        Raises:
            StoreUnavailable, NotOwner: as `until`.
        """
        lease, called = self.core.lease, self._clock()
        while True:
            before = lease.counter
            self.run(self.core.renew(self._clock()))
            sent = lease.sent_at
            await self.until(lambda: lease.counter > before, patience_s)  # noqa: B023
            if sent is not None and sent >= called:
                return

    async def release(self, shard: ShardId, epoch: Epoch, patience_s: float) -> None:
        """Flush, then give up (R4). Raises: as `until`."""
        held, busy = self.core.shards.held, self.core.memory.busy
        async with asyncio.timeout(patience_s):
            while shard in held and held[shard].epoch == epoch:
                self.run(self.core.release(self._clock(), shard, taker_ready=True))
                with contextlib.suppress(StoreUnavailable):
                    await self.until(lambda: shard not in held or shard not in busy, FLUSH_S)
        await self.settled([shard], patience_s)

    def take(self, row: ShardRow, owner: LeaseRow | None) -> None:
        """Ask for it; see `settled`."""
        self.run(self.core.take(row, owner))

    def compare(self, row: ShardRow) -> None:
        """A row was read (L4)."""
        if row.shard not in self._swapping:
            self.run(self.core.compare(row))

    async def settled(self, shards: Sequence[ShardId], patience_s: float) -> None:
        """Nobody waits any more for what became of these shards' rows. Raises: as `until`."""
        await self.until(lambda: not any(s in self._swapping for s in shards), patience_s)

    async def sweep(self, device: DeviceId, position: Position, shard: ShardId) -> None:
        """What a served inbox holds up to there is gone (W2).

        Raises:
            StoreUnavailable: it may be, or go later.
        """
        for operation in self.core.sweep(device, position, shard):
            answer = await self._driver.perform(operation)
            if answer is UNKNOWN:
                raise StoreUnavailable("Cassandra does not say whether it was swept")
            self.run(self.core.answered(self._clock(), operation, answer))

    def rowless(self, device: DeviceId) -> None:
        """It was seen to have no rows that are not trimmed, while none were written."""
        memory = self.core.memory
        if device not in memory.rowing and not memory.items.get(device):
            memory.rowless.add(device)
