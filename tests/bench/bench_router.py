"""What an owner does for a message, beside what the bytes of its item alone would cost.

Run by hand: `python -m tests.bench.bench_router`. CPU time of the event loop's thread, with the
real SQLite inbox behind it (its own threads are not counted). Rates depend on the machine and on
what else it does; the ratio hardly does: compare that.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import thread_time

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, Position, UserId
from signet.core.limits import WINDOW_BYTES, WINDOW_ITEMS
from signet.core.link import (
    Acked,
    Answered,
    Attach,
    Content,
    Push,
    Send,
    Submit,
    ToGateway,
    ToRouter,
    ToRouterBody,
)
from signet.core.shards import shard_of
from signet.internal.v1.stored import ITEM_FIELD, read_stored, stored_message
from signet.router.router import Router
from tests.support.known_users import KnownUsers

SHARDS = 64
PAIRS = 64
MESSAGES = 200  # of each pair
AT_ONCE = 16  # of each pair
ROUNDS = 5
TEXT = b"x" * 256


class Device:
    """Acknowledges what it gets, unread: in the first epoch positions are counted."""

    def __init__(self, router: Router, user: UserId) -> None:
        self.address = DeviceAddress(DeviceId(user, 1), 11, 1)
        self.items = self.answers = 0
        self._router = router
        self._link = router.open(user.hex(), self._deliver)

    def attach(self) -> None:
        hello = Attach(1, self.address, 1, START, WINDOW_ITEMS, WINDOW_BYTES, 30)
        self.submit([self.frame(self.address.device.user, hello)])

    @staticmethod
    def frame(user: UserId, body: ToRouterBody) -> ToRouter:
        return ToRouter(shard_of(user, SHARDS), body)

    def submit(self, frames: Sequence[ToRouter]) -> None:
        self._router.take(self._link, frames)

    def _deliver(self, frames: Sequence[ToGateway]) -> None:
        before = self.items
        for frame in frames:
            if isinstance(frame, Answered):
                assert frame.answer.code is None
                self.answers += 1
            elif isinstance(frame, Push) and frame.frame.startswith(ITEM_FIELD):
                self.items += 1
        if self.items > before:
            acked = Acked(1, Position(1, self.items))
            self.submit([self.frame(self.address.device.user, acked)])


def sends(sender: Device, to: UserId) -> list[ToRouter]:
    """A conversation's messages, as they come off a link."""
    frames = []
    for ordinal in range(1, MESSAGES + 1):
        contents = (Content(1, 11, 2, TEXT),)
        digest = hashlib.blake2b(ordinal.to_bytes(8, "big"), digest_size=16).digest()
        base = ordinal - (ordinal - 1) % AT_ONCE
        send = Send(MessageId(os.urandom(16)), to, ordinal, base, contents, digest)
        frames.append(sender.frame(to, Submit(ordinal, sender.address, send)))
    return frames


async def write(pairs: Sequence[tuple[Device, list[ToRouter]]]) -> None:
    """All conversations in step, so many messages at once."""
    for first in range(0, MESSAGES, AT_ONCE):
        for sender, frames in pairs:
            sender.submit(frames[first : first + AT_ONCE])
        until = min(first + AT_ONCE, MESSAGES)
        while any(sender.answers < until for sender, _ in pairs):
            await asyncio.sleep(0.001)


async def measure(folder: Path) -> dict[str, float]:
    """CPU seconds a message."""
    users, store = KnownUsers(), open_inbox(folder / "inbox.sqlite", SHARDS)
    presence, events = MemoryPresence(boot_clock), MemoryEvents()
    router = Router(store, users, presence, events, shards=SHARDS, alone=True)
    await router.start()
    names = [UserId(os.urandom(16)) for _ in range(3 * PAIRS)]
    for name in names:
        users.add(name)
    users.written |= {(b, a) for a in names for b in names}
    senders, here, away = ([Device(router, name) for name in names[n::3]] for n in (0, 1, 2))
    for device in (*senders, *here):
        device.attach()
    costs = {"answered": 0.0, "answered, delivered, receipted": 0.0, "read and acknowledged": 0.0}
    for what, readers in (("answered", away), ("answered, delivered, receipted", here)):
        for sender in senders:
            sender.answers = 0
        work = [(s, sends(s, r.address.device.user)) for s, r in zip(senders, readers, strict=True)]
        began = thread_time()
        await write(work)
        while readers is here and any(reader.items < MESSAGES for reader in readers):
            await asyncio.sleep(0.001)
        costs[what] = (thread_time() - began) / (PAIRS * MESSAGES)
    began = thread_time()
    for device in away:
        device.attach()
    while any(device.items < MESSAGES for device in away):
        await asyncio.sleep(0.001)
    costs["read and acknowledged"] = (thread_time() - began) / (PAIRS * MESSAGES)
    await router.stop()
    await store.close()
    return costs


def bytes_alone() -> float:
    """CPU seconds for making an item's bytes, and reading them once."""
    sender = DeviceAddress(DeviceId(UserId(os.urandom(16)), 1), 11, 1)
    content = Content(1, 11, 2, TEXT)
    send = Send(MessageId(os.urandom(16)), sender.device.user, 1, 1, (content,), bytes(16))
    began = thread_time()
    for _ in range(PAIRS * MESSAGES):
        read_stored(stored_message(sender, send, content, 1_700_000_000_000), 1_700_000_000_000)
    return (thread_time() - began) / (PAIRS * MESSAGES)


def best(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Each cost where the machine disturbed it least."""
    return {name: min(costs[name] for costs in rounds) for name in rounds[0]}


def rounds() -> Iterator[dict[str, float]]:
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as scratch:
            yield {"its bytes alone": bytes_alone(), **asyncio.run(measure(Path(scratch)))}


if __name__ == "__main__":
    costs = best(list(rounds()))
    alone = costs["its bytes alone"]
    print(f"{'a message':<34}{'rate':>14}{'cost':>13}{'of its bytes':>16}")
    for name, cost in costs.items():
        print(f"{name:<34}{1 / cost:>12,.0f}/s{cost * 1e6:>10.1f} us{cost / alone:>14.2f} x")
