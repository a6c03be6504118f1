"""Performs the operations of core/durability on Cassandra, and decides nothing.

Each is performed once; what Cassandra does not say clearly is UNKNOWN: a time-out, too few
replicas, an overloaded or missing node. A refusal, too, says nothing of an earlier try (J2).
"""

import asyncio
from collections.abc import Callable

import structlog

from signet.adapters.inbox_cassandra import rows, schema
from signet.adapters.inbox_cassandra.journals import Journals
from signet.adapters.inbox_cassandra.session import REFUSED, UNAVAILABLE, Rows, Session, Values
from signet.core import limits
from signet.core.durability.operations import (
    UNKNOWN,
    Answer,
    DeletePartition,
    LeaseRow,
    MarkDead,
    Operation,
    Put,
    ReadJournal,
    ReadLease,
    ReadShard,
    Renew,
    SaveLast,
    Seal,
    ShardRow,
    SwapShard,
    Sweep,
    Trim,
    WriteRows,
    WriteSegment,
)
from signet.core.durability.rows import DELETION_TIMESTAMP, SEGMENT_TIMESTAMP, timestamp
from signet.core.groups import LOG_DEVICE
from signet.core.ids import START, DeviceId, Incarnation, Position, ShardId
from signet.ports.inbox import StoreUnavailable

log = structlog.get_logger()
Statement = tuple[str, Values]
Aged = tuple[ShardId, int, DeviceId]  # shard, day, inbox


class Driver:
    """`now_ms` is Unix time, from which the time that a row has to live is counted."""

    def __init__(self, session: Session, now_ms: Callable[[], int]) -> None:
        self.session = session
        self.journals = Journals(session)
        self._now_ms = now_ms
        self._conditional = asyncio.Semaphore(limits.CONDITIONAL_AT_ONCE)
        self._plain = asyncio.Semaphore(limits.CASSANDRA_AT_ONCE)
        self._aged: dict[Aged, None] = {}  # known to be in `aging`

    async def perform(self, operation: Operation) -> Answer:
        """What the store says; UNKNOWN when it does not."""
        try:
            return await self._perform(operation)
        except REFUSED as error:
            log.error("Cassandra refuses what it should take", error=str(error))
        except UNAVAILABLE as error:
            log.debug("Cassandra does not answer", error=type(error).__name__)
        return UNKNOWN

    async def _perform(self, operation: Operation) -> Answer:
        match operation:
            case WriteSegment():
                return await self._segment(operation)
            case Renew() | ReadLease(_, None):
                return await self._rows_of_leases(operation)  # our own life does not queue (L2)
            case ReadLease() | Seal() | ReadJournal():
                return await self._of_the_dead(operation)
            case MarkDead() | SwapShard() | ReadShard():
                async with self._conditional:
                    return await self._rows_of_leases(operation)
        async with self._plain:
            await self._write(operation)
        return True

    async def _of_the_dead(self, operation: ReadLease | Seal | ReadJournal) -> Answer:
        match operation:
            case ReadJournal():
                return await self.journals.read(operation)
            case ReadLease(name):
                return await self.journals.lease(name, lambda: self._queued(operation))
            case Seal(name):
                return await self.journals.seal(name, lambda: self._queued(operation))

    async def _queued(self, operation: ReadLease | Seal) -> LeaseRow:
        async with self._conditional:
            if isinstance(operation, Seal):
                return await self._seal(operation)
            return await self.lease(operation.incarnation)

    async def _segment(self, write: WriteSegment) -> bool:
        incarnation, number, records = write.segment
        data, part = rows.encode(records), number // limits.JOURNAL_PARTITION
        await self.session.run("write_segment", incarnation, part, number, data, SEGMENT_TIMESTAMP)
        return True

    # --- rows of inboxes ----------------------------------------------------------------------

    async def _write(
        self, operation: WriteRows | Trim | SaveLast | Sweep | DeletePartition
    ) -> None:
        match operation:
            case WriteRows(device, puts):
                await self._aging(device, puts)
                await self.session.batch([*map(self._row, puts), last(device, puts[-1].position)])
            case Trim(device, position):
                values = [*mark(device, position)]
                await self.session.batch([deletion(device, position), ("set_acked", values)])
            case Sweep(device, position):
                values = [*mark(device, position)]
                await self.session.batch([deletion(device, position), ("set_swept", values)])
            case SaveLast():
                if statements := head(operation):
                    await self.session.batch(statements)
            case DeletePartition(incarnation, part):
                await self.session.run("delete_part", DELETION_TIMESTAMP, incarnation, part)

    def _row(self, put: Put) -> Statement:
        user, device = put.device
        epoch, seq = put.position
        age = (self._now_ms() - put.accepted_ms) // 1000
        size, live = len(put.body), max(1, schema.KEPT - age)  # W2: from acceptance
        key = (user, device, epoch, seq)
        return "write_row", (*key, put.accepted_ms, size, put.body, timestamp(put.position), live)

    async def _aging(self, device: DeviceId, puts: tuple[Put, ...]) -> None:
        """Before the rows: a sweeper may look in vain, and misses none."""
        for key in {(put.shard, day(put.accepted_ms), device) for put in puts}:
            if key not in self._aged:
                await self.session.run("write_aging", key[0], key[1], *device)
                if device.device == LOG_DEVICE:
                    await self.session.run("write_aging", key[0], schema.LOGS, *device)
                self._aged[key] = None
        while len(self._aged) > limits.REMEMBERED_INBOXES:
            del self._aged[next(iter(self._aged))]

    # --- rows of leases and shards ------------------------------------------------------------

    async def _rows_of_leases(
        self, operation: Renew | MarkDead | SwapShard | ReadLease | ReadShard
    ) -> Answer:
        match operation:
            case Renew():
                return await self._renew(operation)
            case MarkDead(incarnation, counter):
                return applied(await self.session.run("mark_dead", incarnation, counter))
            case SwapShard(old, new):
                return await self._swap(old, new)
            case ReadLease(incarnation):
                return await self.lease(incarnation)
            case ReadShard(shard):
                return await self.shard(shard)

    async def _renew(self, renew: Renew) -> LeaseRow:
        name, counter, low = renew
        if applied(await self.session.run("renew", counter + 1, low, name, counter)):
            return LeaseRow(name, counter + 1, 0.0, False, low, None)
        return await self.lease(name)

    async def _seal(self, seal: Seal) -> LeaseRow:
        if applied(await self.session.run("seal", seal.end, seal.incarnation)):
            return LeaseRow(seal.incarnation, 0, 0.0, True, 1, seal.end)
        return await self.lease(seal.incarnation)

    async def _swap(self, old: ShardRow, new: ShardRow) -> ShardRow:
        values = (new.owner, new.epoch, new.unrecovered)
        if old.epoch:
            if_old = (old.owner, old.epoch, old.unrecovered)
            done = await self.session.run("swap_shard", *values, new.shard, *if_old)
        else:
            done = await self.session.run("insert_shard", new.shard, *values)
        return new if applied(done) else await self.shard(new.shard)

    async def read(self, name: str, *values: object) -> Rows:
        """All rows of a statement that reads.

        Raises:
            StoreUnavailable: Cassandra does not answer.
        """
        async with self._plain:
            try:
                return await self.session.pages(name, *values)
            except UNAVAILABLE as error:
                raise StoreUnavailable(f"Cassandra does not answer: {error}") from error

    async def agree(self, shards: int) -> int:
        """How many shards there are: what the first who asked has said. Raises StoreUnavailable."""
        try:
            if applied(await self.session.run("agree", schema.SHARDS, shards)):
                return shards
            found = await self.session.run("agreed", schema.SHARDS, serial=True)
        except UNAVAILABLE as error:
            raise StoreUnavailable(f"Cassandra does not answer: {error}") from error
        return int(found[0].version)

    async def insert_lease(self, incarnation: Incarnation, lease_s: float) -> None:
        """Make it, if it is not there.

        Raises:
            StoreUnavailable: it may be there now, or come later.
        """
        try:
            await self.session.run("insert_lease", incarnation, lease_s)
        except UNAVAILABLE as error:
            raise StoreUnavailable(f"Cassandra does not answer: {error}") from error

    async def lease(self, incarnation: Incarnation) -> LeaseRow:
        """Serially (L4)."""
        found = await self.session.run("read_lease", incarnation, serial=True)
        return rows.lease(found[0]) if found else rows.gone(incarnation)

    async def shard(self, shard: ShardId) -> ShardRow:
        """Serially (L4)."""
        found = await self.session.run("read_shard", shard, serial=True)
        return rows.shard(found[0]) if found else rows.untaken(shard)


def applied(found: Rows) -> bool:
    """Whether a conditional write was done."""
    return bool(found[0][0])


def day(accepted_ms: int) -> int:
    return accepted_ms // (schema.DAY * 1000)


def last(device: DeviceId, position: Position) -> Statement:
    return "set_last", (timestamp(position), rows.number(position), *device)


def mark(device: DeviceId, position: Position) -> Values:
    cell = rows.number(position)
    return (timestamp(position), cell, cell, *device)


def deletion(device: DeviceId, position: Position) -> Statement:
    return "delete_rows", (timestamp(position), *device, *position)


def head(save: SaveLast) -> list[Statement]:
    """What is known, each by the timestamp of what it says (W1)."""
    statements: list[Statement] = []
    if save.position > START:
        statements.append(last(save.device, save.position))
    if save.acked > START:
        statements.append(("set_acked", mark(save.device, save.acked)))
    if save.note is not None:
        values = (timestamp(save.note.stamp), rows.connection(save.note), *save.device)
        statements.append(("set_connection", values))
    return statements
