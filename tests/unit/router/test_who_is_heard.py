"""Whom somebody hears and sees: blocked people, strangers, typing, presence (M9, M10, P2)."""

from signet.core import limits
from signet.core.errors import Code
from signet.core.link import ToRouter, WatchUsers
from signet.core.shards import shard_of
from signet.ports.users import Audience
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers
from tests.support.one_router import ALICE, BOB, SHARDS, connected


async def test_a_blocked_sender_is_answered_sent_and_nothing_is_stored(
    router: Router, alice: Device, users: KnownUsers
) -> None:
    users.block(BOB, ALICE)
    assert (await alice.sent(BOB, 1)).code is None  # M10
    bob = await connected(router, BOB)
    assert bob.texts == []


async def test_a_stranger_may_write_ten_times_until_they_are_answered(
    alice: Device, bob: Device, users: KnownUsers
) -> None:
    for ordinal in range(1, limits.STRANGER_UNANSWERED + 1):
        assert (await alice.sent(BOB, ordinal)).code is None
    refused = await alice.sent(BOB, limits.STRANGER_UNANSWERED + 1)
    assert refused.code is Code.STRANGER_LIMIT
    assert refused.retry_after_s > 0
    users.written.add((BOB, ALICE))
    assert (await alice.sent(BOB, limits.STRANGER_UNANSWERED + 1)).code is None


async def test_a_fleeting_send_goes_to_those_who_are_there_and_is_not_stored(
    router: Router, alice: Device, bob: Device
) -> None:
    alice.send(BOB, 0, base=0, fleeting=True)
    await bob.until(lambda: any(f.WhichOneof("body") == "fleeting" for f in bob.frames))
    assert bob.items == []
    bob.detach()
    alice.send(BOB, 0, base=0, fleeting=True)
    await alice.until(lambda: len(alice.answers) == 2)
    bob = Device(router, BOB)
    bob.counter = 5
    await bob.connect()
    await bob.until(bob.caught_up)
    assert [f.WhichOneof("body") for f in bob.frames] == ["caught_up"]


async def test_presence_is_told_to_those_who_may_see_it(
    router: Router, alice: Device, users: KnownUsers
) -> None:
    watch = WatchUsers(1, alice.address, (BOB,))
    alice.link.submit([ToRouter(shard_of(BOB, SHARDS), watch)])

    def statuses() -> list[int]:
        return [f.presence.status for f in alice.frames if f.WhichOneof("body") == "presence"]

    await alice.until(lambda: statuses() == [1])
    bob = await connected(router, BOB)
    await alice.until(lambda: statuses() == [1, 2])
    bob.detach()
    await alice.until(lambda: statuses() == [1, 2, 1])
    users.users[BOB] = users.add(BOB).__class__(
        BOB, 2, {1: 1}, {1: 11}, frozenset(), Audience.NOBODY
    )
    alice.link.submit([ToRouter(shard_of(BOB, SHARDS), watch)])
    await alice.until(lambda: statuses() == [1, 2, 1, 1])
    assert alice.frames[-1].presence.last_seen_ms == 0


async def test_a_stranger_who_types_without_end_is_not_heard_until_answered(
    alice: Device, bob: Device, users: KnownUsers
) -> None:
    def heard() -> int:
        return sum(frame.WhichOneof("body") == "fleeting" for frame in bob.frames)

    for _ in range(limits.STRANGER_UNANSWERED + 5):
        alice.send(BOB, 0, base=0, fleeting=True)
    await alice.until(lambda: len(alice.answers) == limits.STRANGER_UNANSWERED + 5)
    assert heard() == limits.STRANGER_UNANSWERED
    users.written.add((BOB, ALICE))
    alice.send(BOB, 0, base=0, fleeting=True)
    await bob.until(lambda: heard() == limits.STRANGER_UNANSWERED + 1)


async def test_who_is_blocked_sees_what_somebody_offline_gives(
    router: Router, alice: Device, bob: Device, users: KnownUsers
) -> None:
    watch = WatchUsers(1, alice.address, (BOB,))
    alice.link.submit([ToRouter(shard_of(BOB, SHARDS), watch)])

    def seen() -> list[tuple[int, bool]]:
        frames = [f.presence for f in alice.frames if f.WhichOneof("body") == "presence"]
        return [(p.status, p.last_seen_ms > 0) for p in frames]

    await alice.until(lambda: seen() == [(2, True)])
    users.block(BOB, ALICE)
    await router.changed(BOB)
    await alice.until(lambda: seen() == [(2, True), (1, False)])
    bob.detach()  # and hears nothing of what happens then
    alice.send(ALICE, 1, devices={})
    await alice.until(lambda: len(alice.answers) == 1)
    assert len(seen()) == 2
