"""What an appended item costs its owner with Cassandra behind it, beside SQLite in the same run.

Run by hand: `python -m tests.bench.bench_cassandra`. CPU time of all threads of this process, not
of Cassandra. Each append brings 50 items of 300 bytes for 50 devices, and acknowledges the 50
before: nothing becomes a row. Times depend on the machine; the ratio hardly does: compare that.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from signet.adapters.inbox_cassandra.migrate import migrate
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.adapters.inbox_sqlite import open_inbox
from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from signet.ports.inbox import Acknowledged, Batch, Entry, InboxStore
from tests.support.cassandra import keyspace_of
from tests.support.lanes import LANES

BATCH = 50
APPENDS = 400  # a round
ROUNDS = 5
SHARDS = 1
BODY = os.urandom(300)
LEASE_S = 10_000.0
DEVICES = [DeviceId(UserId(os.urandom(16)), 1) for _ in range(BATCH)]


def batch(epoch: Epoch, seq: int, now_ms: int) -> Sequence[Batch]:
    entries = [Entry(device, Position(epoch, seq), now_ms, BODY) for device in DEVICES]
    acked = (
        [Acknowledged(device, Position(epoch, seq - 1)) for device in DEVICES] if seq > 1 else []
    )
    return [Batch(ShardId(0), epoch, entries, acked)]


async def measure(store: InboxStore, now_ms: int) -> tuple[float, float]:
    """CPU microseconds an item, and milliseconds an append; the middle of the rounds."""
    life = Incarnation(os.urandom(16))
    await store.register(life, LEASE_S)
    (one,) = await store.take(life, [ShardId(0)])
    await store.heads(DEVICES)
    batches = [batch(one.epoch, seq, now_ms) for seq in range(1, ROUNDS * APPENDS + 1)]
    cpu, wall = [], []
    for number in range(ROUNDS):
        began, began_wall = process_time(), perf_counter()
        for appended in batches[number * APPENDS : (number + 1) * APPENDS]:
            await store.append(appended)
        cpu.append((process_time() - began) / APPENDS / BATCH * 1e6)
        wall.append((perf_counter() - began_wall) / APPENDS * 1e3)
    await store.close()
    return median(cpu), median(wall)


async def main(folder: Path) -> None:
    now_ms = 1_700_000_000_000
    server = LANES["cassandra"].make(folder / "cassandra", print).start()
    try:
        url = keyspace_of(server)
        await migrate(url)
        cassandra = await measure(CassandraInbox(url, SHARDS, now_ms=lambda: now_ms), now_ms)
    finally:
        server.kill()
    sqlite = await measure(open_inbox(folder / "inbox.sqlite", SHARDS), now_ms)
    for name, (cpu, wall) in (("cassandra", cassandra), ("sqlite", sqlite)):
        print(f"{name:9} {cpu:5.1f} µs of CPU an item, {wall:5.2f} ms an append of {BATCH}")
    print(f"ratio     {cassandra[0] / sqlite[0]:5.2f} (CPU, Cassandra to SQLite)")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "cassandra").mkdir()
        asyncio.run(main(Path(name)))
