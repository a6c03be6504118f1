"""A group with more devices than keys fit into a frame: keys go before the first message (G6)."""

from signet.client import content as contents
from signet.client.groups import sealing as group_sealing
from signet.client.groups.sealing import Renumbered
from signet.core.groups import GroupId
from signet.core.ids import MessageId, UserId
from signet.core.limits import GROUP_KEYS, MAX_FRAME
from signet.core.membership import Create
from signet.v1 import messaging_pb2 as pb
from tests.support.group_devices import GroupDevice, Order
from tests.support.group_people import GROUP, Human


def crowd(people: int, devices: int) -> tuple[Order, GroupDevice]:
    world = Order()
    humans = [Human(str(number)) for number in range(people)]
    for human in humans:
        for number in range(1, devices + 1):
            world.add_device(human, number)
    world.change(humans[0], Create(tuple(human.key for human in humans[1:])))
    sender = world.devices[0]
    sender.takes(sender.waiting)
    world.judge(sender, pb.GroupSend())
    for human in humans:
        sender.fetch(human.user)
    return world, sender


def seal(sender: GroupDevice, world: Order) -> list[pb.GroupSend] | Renumbered:
    ordinals = tuple(row.ordinal for row in sender.tx.outgoing.all_of(UserId(GROUP)))
    wrong = world.judge(sender, pb.GroupSend(group=GROUP))
    sealed = group_sealing.seal_rows(
        sender.tx, sender.me, GroupId(GROUP), ordinals, wrong, lenient=True
    )
    if isinstance(sealed, Renumbered):
        return sealed
    return [pb.GroupSend.FromString(row.sealed or b"") for row in sealed]


def test_keys_that_do_not_fit_go_in_sends_before_it() -> None:
    world, sender = crowd(people=50, devices=4)
    lacking = 50 * 4 - 1
    first = group_sealing.queue(sender.tx, sender.me, GROUP, contents.text("hello", None, None, ""))
    second = group_sealing.queue(
        sender.tx, sender.me, GROUP, contents.text("again", None, None, "")
    )
    assert isinstance(seal(sender, world), Renumbered)
    sends = seal(sender, world)
    assert not isinstance(sends, Renumbered)
    assert [bool(send.content) for send in sends] == [False, True, True]
    assert [len(send.keys) for send in sends] == [GROUP_KEYS, lacking - GROUP_KEYS, 0]
    assert [send.ordinal for send in sends] == [1, 2, 3]
    assert [MessageId(send.message_id) for send in sends[1:]] == [first.id, second.id]
    told = {(key.user, key.device_id) for send in sends for key in send.keys}
    assert len(told) == lacking
    assert all(send.ByteSize() < MAX_FRAME for send in sends)
    third = group_sealing.queue(sender.tx, sender.me, GROUP, contents.no_message())
    assert third.ordinal == 4
