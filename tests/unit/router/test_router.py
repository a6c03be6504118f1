"""One router on a real SQLite store, seen from the devices on its links."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from signet.core.errors import Code
from signet.core.ids import Position, UserId
from signet.router.router import Router
from signet.router.writer import Write
from tests.support.devices import Device
from tests.support.known_users import KnownUsers
from tests.support.one_router import ALICE, BOB, connected, start


async def test_a_message_is_answered_pushed_acknowledged_and_receipted(
    alice: Device, bob: Device
) -> None:
    message = alice.send(BOB, 1)
    await bob.until(lambda: bob.texts == [b"hello"])
    await alice.until(lambda: [a.code for a in alice.answers] == [None])
    bob.ack()
    await alice.until(lambda: alice.delivered == [message])


async def test_the_first_item_ever_follows_nothing_and_the_next_one_follows_it(
    alice: Device, bob: Device
) -> None:
    alice.send(BOB, 1)
    alice.send(BOB, 2, base=1)
    await bob.until(lambda: len(bob.items) == 2)
    first, second = bob.items
    assert first.HasField("follows")
    assert (first.follows.epoch, first.follows.seq) == (0, 0)
    assert second.follows == first.position


async def test_what_is_sent_to_somebody_away_is_there_when_they_come(
    router: Router, alice: Device
) -> None:
    for ordinal in range(1, 6):
        assert (await alice.sent(BOB, ordinal, b"%d" % ordinal)).code is None
    bob = await connected(router, BOB)
    assert bob.texts == [b"1", b"2", b"3", b"4", b"5"]


async def test_what_was_acknowledged_is_gone(router: Router, alice: Device, bob: Device) -> None:
    message = alice.send(BOB, 1)
    await bob.until(lambda: len(bob.items) == 1)
    bob.ack()
    await alice.until(lambda: alice.delivered == [message])
    bob.at = Position(0, 0)
    bob.frames.clear()
    await bob.connect()
    await bob.until(bob.caught_up)
    assert bob.texts == []


async def test_a_restart_keeps_what_was_answered_and_crosses_epochs_without_a_gap(
    users: KnownUsers, tmp_path: Path
) -> None:
    before = await start(users, tmp_path)
    alice = await connected(before, ALICE)
    for ordinal in (1, 2):
        await alice.sent(BOB, ordinal, b"%d" % ordinal)
    after = await start(users, tmp_path)  # the one before is not stopped: it was killed
    alice2 = Device(after, ALICE)
    alice2.counter = 5
    await alice2.connect()
    bob = Device(after, BOB)
    await bob.connect()
    await alice2.sent(BOB, 3, b"3")
    await bob.until(lambda: len(bob.texts) >= 3)
    assert bob.texts == [b"1", b"2", b"3"]
    assert bob.items[2].position.epoch > bob.items[1].position.epoch
    if bob.items[2].HasField("follows"):
        assert bob.items[2].follows == bob.items[1].position
    for router in (before, after):
        await router.stop()
        await router._context.store.close()


async def test_a_retry_gets_the_same_answer_and_is_stored_once(
    router: Router, alice: Device, bob: Device
) -> None:
    message = alice.send(BOB, 1)
    alice.send(BOB, 1, message_id=message)
    await alice.until(lambda: len(alice.answers) == 2)
    assert alice.answers[0] == alice.answers[1]
    assert bob.texts == [b"hello"]


async def test_a_retry_after_a_restart_is_stored_once(users: KnownUsers, tmp_path: Path) -> None:
    before = await start(users, tmp_path)
    alice = await connected(before, ALICE)
    message = alice.send(BOB, 1)
    await alice.until(lambda: len(alice.answers) == 1)
    after = await start(users, tmp_path)
    again = Device(after, ALICE)
    again.counter = 5
    await again.connect()
    again.send(BOB, 1, message_id=message)
    await again.until(lambda: len(again.answers) == 1)
    bob = await connected(after, BOB)
    assert bob.texts == [b"hello"]
    for router in (before, after):
        await router.stop()
        await router._context.store.close()


async def test_an_id_with_other_bytes_is_refused(alice: Device, bob: Device) -> None:
    message = alice.send(BOB, 1)
    alice.send(BOB, 2, base=1, message_id=message, text=b"other")
    await alice.until(lambda: len(alice.answers) == 2)
    assert {a.ordinal: a.code for a in alice.answers} == {1: None, 2: Code.ID_REUSED}  # O1


async def test_an_ordinal_that_is_not_the_next_one_is_out_of_order(
    alice: Device, bob: Device
) -> None:
    alice.send(BOB, 1)
    alice.send(BOB, 3, base=1)
    await alice.until(lambda: len(alice.answers) == 2)
    refused = next(answer for answer in alice.answers if answer.code)
    assert (refused.ordinal, refused.code) == (3, Code.OUT_OF_ORDER)


async def test_a_refused_ordinal_is_passed_when_the_base_has_risen(
    alice: Device, bob: Device
) -> None:
    await alice.sent(BOB, 1)
    assert (await alice.sent(BOB, 3)).code is None  # 2 was refused for good: base is 3
    assert bob.texts == [b"hello", b"hello"]


async def test_wrong_devices_are_named(alice: Device, users: KnownUsers) -> None:
    users.add(BOB, {1: 11, 3: 13})
    alice.send(BOB, 1, devices={1: 99, 2: 12})
    await alice.until(lambda: len(alice.answers) == 1)
    answer = alice.answers[0]
    assert answer.code is Code.WRONG_DEVICES
    assert answer.devices is not None
    assert (answer.devices.missing, answer.devices.extra, answer.devices.stale) == (
        (3,),
        (2,),
        (1,),
    )


async def test_a_sync_copy_to_oneself_without_other_devices_is_taken(alice: Device) -> None:
    alice.send(ALICE, 1, devices={})
    await alice.until(lambda: len(alice.answers) == 1)
    assert alice.answers[0].code is None  # O5


async def test_nobody_has_that_id(alice: Device) -> None:
    answer = await alice.sent(UserId(os.urandom(16)), 1)
    assert answer.code is Code.UNKNOWN_RECIPIENT


async def test_the_window_holds_back_what_is_not_acknowledged(
    router: Router, alice: Device
) -> None:
    bob = Device(router, BOB)
    await bob.connect(window=2)
    await bob.until(bob.caught_up)
    for ordinal in range(1, 6):
        await alice.sent(BOB, ordinal, b"%d" % ordinal)
    assert bob.texts == [b"1", b"2"]
    for count in (4, 5):
        bob.ack()
        await bob.until(lambda count=count: len(bob.texts) == count)  # type: ignore[misc]
    assert bob.texts == [b"1", b"2", b"3", b"4", b"5"]
    assert [i.follows.seq for i in bob.items] == [0, 1, 2, 3, 4]


async def test_what_the_wire_lost_is_read_again(alice: Device, bob: Device) -> None:
    for ordinal in (1, 2, 3):
        await alice.sent(BOB, ordinal, b"%d" % ordinal)
    await bob.until(lambda: len(bob.items) == 3)
    second = bob.items[0].position
    bob.frames.clear()
    bob.read_after(Position(second.epoch, second.seq))
    await bob.until(lambda: len(bob.items) == 2)
    assert bob.texts == [b"2", b"3"]
    assert bob.items[0].follows == second


async def test_acknowledging_what_was_never_sent_ends_the_session(bob: Device) -> None:
    bob.ack(Position(9, 9))
    await bob.until(lambda: bool(bob.drops))
    assert bob.drops[0].code is Code.ACK_BEYOND_SENT  # R5


async def test_a_newer_stream_displaces_an_older_one(router: Router, bob: Device) -> None:
    newer = Device(router, BOB)
    newer.counter = bob.counter
    await newer.connect()
    await bob.until(lambda: bool(bob.drops))
    assert bob.drops[0].code is Code.DISPLACED


async def test_a_late_attach_cannot_displace_a_newer_one(router: Router, bob: Device) -> None:
    late = Device(router, BOB)  # counter 1 again
    await late.connect()
    await late.until(lambda: bool(late.drops))
    assert late.drops[0].code is Code.STALE_CONNECTION  # O4
    assert bob.drops == []


async def test_a_resume_token_is_good_once_and_the_one_before_until_the_first_ack(
    router: Router, alice: Device, bob: Device
) -> None:
    await bob.connect(resume_counter=1)  # the Welcome of counter 2 is lost on the way
    await bob.until(lambda: len(bob.attached) == 2)
    await bob.connect(resume_counter=1)  # S4: still good
    await bob.until(lambda: len(bob.attached) == 3)
    message = alice.send(BOB, 1)
    await bob.until(lambda: bool(bob.items))
    bob.ack()
    await alice.until(lambda: alice.delivered == [message])
    await bob.connect(resume_counter=1)
    await bob.until(lambda: any(d.code is Code.RESUME_REFUSED for d in bob.drops))


async def test_a_removed_device_is_closed_at_once(
    router: Router, bob: Device, users: KnownUsers
) -> None:
    users.add(BOB, {2: 12})
    await router.changed(BOB)
    await bob.until(lambda: bool(bob.drops))
    assert bob.drops[0].code is Code.DEVICE_REMOVED  # S9


async def test_a_device_that_registers_anew_keeps_what_waits_and_loses_its_streams(
    router: Router, alice: Device, bob: Device, users: KnownUsers
) -> None:
    alice.send(BOB, 1)
    await bob.until(lambda: bob.texts == [b"hello"])
    users.add(BOB, {1: 12})
    await router.changed(BOB)
    await bob.until(lambda: bool(bob.drops))
    assert bob.drops[0].code is Code.DEVICE_REMOVED  # K8: streams of the registration before
    refused = await alice.sent(BOB, 2)
    assert refused.code is Code.WRONG_DEVICES
    assert refused.devices is not None
    assert tuple(refused.devices.stale) == (1,)
    anew = Device(router, BOB)
    anew.address, anew.counter = bob.address._replace(registration=12), bob.counter
    await anew.connect()
    await anew.until(lambda: anew.texts == [b"hello"])


async def test_peers_are_told_of_a_new_identity(
    router: Router, alice: Device, bob: Device, users: KnownUsers
) -> None:
    await alice.sent(BOB, 1)
    users.written.add((ALICE, BOB))
    await router.replaced(BOB, [1])
    await alice.until(lambda: any(i.peer_changed.identity for i in alice.items))


async def test_a_newer_stream_is_there_before_the_older_one_is_displaced(
    router: Router, bob: Device
) -> None:
    newer = Device(router, BOB)
    newer.counter = bob.counter
    order: list[str] = []
    await newer.connect()
    await asyncio.gather(
        noted(order, "attached", newer, lambda: bool(newer.attached)),
        noted(order, "displaced", bob, lambda: bool(bob.drops)),
    )
    assert order == ["attached", "displaced"]  # S7: a move loses nobody


async def noted(order: list[str], word: str, device: Device, met: Callable[[], bool]) -> None:
    await device.until(met)
    order.append(word)


async def test_what_an_earlier_link_brought_may_be_acknowledged_on_the_next(
    alice: Device, bob: Device
) -> None:
    message = alice.send(BOB, 1)
    await bob.until(lambda: len(bob.items) == 1)
    brought = bob.items[0].position
    await bob.connect(again=True)
    bob.ack(Position(brought.epoch, brought.seq))
    await alice.until(lambda: alice.delivered == [message])
    assert bob.drops == []


async def test_a_bug_behind_one_write_does_not_silence_the_next(
    router: Router, alice: Device, bob: Device
) -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    router._context.writer.add(Write(done=broken))
    assert (await alice.sent(BOB, 1)).code is None
