"""What a member writes to a group, seen from the members' devices (G2–G7)."""

from collections.abc import Sequence
from pathlib import Path

from signet.core.errors import Code
from signet.core.groups import GroupKey
from signet.core.ids import Position
from signet.core.link import Answer
from signet.router.router import Router
from signet.v1 import messaging_pb2 as pb
from tests.support.devices import Device
from tests.support.known_groups import KnownGroups
from tests.support.one_router import ALICE, BOB, CAROL, connected
from tests.unit.router.groups.conftest import GROUP, start


def messages(device: Device) -> list[pb.GroupMessage]:
    return [i.group_message for i in device.items if i.WhichOneof("body") == "group_message"]


def changes(device: Device) -> list[pb.GroupChanged]:
    return [i.group_changed for i in device.items if i.WhichOneof("body") == "group_changed"]


def order(device: Device) -> list[Position]:
    """Where what came stands in the group's order."""
    bodies = [getattr(item, item.WhichOneof("body") or "") for item in device.items]
    return [Position(body.at.epoch, body.at.seq) for body in bodies]


async def some(device: Device, count: int) -> None:
    await device.until(lambda: len(messages(device)) == count)


async def answered(device: Device, count: int) -> Sequence[Answer]:
    await device.until(lambda: len(device.answers) == count)
    return device.answers


async def test_a_message_is_answered_and_comes_to_all_members_in_one_order(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    first = alice.send_group(groups.send(GROUP, 1, b"from alice"))
    assert [answer.code for answer in await answered(alice, 1)] == [None]
    second = bob.send_group(groups.send(GROUP, 1, b"from bob"))
    carol = await connected(router, CAROL)
    for device in (alice, bob, carol):
        await some(device, 2)
        assert [message.message_id for message in messages(device)] == [first, second]
    assert order(alice) == order(bob) == order(carol)
    assert [message.content for message in messages(carol)] == [b"from alice", b"from bob"]


async def test_the_sending_device_hears_where_its_message_stands_and_nothing_else(
    groups: KnownGroups, alice: Device, bob: Device
) -> None:
    alice.send_group(groups.send(GROUP, 1))
    await alice.until(lambda: len(messages(alice)) == 1)
    await bob.until(lambda: len(messages(bob)) == 1)
    mine, theirs = messages(alice)[0], messages(bob)[0]
    assert (mine.content, theirs.content) == (b"", b"hello")
    assert mine.at == theirs.at
    assert mine.sender == theirs.sender == ALICE


async def test_each_entry_says_what_it_follows(
    groups: KnownGroups, alice: Device, bob: Device
) -> None:
    for ordinal in (1, 2):
        alice.send_group(groups.send(GROUP, ordinal, base=1))
    await bob.until(lambda: len(messages(bob)) == 2)
    first, second = messages(bob)
    assert not first.HasField("follows")
    assert second.follows == first.at


async def test_a_key_comes_with_the_message_to_the_device_that_it_is_for(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    key = GroupKey(BOB, 1, 11, 3, b"a sender key for bob")
    alice.send_group(groups.send(GROUP, 1, keys=(key,)))
    carol = await connected(router, CAROL)
    await bob.until(lambda: len(messages(bob)) == 1)
    await carol.until(lambda: len(messages(carol)) == 1)
    (for_bob,), (for_carol,) = messages(bob), messages(carol)
    assert (for_bob.key.type, for_bob.key.content) == (3, b"a sender key for bob")
    assert (for_bob.content, for_carol.content) == (b"hello", b"hello")
    assert not for_carol.HasField("key")


async def test_all_who_get_a_message_are_named_in_receipts_but_not_the_senders_own(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    groups.users.add(ALICE, {1: 11, 2: 12})
    second = Device(router, ALICE, 2)
    await second.connect()
    message = alice.send_group(groups.send(GROUP, 1))
    carol = await connected(router, CAROL)
    for device in (bob, carol, second):
        await some(device, 1)
        device.ack()
    await alice.until(lambda: len(alice.delivered) == 2)
    receipts = [item.delivered for item in alice.items if item.HasField("delivered")]
    assert sorted(receipt.by for receipt in receipts) == [BOB, CAROL]
    assert alice.delivered == [message, message]
    assert messages(second)[0].content == b"hello"


async def test_who_knows_another_membership_or_other_devices_is_told_the_group_as_it_is(
    groups: KnownGroups, alice: Device
) -> None:
    old = groups.send(GROUP, 1)
    groups.users.add(BOB, {1: 11, 2: 77})
    groups.change(GROUP, ALICE, BOB)
    alice.send_group(old)
    (answer,) = await answered(alice, 1)
    assert answer.code is Code.WRONG_GROUP
    assert answer.group is not None
    assert answer.group.membership == 2
    assert answer.group.devices == {ALICE: {1: 11}, BOB: {1: 11, 2: 77}}
    alice.send_group(groups.send(GROUP, 1, message_id=old.message_id))
    assert (await answered(alice, 2))[1].code is None


async def test_a_rename_refuses_nothing(groups: KnownGroups, alice: Device, bob: Device) -> None:
    send = groups.send(GROUP, 1)
    groups.rename(GROUP)
    alice.send_group(send)
    assert (await answered(alice, 1))[0].code is None


async def test_who_is_no_member_is_refused_and_so_is_what_is_no_group(
    groups: KnownGroups, alice: Device, bob: Device
) -> None:
    send = groups.send(GROUP, 1)
    groups.change(GROUP, BOB, CAROL)
    alice.send_group(send)
    assert (await answered(alice, 1))[0].code is Code.NOT_A_MEMBER
    del groups.views_of[GROUP]
    bob.send_group(send)
    assert (await answered(bob, 1))[0].code is Code.NOT_A_MEMBER


async def test_a_change_takes_effect_at_its_place_in_the_order(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    """G2: what was sent before it goes to whom it removes, and the change itself; nothing after."""
    alice.send_group(groups.send(GROUP, 1, b"before"))
    await answered(alice, 1)
    groups.change(GROUP, ALICE, BOB)
    await router.group_changed(GROUP)
    alice.send_group(groups.send(GROUP, 2, b"after"))
    await bob.until(lambda: len(messages(bob)) == 2)
    carol = await connected(router, CAROL)
    assert [message.content for message in messages(carol)] == [b"before"]
    assert [change.record for change in changes(carol)] == [b"change 2"]
    assert order(bob)[:2] == order(carol)
    assert [c.record for c in changes(bob)] == [b"change 2"]


async def test_a_change_that_is_told_twice_stands_in_the_order_once(
    router: Router, groups: KnownGroups, bob: Device
) -> None:
    groups.change(GROUP, ALICE, BOB)
    await router.group_changed(GROUP)
    await router.group_changed(GROUP)
    groups.rename(GROUP)
    await router.group_changed(GROUP)
    await bob.until(lambda: len(changes(bob)) == 2)
    assert [change.record for change in changes(bob)] == [b"change 2", b"rename 3"]


async def test_a_retry_is_answered_the_same_and_stands_in_the_order_once(
    groups: KnownGroups, alice: Device, bob: Device
) -> None:
    send = groups.send(GROUP, 1)
    for _ in range(3):
        alice.send_group(send)
    answers = await answered(alice, 3)
    assert {answer.accepted_ms for answer in answers} == {answers[0].accepted_ms}
    alice.send_group(groups.send(GROUP, 2, b"next", base=2))
    await bob.until(lambda: len(messages(bob)) == 2)
    assert [message.content for message in messages(bob)] == [b"hello", b"next"]


async def test_the_same_id_with_other_bytes_is_refused(groups: KnownGroups, alice: Device) -> None:
    send = groups.send(GROUP, 1)
    alice.send_group(send)
    await answered(alice, 1)
    alice.send_group(groups.send(GROUP, 2, b"other", message_id=send.message_id))
    assert (await answered(alice, 2))[1].code is Code.ID_REUSED


async def test_what_comes_out_of_order_goes_again_from_its_base(
    groups: KnownGroups, alice: Device
) -> None:
    alice.send_group(groups.send(GROUP, 5, base=4))
    assert (await answered(alice, 1))[0].code is Code.OUT_OF_ORDER


async def test_keys_may_go_before_the_message_for_those_who_need_them(
    groups: KnownGroups, alice: Device, bob: Device
) -> None:
    key = GroupKey(BOB, 1, 11, 2, b"key")
    alice.send_group(groups.send(GROUP, 1, b"", keys=(key,)))
    message = alice.send_group(groups.send(GROUP, 2, b"text", base=1))
    await bob.until(lambda: len(messages(bob)) == 2)
    keys, text = messages(bob)
    assert (keys.content, keys.key.content) == (b"", b"key")
    assert text.follows == keys.at
    bob.ack()
    await alice.until(lambda: len(alice.delivered) == 1)
    assert alice.delivered == [message]  # G6: nobody is told of keys


async def test_what_was_answered_comes_to_all_after_a_crash_and_a_retry_is_known(
    groups: KnownGroups, tmp_path: Path
) -> None:
    """G1: the new owner goes on where the old one stopped, under the same numbers."""
    before = await start(groups, tmp_path)
    before._groups._fan_out._pump = lambda: None  # type: ignore[method-assign]
    alice = await connected(before, ALICE)
    send = groups.send(GROUP, 1, b"one")
    alice.send_group(send)
    alice.send_group(groups.send(GROUP, 2, b"two", base=1))
    await answered(alice, 2)
    assert messages(alice) == []
    after = await start(groups, tmp_path)  # the one before is not stopped: it was killed
    bob = await connected(after, BOB)
    await bob.until(lambda: len(messages(bob)) == 2)
    again = Device(after, ALICE)
    again.counter = 5
    await again.connect()
    again.send_group(send)
    again.send_group(groups.send(GROUP, 3, b"three", base=1))
    await answered(again, 2)
    await bob.until(lambda: len(messages(bob)) == 3)
    assert [message.content for message in messages(bob)] == [b"one", b"two", b"three"]
    assert order(bob) == sorted(order(bob))
    assert messages(bob)[2].follows == messages(bob)[1].at
    for router in (before, after):
        await router.stop()


async def test_a_log_is_empty_when_all_members_have_it(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    alice.send_group(groups.send(GROUP, 1))
    await bob.until(lambda: len(messages(bob)) == 1)
    store = router._context.store
    shards = list(router._context.epochs)
    while await store.logs(shards):  # trimmed within RECEIPT_DELAY
        bob.ack()
    assert router._groups._fan_out.waiting_bytes == 0
