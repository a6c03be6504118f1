"""Group commit: all that waits becomes one durable append; what follows from it comes after (J3).

While one append is under way the next one gathers. A write whose outcome is unknown is made again,
the same, until it is confirmed or the lease has ended (J2); nothing is answered meanwhile.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from signet.core import limits
from signet.core.ids import DeviceId, Epoch, ShardId
from signet.ports.inbox import (
    Acknowledged,
    Batch,
    Connected,
    Entry,
    InboxStore,
    NotOwner,
    StoreUnavailable,
)
from signet.telemetry import metrics

log = structlog.get_logger()


@dataclass(slots=True)
class Write:
    """What belongs together: never split over two appends. `done` is called when it is durable."""

    entries: list[tuple[ShardId, Entry]] = field(default_factory=list)
    acknowledged: list[tuple[ShardId, Acknowledged]] = field(default_factory=list)
    connected: list[tuple[ShardId, Connected]] = field(default_factory=list)
    dropped: list[tuple[ShardId, DeviceId]] = field(default_factory=list)  # these inboxes, alone
    for_good: bool = False  # what is dropped never comes again
    done: Callable[[], None] = lambda: None

    size: int = field(init=False)  # bytes of the entries, and what notes take in memory
    count: int = field(init=False)  # of all that is written

    def __post_init__(self) -> None:
        self.count = len(self.entries) + len(self.acknowledged) + len(self.connected)
        notes = len(self.acknowledged) + len(self.connected)
        self.size = notes * limits.NOTE_BYTES + sum(len(entry.body) for _, entry in self.entries)


class Writer:
    """One for a router. `epoch_of` says in which epoch a shard is held, `holds` whether the lease
    still does (L3); `lost` ends the process.
    """

    def __init__(
        self,
        store: InboxStore,
        epoch_of: Callable[[ShardId], Epoch],
        holds: Callable[[], bool],
        lost: Callable[[], None],
    ) -> None:
        self._store = store
        self._epoch_of = epoch_of
        self._holds = holds
        self._lost = lost
        self._waiting: deque[Write] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.pending_bytes = 0
        self.failing = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="router-writer")

    async def stop(self, patience_s: float) -> None:
        """Finish what waits if the store answers in time; the rest was never promised."""
        if self._task is None:
            return
        deadline = asyncio.get_running_loop().time() + patience_s
        while self.pending_bytes or self._waiting:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.01)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def add(self, write: Write) -> None:
        """Queue it. Never waits."""
        self._waiting.append(write)
        self.pending_bytes += write.size
        self._wake.set()

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._one(self._gather())
        except Exception:  # a bug; a router that writes nothing more must not hold its shards
            log.exception("the writer failed; this incarnation ends")
            self._lost()

    async def _one(self, group: list[Write]) -> None:
        if group[0].dropped:
            await self._confirmed(partial(self._drop, group[0]))
        else:
            await self._confirmed(partial(self._store.append, self._batches(group)))
        for write in group:
            self.pending_bytes -= write.size
            self._follow(write)

    def _follow(self, write: Write) -> None:
        """What follows from one write; a bug there must not silence the others."""
        try:
            write.done()
        except Exception:
            log.exception("what follows from a write failed")

    def _gather(self) -> list[Write]:
        if self._waiting[0].dropped:  # neither what came before it nor what comes after is mixed in
            return [self._waiting.popleft()]
        group: list[Write] = []
        items = size = 0
        while (
            self._waiting
            and not self._waiting[0].dropped
            and (not group or items + self._waiting[0].count <= limits.APPEND_ITEMS)
            and size < limits.APPEND_BYTES
        ):
            write = self._waiting.popleft()
            group.append(write)
            items += write.count
            size += write.size
        metrics.APPEND_ITEMS.observe(sum(len(write.entries) for write in group))
        return group

    def _batches(self, group: list[Write]) -> list[Batch]:
        entries: defaultdict[ShardId, list[Entry]] = defaultdict(list)
        acknowledged: defaultdict[ShardId, list[Acknowledged]] = defaultdict(list)
        connected: defaultdict[ShardId, list[Connected]] = defaultdict(list)
        for write in group:
            for shard, entry in write.entries:
                entries[shard].append(entry)
            for shard, ack in write.acknowledged:
                acknowledged[shard].append(ack)
            for shard, note in write.connected:
                connected[shard].append(note)
        return [
            Batch(
                shard, self._epoch_of(shard), entries[shard], acknowledged[shard], connected[shard]
            )
            for shard in {**entries, **acknowledged, **connected}
        ]

    async def _drop(self, write: Write) -> None:
        for shard, device in write.dropped:
            epoch = self._epoch_of(shard)
            await self._store.drop(shard, epoch, [device], for_good=write.for_good)

    async def _confirmed(self, write: Callable[[], Awaitable[None]]) -> None:
        wait = 0.02
        while True:
            started = time.perf_counter()
            try:
                await write()
            except NotOwner:
                log.warning("a shard was taken by another; this incarnation ends")
                await self._ends()
            except StoreUnavailable as error:
                if not self.failing:
                    log.warning("the store does not answer; nothing is promised", reason=str(error))
                self.failing = True
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
            except Exception:
                log.exception(
                    "the store failed in a way it does not promise; this incarnation ends"
                )
                await self._ends()
            else:
                self.failing = False
                metrics.APPEND_SECONDS.observe(time.perf_counter() - started)
                if not self._holds():
                    log.warning("the lease ended before a write was confirmed")
                    await self._ends()
                return

    async def _ends(self) -> None:
        """Nothing more follows from anything (L3)."""
        self._lost()
        await asyncio.Event().wait()
