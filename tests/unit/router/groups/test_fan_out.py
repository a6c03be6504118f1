"""What waits for members is bounded, and holds up nobody else (P7, G4, G5)."""

import asyncio
from collections.abc import Sequence

import pytest

from signet.core import limits
from signet.core.errors import Code
from signet.core.groups import GroupCopy
from signet.ports.inbox import StoreUnavailable
from signet.router.router import Router
from signet.telemetry import metrics
from tests.support.devices import Device
from tests.support.known_groups import KnownGroups
from tests.support.one_router import CAROL, connected
from tests.unit.router.groups.conftest import GROUP
from tests.unit.router.groups.test_group_sends import answered, messages, some


def nobody_takes(router: Router, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Members' shards take nothing until the event is set."""
    open_again = asyncio.Event()
    take = router._groups._copies.take

    async def waits(copies: Sequence[GroupCopy]) -> None:
        if not open_again.is_set():
            raise StoreUnavailable("closed")
        await take(copies)

    monkeypatch.setattr(router._groups._fan_out, "_take", waits)
    return open_again


async def test_where_too_much_waits_sends_are_refused_with_a_time_and_taken_later(
    router: Router,
    groups: KnownGroups,
    alice: Device,
    bob: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_again = nobody_takes(router, monkeypatch)
    monkeypatch.setattr(limits, "GROUP_WAITING", 3)
    for ordinal in range(1, 5):
        alice.send_group(groups.send(GROUP, ordinal, base=1))
    answers = await answered(alice, 4)
    by_ordinal = {answer.ordinal: answer for answer in answers}
    assert [by_ordinal[n].code for n in (1, 2, 3)] == [None, None, None]
    assert by_ordinal[4].code is Code.GROUP_BUSY
    assert by_ordinal[4].retry_after_s == limits.GROUP_RETRY_AFTER
    assert messages(bob) == []
    open_again.set()
    await some(bob, 3)
    await some(alice, 3)
    while router._groups._fan_out.waiting_bytes:
        await asyncio.sleep(0)
    alice.send_group(groups.send(GROUP, 4, b"4"))
    assert (await answered(alice, 5))[-1].code is None
    await some(bob, 4)


async def test_all_groups_together_have_a_bound(
    router: Router, groups: KnownGroups, alice: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody_takes(router, monkeypatch)
    monkeypatch.setattr(limits, "GROUPS_WAITING_BYTES", 1)
    alice.send_group(groups.send(GROUP, 1))
    alice.send_group(groups.send(GROUP, 2, base=1))
    codes = {answer.ordinal: answer.code for answer in await answered(alice, 2)}
    assert codes == {1: None, 2: Code.GROUP_BUSY}


async def test_a_member_whose_inbox_is_full_misses_it_and_is_told_that_something_is_missing(
    router: Router,
    groups: KnownGroups,
    alice: Device,
    bob: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped = metrics.GROUP_COPIES_DROPPED._value.get()
    alice.send_group(groups.send(GROUP, 1, b"1"))
    await some(bob, 1)
    monkeypatch.setattr(limits, "INBOX_ITEMS", 1)
    alice.send_group(groups.send(GROUP, 2, b"2", base=2))
    await answered(alice, 2)
    bob.ack()
    await alice.until(lambda: len(alice.delivered) >= 1)
    assert metrics.GROUP_COPIES_DROPPED._value.get() > dropped
    monkeypatch.setattr(limits, "INBOX_ITEMS", 10_000)
    alice.send_group(groups.send(GROUP, 3, b"3"))
    await some(bob, 2)
    first, third = messages(bob)
    assert third.content == b"3"
    assert third.follows != first.at  # G5


async def test_a_shard_that_is_not_loaded_yet_holds_up_no_other(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    heads = router._context.store.heads
    let_go = asyncio.Event()

    async def slow(devices):  # type: ignore[no-untyped-def]
        if any(device.user == CAROL for device in devices):
            await let_go.wait()
        return await heads(devices)

    router._context.store.heads = slow  # type: ignore[method-assign]
    for ordinal in (1, 2, 3):
        alice.send_group(groups.send(GROUP, ordinal, base=1))
    await some(bob, 3)
    let_go.set()
    carol = await connected(router, CAROL)
    await some(carol, 3)
    assert [m.at for m in messages(carol)] == [m.at for m in messages(bob)]


async def test_a_group_that_is_given_away_is_gone_from_memory(
    router: Router, groups: KnownGroups, alice: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody_takes(router, monkeypatch)
    alice.send_group(groups.send(GROUP, 1))
    await answered(alice, 1)
    owner = router._groups
    assert len(owner) == 1
    owner.forget_shards({owner._sends.logs.shard(GROUP)})
    assert len(owner) == 0
    assert owner._fan_out.waiting_bytes == 0


async def test_idle_groups_leave_memory_and_come_back_with_their_order(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    logs = router._groups._sends.logs
    logs._most = 0
    alice.send_group(groups.send(GROUP, 1))
    await some(bob, 1)
    while router._groups._fan_out.waiting_bytes:
        await asyncio.sleep(0)
    logs._forget()
    assert len(logs) == 0
    alice.send_group(groups.send(GROUP, 2))
    await some(bob, 2)
    first, second = messages(bob)
    assert second.follows == first.at


async def test_what_was_given_away_holds_up_nothing_that_comes_after_it(
    router: Router,
    groups: KnownGroups,
    alice: Device,
    bob: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_again = nobody_takes(router, monkeypatch)
    alice.send_group(groups.send(GROUP, 1, b"of the group that goes"))
    await answered(alice, 1)
    owner = router._groups
    owner.forget_shards({owner._sends.logs.shard(GROUP)})
    open_again.set()
    while owner._fan_out._lanes:
        await asyncio.sleep(0.01)
    alice.send_group(groups.send(GROUP, 2, b"after"))  # as its next owner, it brings all again
    await some(bob, 2)
    assert [message.content for message in messages(bob)] == [b"of the group that goes", b"after"]


async def test_a_member_whose_account_is_deleted_holds_up_nobody(
    router: Router, groups: KnownGroups, alice: Device, bob: Device
) -> None:
    """G9: they are a member by the chain until somebody removes them, without devices."""
    del groups.users.users[CAROL]
    alice.send_group(groups.send(GROUP, 1))
    assert (await answered(alice, 1))[0].code is None
    await some(bob, 1)
    async with asyncio.timeout(10):
        while router._groups.waiting_bytes:
            await asyncio.sleep(0.01)
