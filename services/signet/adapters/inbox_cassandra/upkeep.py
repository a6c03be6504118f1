"""What owners do beside: sweep what is too old (W2), bury the journals of the dead (R4)."""

import contextlib
from collections.abc import Iterable, Sequence

import structlog

from signet.adapters.inbox_cassandra import pages, schema
from signet.adapters.inbox_cassandra.driver import Driver, applied, day
from signet.adapters.inbox_cassandra.life import Life
from signet.adapters.inbox_cassandra.reader import Reader
from signet.core import limits
from signet.core.durability.operations import UNKNOWN, DeletePartition, LeaseRow, ShardRow
from signet.core.durability.recovery import deletable
from signet.core.ids import DeviceId, ShardId, UserId
from signet.ports.inbox import StoreUnavailable

log = structlog.get_logger()
BACK = limits.ROW_GRACE // schema.DAY  # days that a sweeper may have been away


class Sweeper:
    """Visits inboxes with items in memory, or rows, that were accepted on a day that is due."""

    def __init__(self, driver: Driver, reader: Reader) -> None:
        self._driver, self._reader = driver, reader
        self._through: dict[ShardId, int] = {}  # days that are done

    async def sweep(self, held: Iterable[tuple[Life, ShardId]], before_ms: int, limit: int) -> int:
        """Raises StoreUnavailable; what went is gone."""
        gone = 0
        for life, shard in held:
            if not life.serves(shard):
                continue
            for device in in_memory(life, shard, before_ms):
                gone += await self._inbox(life, shard, device, before_ms, limit - gone)
            gone += await self._days(life, shard, before_ms, limit - gone)
            if gone >= limit:
                break
        return gone

    async def _days(self, life: Life, shard: ShardId, before_ms: int, limit: int) -> int:
        """Days that are wholly over, each once: rows go up to a day late."""
        due, gone = day(before_ms), 0
        for number in range(self._through.get(shard, due - BACK - 1) + 1, due):
            while devices := await self._aging(shard, number):
                for device in devices:
                    gone += await self._inbox(life, shard, device, before_ms, limit - gone)
                    if gone >= limit:
                        return gone
                    await self._driver.read("delete_aging", shard, number, *device)
            self._through[shard] = number
        return gone

    async def _aging(self, shard: ShardId, number: int) -> list[DeviceId]:
        rows = await self._driver.read("read_aging", shard, number, limits.SWEEP_ITEMS)
        return [DeviceId(UserId(row.user), row.device) for row in rows]

    async def _inbox(
        self, life: Life, shard: ShardId, device: DeviceId, before_ms: int, limit: int
    ) -> int:
        """The oldest, without a gap: what is younger is never reported as expired."""
        if limit <= 0:
            return 0
        old = pages.aged(await self._reader.ages(device, limit), before_ms)[:limit]
        if old:
            await life.sweep(device, old[-1], shard)
        return len(old)


def in_memory(life: Life, shard: ShardId, before_ms: int) -> list[DeviceId]:
    """Inboxes whose oldest item in memory is too old."""
    memory = life.core.memory
    return [
        device
        for device in memory.devices.get(shard, ())
        if (items := memory.items.get(device))
        and next(iter(items.values())).put.accepted_ms < before_ms
    ]


async def bury(driver: Driver, dead: Sequence[LeaseRow], rows: Sequence[ShardRow]) -> None:
    """Delete the journals that no shard names, then their leases (R4).

    `rows` were read after `dead` was. Losing a step loses space: the next look does it again, and
    a journal has a time to live.
    """
    with contextlib.suppress(StoreUnavailable):
        for lease in dead:
            if deletable(lease, rows):
                await _bury(driver, lease)


async def _bury(driver: Driver, lease: LeaseRow) -> None:
    part, empty = lease.mark // limits.JOURNAL_PARTITION, 0
    while empty < limits.SEGMENTS_IN_FLIGHT:  # what was late may lie behind a gap
        if await driver.read("any_segment", lease.incarnation, part):
            empty = 0
            if await driver.perform(DeletePartition(lease.incarnation, part)) is UNKNOWN:
                return
        else:
            empty += 1
        part += 1
    if applied(await driver.read("delete_lease", lease.incarnation)):
        log.info("the journal of a dead router is deleted", router=lease.incarnation.hex())
