"""What a handover finds under way: a send, an Attach, what other owners bring (L6, L7, O3)."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from structlog.testing import capture_logs

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import SqliteInbox, open_inbox
from signet.adapters.members_memory import MemoryMembers
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core import limits
from signet.core.drain import Order
from signet.core.ids import START, Incarnation, ShardId
from signet.core.shards import shard_of
from signet.ports.inbox import Taken
from signet.ports.peers import OwnersItem
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.leaving_shards import (
    ALICE,
    BOB,
    SHARDS,
    Listener,
    SlowUsers,
    connected,
    ended,
    give_away,
    router,
    store,
    until,
    users,
)

__all__ = ["ended", "router", "store", "users"]


async def test_a_send_that_waits_for_the_directory_goes_to_the_next_owner(
    router: Router, users: SlowUsers
) -> None:
    alice = await connected(router, ALICE)
    users.open.clear()
    users.asked.clear()
    alice.send(BOB, 1)
    await users.asked.wait()
    await give_away(router, BOB)
    users.open.set()
    await alice.until(lambda: bool(alice.not_owners))
    assert alice.not_owners[0].tickets == (1,)
    assert alice.answers == []
    assert router._context.people.known(BOB) is None


async def test_an_attach_that_waits_for_the_directory_goes_to_the_next_owner(
    router: Router, users: SlowUsers
) -> None:
    users.open.clear()
    bob = Listener(router, BOB)
    await bob.connect()
    await users.asked.wait()
    await give_away(router, BOB)
    users.open.set()
    await bob.until(lambda: bool(bob.not_owners))
    assert bob.not_owners[0].sessions == (1,)
    assert bob.attached == []


async def test_what_was_read_before_a_shard_left_and_came_back_is_read_again(
    router: Router, users: SlowUsers, store: SqliteInbox
) -> None:
    """Between its going and its coming another owner may have numbered items."""
    alice = await connected(router, ALICE)
    heads = store.heads
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def slow(devices: object) -> object:
        found = await heads(devices)  # type: ignore[arg-type]
        reading.set()
        await go_on.wait()
        return found

    store.heads = slow  # type: ignore[method-assign, assignment]
    alice.send(BOB, 1)
    await reading.wait()
    await give_away(router, BOB)
    router.offered([shard_of(BOB, SHARDS)])
    await until(lambda: router.load() == SHARDS)
    reading.clear()
    go_on.set()
    await reading.wait()
    await alice.until(lambda: len(alice.answers) == 1)
    assert alice.answers[0].code is None


async def test_a_stream_goes_on_when_its_shard_is_given_away(router: Router) -> None:
    bob = await connected(router, BOB)
    await give_away(router, BOB)
    assert bob.drops == []
    assert router.status()["attached"] == 0
    bob.read_after(START)
    await bob.until(lambda: bool(bob.not_owners))


async def test_what_another_owner_brings_for_a_shard_that_is_not_here_is_named(
    router: Router,
) -> None:
    await give_away(router, BOB)
    refused = await router.deliver([OwnersItem(BOB, b"x", 1, 11), OwnersItem(ALICE, b"y", 1, 11)])
    assert [one.shard for one in refused] == [shard_of(BOB, SHARDS)]
    (entry,) = await router._context.store.newest(Device(router, ALICE).address.device, 9, 999)
    assert entry.body == b"y"


async def test_a_drain_that_is_asked_again_goes_on_under_the_later_deadline(
    router: Router,
) -> None:
    """V1. There is no taker: it waits for one until then."""
    first = asyncio.ensure_future(router.drain(Order(time.monotonic() + 0.05)))
    second = asyncio.ensure_future(router.drain(Order(time.monotonic() + 60)))
    done, _ = await asyncio.wait({first, second}, timeout=0.3)
    assert not done
    await router.undrain()
    await asyncio.gather(first, second)


async def test_a_look_that_fails_as_nobody_promised_is_not_the_last(
    router: Router, store: SqliteInbox
) -> None:
    """Or a router would hold its shards for ever, and take no more."""
    leases, failing = store.leases, [KeyError("a bug")]

    async def fails_once() -> object:
        if failing:
            raise failing.pop()
        return await leases()

    store.leases = fails_once  # type: ignore[method-assign, assignment]
    with capture_logs() as logs:
        router._ownership.wake()
        await until(lambda: not failing)
    await give_away(router, BOB)
    router.offered([shard_of(BOB, SHARDS)])
    await until(lambda: router.load() == SHARDS)
    assert [entry["log_level"] for entry in logs if "exc_info" in entry] == ["error"]


async def test_a_renewal_that_fails_as_nobody_promised_is_not_the_last(
    users: SlowUsers, tmp_path: Path
) -> None:
    """Or nobody would look whether the lease is over (L3)."""
    store = open_inbox(tmp_path / "other.sqlite", SHARDS)
    renew, failing = store.renew, [KeyError("a bug")]
    renewed = asyncio.Event()

    async def fails_once(incarnation: Incarnation) -> None:
        if failing:
            raise failing.pop()
        await renew(incarnation)
        renewed.set()

    store.renew = fails_once  # type: ignore[method-assign]
    router = Router(store, users, MemoryPresence(boot_clock), MemoryEvents(), shards=SHARDS)
    await router.start()
    async with asyncio.timeout(30):
        await renewed.wait()
    await router.stop()
    await store.close()


async def test_no_take_asks_for_more_shards_than_one_look_may_and_all_are_had(
    users: SlowUsers, tmp_path: Path
) -> None:
    """Or the renewal of the lease would wait behind all of them."""
    store, asked = open_inbox(tmp_path / "many.sqlite", limits.SHARDS), list[int]()
    take = store.take

    async def counted(life: Incarnation, shards: Sequence[ShardId]) -> Sequence[Taken]:
        asked.append(len(shards))
        return await take(life, shards)

    store.take = counted  # type: ignore[method-assign, assignment]
    presence, events = MemoryPresence(boot_clock), MemoryEvents()
    router = Router(store, users, presence, events, members=MemoryMembers(), shards=limits.SHARDS)
    await router.start()
    await until(lambda: router.load() == limits.SHARDS)
    await router.stop()
    await store.close()
    assert max(asked) == limits.TAKE_AT_ONCE
    assert sum(asked) == limits.SHARDS
