"""Reading the journals of the dead: once for all the shards that are recovered from one (R1)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from signet.adapters.inbox_cassandra import rows
from signet.adapters.inbox_cassandra.session import Session
from signet.core import limits
from signet.core.durability.operations import ReadJournal, Record, Segment
from signet.core.ids import Incarnation, ShardId

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
