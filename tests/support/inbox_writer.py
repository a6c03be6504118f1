"""Appends to inboxes until it is killed: `python -m tests.support.inbox_writer PATH`.

Each append brings one item for each of two devices and acknowledges what is ten behind on the
first. A line goes out before each append ("try N") and after it returned ("done N").
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from signet.adapters.inbox_sqlite import open_inbox
from signet.core.ids import DeviceId, Incarnation, Position, ShardId, UserId
from signet.ports.inbox import Acknowledged, Batch, Entry

ONE, TWO = (DeviceId(UserId(b"somebody________"), number) for number in (1, 2))
BEHIND = 10


async def main(path: Path) -> None:
    store = open_inbox(path, 1)
    life = Incarnation(os.urandom(16))
    await store.register(life, 4.0)
    for old, counter in (await store.leases()).items():
        if old != life and counter is not None:
            await store.mark_dead(old, counter)
    (taken,) = await store.take(life, [ShardId(0)])
    for seq in count(1):
        position = Position(taken.epoch, seq)
        entries = [Entry(device, position, seq, b"%d" % seq) for device in (ONE, TWO)]
        behind = Position(taken.epoch, seq - BEHIND)
        acknowledged = [Acknowledged(ONE, behind)] if seq > BEHIND else []
        print(f"try {seq}", flush=True)
        await store.append([Batch(ShardId(0), taken.epoch, entries, acknowledged)])
        print(f"done {seq}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
