"""The dead: their leases, seals, journals, asked for once for all that is recovered (R1)."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from signet.adapters.inbox_cassandra import rows
from signet.adapters.inbox_cassandra.session import Session
from signet.core import limits
from signet.core.durability.operations import LeaseRow, ReadJournal, Record, Segment
from signet.core.ids import Incarnation, ShardId

Ask = Callable[[], Awaitable[LeaseRow]]
Sorted = dict[int, dict[ShardId, list[Record]]]  # segment -> shard -> records


@dataclass(slots=True)
class _Reading:
    task: "asyncio.Task[Sorted]"
    served: set[ShardId] = field(default_factory=set)


class Journals:
    """A journal that nobody writes to any more is read once, and again for who asks twice: they
    have seen that it holds more than was read (R1).
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._readings: dict[tuple[Incarnation, int], _Reading] = {}
        self._leases: dict[Incarnation, LeaseRow] = {}  # dead: only their seal may still come
        self._asking: defaultdict[Incarnation, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def lease(self, incarnation: Incarnation, read: Ask) -> LeaseRow:
        """What is known of a dead one, else what `read` says. Nobody renews a dead lease, and one
        who asks for a seal that was set meanwhile is told.
        """
        if incarnation not in self._leases:
            async with self._asking[incarnation]:
                if incarnation not in self._leases:
                    return self._learn(await read())
        return self._leases[incarnation]

    async def seal(self, incarnation: Incarnation, seal: Ask) -> LeaseRow:
        """The first seal, which counts for all; `seal` sets it, where it is not known."""
        async with self._asking[incarnation]:
            known = self._leases.get(incarnation)
            if known is not None and known.seal is not None:
                return known
            row = await seal()
            return row if known is None else self._learn(known._replace(seal=row.seal))

    def _learn(self, row: LeaseRow) -> LeaseRow:
        if row.dead:
            self._leases[row.incarnation] = row
        return row

    async def read(self, wanted: ReadJournal) -> tuple[Segment, ...]:
        """The segments from the mark on up to a gap, with the records of the shard alone."""
        name = (wanted.incarnation, wanted.mark)
        reading = self._readings.get(name)
        if reading is None or wanted.shard in reading.served:
            reading = _Reading(asyncio.create_task(self._read(*name)))
            self._readings[name] = reading
        reading.served.add(wanted.shard)
        try:
            found = await asyncio.shield(reading.task)
        except Exception:
            self._readings.pop(name, None)
            raise
        return tuple(
            Segment(wanted.incarnation, number, tuple(shards.get(wanted.shard, ())))
            for number, shards in found.items()
        )

    def forget(self) -> None:
        """No recovery is under way."""
        self._readings.clear()
        self._leases.clear()
        if not any(lock.locked() for lock in self._asking.values()):
            self._asking.clear()

    async def _read(self, incarnation: Incarnation, mark: int) -> Sorted:
        found: Sorted = {}
        part, following = mark // limits.JOURNAL_PARTITION, mark
        while True:
            for row in await self._session.pages("read_segments", incarnation, part, following):
                if row.segment != following:
                    return found
                found[following] = by_shard(rows.decode(row.records))
                following += 1
            part += 1
            if following < part * limits.JOURNAL_PARTITION:
                return found


def by_shard(records: Sequence[Record]) -> dict[ShardId, list[Record]]:
    shards: dict[ShardId, list[Record]] = {}
    for record in records:
        shards.setdefault(record.shard, []).append(record)
    return shards
