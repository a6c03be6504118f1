"""Rules of owners that are broken only by a crossing, an absence or a slow store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock, unix_ms
from signet.core import limits
from signet.core.errors import Code
from signet.core.ids import DeviceAddress, Position, UserId
from signet.ports.inbox import StoreUnavailable
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers

SHARDS = 16
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))


class Clocks:
    """What a router believes of time."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now_ms(self) -> int:
        return unix_ms() + int(self.ahead_s * 1000)

    def boot(self) -> float:
        return boot_clock() + self.ahead_s


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def users() -> KnownUsers:
    known = KnownUsers()
    for user in (ALICE, BOB):
        known.add(user)
    return known


@pytest.fixture
async def router(users: KnownUsers, tmp_path: Path, clocks: Clocks) -> AsyncIterator[Router]:
    store = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    started = Router(
        store,
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        shards=SHARDS,
        alone=True,
        now_ms=clocks.now_ms,
        clock=clocks.boot,
    )
    await started.start()
    yield started
    await started.stop()
    await store.close()


async def connected(router: Router, user: UserId) -> Device:
    device = Device(router, user)
    await device.connect()
    await device.until(device.caught_up)
    return device


async def test_an_ack_that_crosses_a_read_loses_no_receipt(router: Router) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    one = alice.send(BOB, 1)
    two = alice.send(BOB, 2, base=1)
    await bob.until(lambda: len(bob.items) == 2)
    bob.read_after(Position(0, 0))
    bob.ack()
    await alice.until(lambda: sorted(alice.delivered) == sorted([one, two]))


async def test_who_was_away_until_all_had_expired_is_told_and_caught_up(
    router: Router, clocks: Clocks
) -> None:
    alice = await connected(router, ALICE)
    await alice.sent(BOB, 1)
    await router._context.store.sweep(unix_ms() + 1, 100)
    bob = Device(router, BOB)
    await bob.connect()
    await bob.until(bob.caught_up)
    expired = [f.expired for f in bob.frames if f.WhichOneof("body") == "expired"]
    assert [(e.to.epoch, e.to.seq) for e in expired] == [(1, 1)]
    await alice.sent(BOB, 2)
    assert sum(f.WhichOneof("body") == "caught_up" for f in bob.frames) == 1


async def test_a_device_id_that_is_registered_again_may_connect_from_its_first_counter(
    router: Router, users: KnownUsers
) -> None:
    bob = Device(router, BOB)
    bob.counter = 40
    await bob.connect()
    await bob.until(bob.caught_up)
    users.users[BOB] = replace(users.users[BOB], version=2, devices={}, generations={})
    await router.changed(BOB)
    await bob.until(lambda: [d.code for d in bob.drops] == [Code.DEVICE_REMOVED])
    users.users[BOB] = replace(users.users[BOB], version=3, devices={1: 99}, generations={1: 2})
    await router.changed(BOB)
    again = Device(router, BOB)
    again.address = DeviceAddress(again.address.device, 99, 2)
    await again.connect()
    await again.until(lambda: bool(again.attached or again.drops))
    assert again.drops == []


async def test_a_device_that_is_newer_than_the_copy_of_its_user_is_not_called_removed(
    router: Router, users: KnownUsers
) -> None:
    await connected(router, BOB)
    users.users[BOB] = replace(
        users.users[BOB], version=2, devices={1: 11, 2: 12}, generations={1: 1, 2: 1}
    )
    second = Device(router, BOB, 2)
    await second.connect()
    await second.until(lambda: bool(second.attached or second.drops))
    assert second.drops == []


def let_age(router: Router, user: UserId) -> None:
    """Our copy of the user is older than it may be for a send."""
    known = router._context.people.known(user)
    assert known is not None
    known.loaded_at -= 2 * limits.USER_TTL


async def test_who_resumes_after_a_long_stream_costs_no_read_of_the_directory(
    router: Router, users: KnownUsers
) -> None:
    bob = await connected(router, BOB)
    before = users.reads[BOB]
    let_age(router, BOB)
    await bob.connect(resume_counter=1)
    await bob.until(lambda: len(bob.attached) == 2)
    bob.counter -= 1
    await bob.connect(again=True)  # over a new link
    await bob.until(lambda: len(bob.attached) == 3)
    assert users.reads[BOB] == before
    await bob.connect()  # a login
    await bob.until(lambda: len(bob.attached) == 4)
    assert users.reads[BOB] == before + 1


async def test_who_resumes_before_the_owner_is_told_of_a_removal_is_closed_when_it_is(
    router: Router, users: KnownUsers
) -> None:
    """S9: the old copy is good for a resumption, until the owner is told."""
    bob = await connected(router, BOB)
    let_age(router, BOB)
    users.users[BOB] = replace(users.users[BOB], version=2, devices={}, generations={})
    await bob.connect(resume_counter=1)
    await bob.until(lambda: len(bob.attached) == 2)
    await router.changed(BOB)
    await bob.until(lambda: [d.code for d in bob.drops][-1:] == [Code.DEVICE_REMOVED])


async def test_nothing_is_answered_after_the_lease_is_over(
    users: KnownUsers, tmp_path: Path, clocks: Clocks
) -> None:
    lost = asyncio.Event()
    store = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    router = Router(
        store,
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        shards=SHARDS,
        alone=True,
        now_ms=clocks.now_ms,
        clock=clocks.boot,
        lost=lost.set,
    )
    await router.start()
    alice = await connected(router, ALICE)
    await alice.sent(BOB, 1)
    clocks.ahead_s = limits.LEASE  # the machine slept
    alice.send(BOB, 2)
    await lost.wait()
    assert [answer.ordinal for answer in alice.answers] == [1]
    await router.stop(0)
    await store.close()


async def test_a_blocked_stranger_meets_the_same_limit_as_any_other(
    router: Router, users: KnownUsers
) -> None:
    users.block(BOB, ALICE)
    alice = await connected(router, ALICE)
    for ordinal in range(1, limits.STRANGER_UNANSWERED + 1):
        assert (await alice.sent(BOB, ordinal)).code is None
    assert (await alice.sent(BOB, limits.STRANGER_UNANSWERED + 1)).code is Code.STRANGER_LIMIT


async def test_a_late_try_of_what_was_given_up_is_not_delivered_behind_its_followers(
    router: Router,
) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    await alice.sent(BOB, 1, b"1")
    given_up = alice.send(BOB, 2, devices={1: 11, 2: 12})
    await alice.until(lambda: alice.answers[-1].code is Code.WRONG_DEVICES)
    assert (await alice.sent(BOB, 3, b"3")).code is None
    alice.send(BOB, 2, base=2, text=b"2", message_id=given_up)
    await alice.until(lambda: len(alice.answers) == 4)
    assert alice.answers[-1].code is Code.OUT_OF_ORDER
    assert bob.texts == [b"1", b"3"]


async def test_a_login_leaves_the_former_resume_token_good_until_the_first_ack(
    router: Router,
) -> None:
    bob = await connected(router, BOB)
    bob.frames.clear()
    await bob.connect()
    await bob.until(bob.caught_up)
    await bob.connect(resume_counter=1)
    await bob.until(
        lambda: len(bob.attached) == 3 or Code.RESUME_REFUSED in [d.code for d in bob.drops]
    )
    assert Code.RESUME_REFUSED not in [d.code for d in bob.drops]


async def test_a_stream_that_comes_again_keeps_its_counter_and_its_resume_token(
    router: Router,
) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    await alice.sent(BOB, 1)
    await bob.until(lambda: len(bob.items) == 1)
    bob.counter -= 1
    await bob.connect(again=True)  # over a new link; the old one is not known to be lost yet
    await bob.until(lambda: len(bob.attached) == 2)
    await bob.until(lambda: bob.texts == [b"hello", b"hello"])
    await bob.connect(resume_counter=1)
    await bob.until(lambda: len(bob.attached) == 3)


async def test_a_stream_of_before_cannot_come_again_over_a_newer_one(router: Router) -> None:
    bob = await connected(router, BOB)
    await bob.connect()
    await bob.until(lambda: len(bob.attached) == 2)
    bob.counter -= 2
    await bob.connect(again=True)
    await bob.until(lambda: [d.code for d in bob.drops][-1:] == [Code.STALE_CONNECTION])


async def burst(device: Device, first: int, last: int) -> list[Code | None]:
    """Send without waiting for answers; their codes, by ordinal."""
    before = len(device.answers)
    for ordinal in range(first, last + 1):
        device.send(BOB, ordinal, base=first, text=b"%d" % ordinal)
    await device.until(lambda: len(device.answers) == before + last - first + 1)
    answers = sorted(device.answers[before:], key=lambda answer: answer.ordinal)
    return [answer.code for answer in answers]


async def test_a_burst_of_somebody_who_was_answered_is_taken_whole(
    router: Router, users: KnownUsers
) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    users.written.add((BOB, ALICE))
    assert await burst(alice, 1, 30) == [None] * 30
    assert bob.texts == [b"%d" % ordinal for ordinal in range(1, 31)]


async def test_a_burst_of_a_stranger_stops_at_the_limit(router: Router) -> None:
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    most = limits.STRANGER_UNANSWERED
    codes = await burst(alice, 1, most + 4)
    assert codes == [None] * most + [Code.STRANGER_LIMIT] + [Code.OUT_OF_ORDER] * 3
    assert len(bob.texts) == most


async def test_a_try_that_is_repeated_while_the_directory_is_asked_gets_the_same_refusal(
    router: Router,
) -> None:
    alice = await connected(router, ALICE)
    most = limits.STRANGER_UNANSWERED
    await burst(alice, 1, most)
    message = alice.send(BOB, most + 1)
    alice.send(BOB, most + 1, message_id=message)
    await alice.until(lambda: len(alice.answers) == most + 2)
    assert [answer.code for answer in alice.answers[most:]] == [Code.STRANGER_LIMIT] * 2


async def test_so_many_sends_wait_for_the_directory_and_no_more(
    router: Router, users: KnownUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Event()

    async def slow(pairs: Sequence[tuple[UserId, UserId]]) -> set[tuple[UserId, UserId]]:
        await answers.wait()
        return set(pairs)

    monkeypatch.setattr(users, "have_written", slow)
    alice = await connected(router, ALICE)
    first = limits.STRANGER_UNANSWERED + 1
    await burst(alice, 1, first - 1)
    waiting = asyncio.create_task(burst(alice, first, first + limits.MAX_UNANSWERED))
    await alice.until(lambda: alice.answers[-1].code is Code.TOO_MANY_UNANSWERED)  # M6
    answers.set()
    assert await waiting == [None] * limits.MAX_UNANSWERED + [Code.TOO_MANY_UNANSWERED]


async def test_the_directory_is_not_asked_about_an_answer_that_passed_here(
    router: Router, users: KnownUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(pairs: object) -> set[tuple[UserId, UserId]]:
        raise StoreUnavailable("the directory is away")

    monkeypatch.setattr(users, "have_written", away)
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    await bob.sent(ALICE, 1)
    assert await burst(alice, 1, 30) == [None] * 30


async def test_the_newest_of_a_long_inbox_are_remembered_by_the_next_life(
    users: KnownUsers, tmp_path: Path
) -> None:
    users.written.add((BOB, ALICE))
    count, step = limits.READ_ITEMS + 44, 50
    lives = []
    for _ in range(2):
        store = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
        presence, events = MemoryPresence(boot_clock), MemoryEvents()
        life = Router(store, users, presence, events, shards=SHARDS, alone=True)
        await life.start()
        lives.append(life)
        alice = Device(life, ALICE)
        alice.counter = len(lives)
        await alice.connect()
        await alice.until(alice.caught_up)
        if len(lives) == 1:
            for first in range(1, count, step):
                await burst(alice, first, first + step - 1)
            last = alice.answers[-1]
    alice.send(BOB, count, text=b"%d" % count, message_id=last.message_id)
    await alice.until(lambda: len(alice.answers) == 1)
    assert alice.answers == [last]  # O2: the same answer, at the same time
    for life in lives:
        await life.stop(0)
        await life._context.store.close()
