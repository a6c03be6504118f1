"""What a message to a group of 100 costs its owners, beside 99 single sends of the same text.

Run by hand: `python -m tests.bench.bench_groups`. One router that owns every shard, on the real
SQLite inbox; all members are attached and acknowledge what they get, so each copy is durable,
pushed, acknowledged, trimmed and receipted. CPU is the process's, the store's threads with it;
what a gateway and the network add is the same for both. Compare the two: rates depend on the
machine.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from time import process_time

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.groups import GroupId
from signet.core.ids import MessageId, UserId
from signet.core.link import Content, Send, Submit, ToRouter
from signet.router.router import Router
from tests.bench.bench_router import SHARDS, TEXT, Device
from tests.support.known_groups import KnownGroups
from tests.support.known_users import KnownUsers

MEMBERS = 100
MESSAGES = 60  # a round
AT_ONCE = 10
ROUNDS = 5
GROUP = GroupId(b"g" * 16)


def to_group(sender: Device, groups: KnownGroups, first: int, count: int) -> list[list[ToRouter]]:
    """Messages of one member: one frame each."""
    return [
        [
            sender.frame(
                UserId(GROUP),
                Submit(
                    ordinal,
                    sender.address,
                    groups.send(GROUP, ordinal, TEXT, base=max(1, ordinal - AT_ONCE)),
                ),
            )
        ]
        for ordinal in range(first, first + count)
    ]


def to_each(
    sender: Device, people: Sequence[UserId], first: int, count: int
) -> list[list[ToRouter]]:
    """The same to each of them by a send of its own."""
    messages = []
    for ordinal in range(first, first + count):
        frames = []
        for number, to in enumerate(people):
            digest = blake2b(b"%d" % ordinal + to, digest_size=16).digest()
            contents = (Content(1, 11, 2, TEXT),)
            id_, base = MessageId(os.urandom(16)), max(1, ordinal - AT_ONCE)
            send = Send(id_, to, ordinal, base, contents, digest)
            frames.append(
                sender.frame(to, Submit(ordinal * MEMBERS + number, sender.address, send))
            )
        messages.append(frames)
    return messages


async def written(
    sender: Device, members: Sequence[Device], messages: list[list[ToRouter]], copies: int
) -> float:
    """CPU seconds until all of it was answered, delivered, acknowledged and receipted."""
    before = sum(member.items for member in members)
    began, answers = process_time(), sender.answers
    for at in range(0, len(messages), AT_ONCE):
        frames = [frame for message in messages[at : at + AT_ONCE] for frame in message]
        sender.submit(frames)
        answers += len(frames)
        while sender.answers < answers:
            await asyncio.sleep(0.001)
    while sum(member.items for member in members) < before + copies * len(messages):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.2)  # receipts and trims
    return process_time() - began


async def measure(folder: Path) -> tuple[float, float, int, int]:
    """CPU seconds a copy, by a group and by single sends; bytes of a log's entry, of a copy."""
    users, store = KnownUsers(), open_inbox(folder / "inbox.sqlite", SHARDS)
    people = [UserId(os.urandom(16)) for _ in range(MEMBERS)]
    for user in people:
        users.add(user)
    users.written |= {(one, people[0]) for one in people}
    groups = KnownGroups(users)
    groups.change(GROUP, *people)
    groups.told(GROUP, 1)
    sizes: dict[bool, int] = {}
    append = store.append

    async def weighed(batches):  # type: ignore[no-untyped-def]
        for batch in batches:
            texts = [entry for entry in batch.entries if TEXT in entry.body]
            sizes.update((entry.device.device == 0, len(entry.body)) for entry in texts)
        await append(batches)

    store.append = weighed  # type: ignore[method-assign]
    router = Router(
        store,
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        groups=groups,
        shards=SHARDS,
        alone=True,
        lease_s=float("inf"),
    )
    await router.start()
    devices = [Device(router, user) for user in people]
    for device in devices:
        device.attach()
    sender, others = devices[0], devices[1:]
    await written(sender, others, to_group(sender, groups, 1, AT_ONCE), MEMBERS - 1)  # warm
    await written(sender, others, to_each(sender, people[1:], 1, AT_ONCE), MEMBERS - 1)
    first = AT_ONCE + 1
    by_group = await written(sender, others, to_group(sender, groups, first, MESSAGES), MEMBERS - 1)
    log_bytes, copy_bytes = sizes[True], sizes[False]
    each = to_each(sender, people[1:], first, MESSAGES)
    by_each = await written(sender, others, each, MEMBERS - 1)
    await router.stop()
    await store.close()
    copies = MESSAGES * (MEMBERS - 1)
    return by_group / copies, by_each / copies, log_bytes, copy_bytes


async def main() -> None:
    found = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            found.append(await measure(Path(folder)))
    by_group, by_each = (sorted(one[n] for one in found)[ROUNDS // 2] * 1e6 for n in (0, 1))
    print(f"{MEMBERS} members, {len(TEXT)} bytes, median of {ROUNDS} rounds; CPU µs a copy:")
    print(f"  by one send to the group   {by_group:6.1f}")
    print(f"  by a send to each          {by_each:6.1f}   ratio {by_each / by_group:.2f}")
    print(f"  bytes: an entry of the log {found[0][2]}, a copy {found[0][3]}")


if __name__ == "__main__":
    asyncio.run(main())
