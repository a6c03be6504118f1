"""What a sender does for a message to a group of 100, beside 99 single sends of the same text.

Run by hand: `python -m tests.bench.bench_group_sender`. CPU of one core, with the SDK's own
sealing on stores in memory; each member has one device. Rates depend on the machine; compare the
two. What the server does is measured by bench_groups.
"""

import os
from time import process_time

from signet.client import content as contents
from signet.client import sealing
from signet.client.groups import sealing as group_sealing
from signet.core.membership import Create
from signet.v1 import messaging_pb2 as pb
from tests.support.group_devices import GroupDevice, Order
from tests.support.group_people import GROUP, Human

MEMBERS = 100
MESSAGES = 20
TEXT = "x" * 256


def made() -> tuple[Order, GroupDevice]:
    """A group, and the device of who made it; sessions with all are open."""
    world = Order()
    humans = [Human(str(n)) for n in range(MEMBERS)]
    devices = [world.add_device(human) for human in humans]
    others = tuple(human.key for human in humans[1:])
    world.change(humans[0], Create(others))
    sender = devices[0]
    sender.takes(sender.waiting)
    for human in humans[1:]:
        sender.fetch(human.user)
    return world, sender


def by_group(sender: GroupDevice) -> tuple[float, pb.GroupSend]:
    """CPU seconds, and what goes out, once it is taken."""
    began = process_time()
    row = group_sealing.queue(sender.tx, sender.me, GROUP, contents.text(TEXT, None, None, ""))
    assert sender.send(row)
    took = process_time() - began
    assert isinstance(sender.last_sent, pb.GroupSend)
    return took, sender.last_sent


def by_each(world: Order, sender: GroupDevice) -> tuple[float, int]:
    """CPU seconds, and bytes that go out."""
    content, size, began = contents.text(TEXT, None, None, ""), 0, process_time()
    for device in world.devices[1:]:
        row = sealing.queue(sender.tx, sender.me, device.human.user, content)
        assert row.sealed is not None
        size += len(row.sealed)
        sender.tx.outgoing.remove(row.peer, row.ordinal)
    return process_time() - began, size


def main() -> None:
    os.nice(10)
    world, sender = made()
    first, send = by_group(sender)
    keys, with_keys = len(send.keys), send.ByteSize()
    later = [by_group(sender) for _ in range(MESSAGES)]
    each = [by_each(world, sender) for _ in range(MESSAGES // 4)]
    group_ms = 1000 * sorted(took for took, _ in later)[MESSAGES // 2]
    each_ms = 1000 * sorted(took for took, _ in each)[len(each) // 2]
    print(f"{MEMBERS} members with a device each, {len(TEXT)} bytes of text")
    print(f"  to the group, first ({keys} keys) {first * 1000:8.1f} ms  {with_keys:8,} bytes")
    print(
        f"  to the group, later               {group_ms:8.1f} ms  {later[0][1].ByteSize():8,} bytes"
    )
    print(f"  to each of them                   {each_ms:8.1f} ms  {each[0][1]:8,} bytes")


if __name__ == "__main__":
    main()
