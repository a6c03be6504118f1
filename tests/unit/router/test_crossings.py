"""What crosses a wait inside a router: streams that end meanwhile, shards that leave, peers."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import SqliteInbox, open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core import limits
from signet.core.errors import Code
from signet.core.ids import START, DeviceId, Position, ShardId, UserId
from signet.core.link import Drop, ToRouter, WatchUsers
from signet.core.shards import shard_of
from signet.ports.inbox import Acknowledged, Batch, Connected, Head, StoreUnavailable
from signet.ports.peers import OwnersItem
from signet.ports.presence import Seen
from signet.router.peers import NoPeers
from signet.router.people import Inbox
from signet.router.router import Router
from signet.router.writer import Write
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
from tests.support.stalled_store import StalledStore

__all__ = ["ended", "router", "store", "users"]


async def loaded(router: Router, user: bytes) -> None:
    await until(lambda: router._context.people.known(user) is not None)  # type: ignore[arg-type]
    await router._changes.durable()


# --- streams that end while their Attach waits ------------------------------------------------


async def test_a_stream_that_ends_while_its_attach_waits_is_not_attached(
    router: Router, users: SlowUsers
) -> None:
    """Or its user would be online, and hinted by nobody, for as long as the link lives."""
    users.open.clear()
    bob = Listener(router, BOB)
    await bob.connect()
    await users.asked.wait()
    bob.detach()
    users.open.set()
    await loaded(router, BOB)
    assert router.status()["attached"] == 0
    assert bob.attached == []


async def test_a_link_that_is_lost_while_an_attach_waits_leaves_nobody_attached(
    router: Router, users: SlowUsers
) -> None:
    users.open.clear()
    bob = Listener(router, BOB)
    await bob.connect()
    await users.asked.wait()
    await bob.link.close()
    users.open.set()
    await loaded(router, BOB)
    assert router.status()["attached"] == 0


# --- what keys tells while a shard is given away ----------------------------------------------


async def test_a_device_that_is_removed_while_its_shard_leaves_ends_nobodys_life(
    router: Router, users: SlowUsers, ended: list[str]
) -> None:
    await connected(router, BOB)
    users.users[BOB] = replace(users.users[BOB], version=2, devices={}, generations={})
    users.open.clear()
    users.asked.clear()

    async def give_and_open() -> None:
        await users.asked.wait()
        await give_away(router, BOB)
        users.open.set()

    giving = router._spawn(give_and_open())
    with pytest.raises(StoreUnavailable):  # keys tells the next owner
        await router.changed(BOB)
    await giving
    await router._changes.durable()
    assert ended == []


async def test_a_take_over_of_an_account_is_not_called_told_when_its_shard_left(
    router: Router, users: SlowUsers, ended: list[str]
) -> None:
    users.written.add((ALICE, BOB))
    users.open.clear()

    async def give_and_open() -> None:
        await users.asked.wait()
        await give_away(router, BOB)
        users.open.set()

    giving = router._spawn(give_and_open())
    with pytest.raises(StoreUnavailable):
        await router.replaced(BOB, [1])
    await giving
    await router._changes.durable()
    assert ended == []


# --- watchers ---------------------------------------------------------------------------------


async def test_nothing_is_kept_of_streams_that_watched_somebody_and_are_gone(
    router: Router,
) -> None:
    alice = await connected(router, ALICE)
    shard = shard_of(BOB, SHARDS)
    for number in range(100, 120):  # streams whose own inboxes are another router's
        watching = WatchUsers(number, alice.address, (BOB,))
        alice.link.submit([ToRouter(shard, watching)])
        alice.link.submit([ToRouter(shard, replace(watching, users=()))])
    await router._changes.durable()
    presences = router._presences
    assert (presences._watched, dict(presences._watching)) == ({}, {})


async def test_nothing_is_kept_of_watchers_of_a_shard_that_was_given_away(router: Router) -> None:
    alice = await connected(router, ALICE)
    alice.link.submit([ToRouter(shard_of(BOB, SHARDS), WatchUsers(7, alice.address, (BOB,)))])
    await router._changes.durable()
    await give_away(router, BOB)
    presences = router._presences
    assert (presences._watched, dict(presences._watching)) == ({}, {})


# --- who owns what ----------------------------------------------------------------------------


async def test_a_router_never_names_itself_for_a_shard_that_it_does_not_serve(
    router: Router,
) -> None:
    """Its gateways would believe it, and send it the same again (L7)."""
    alice = await connected(router, ALICE)
    await router._ownership.look()  # the rows say that it owns all
    await give_away(router, BOB)
    alice.send(BOB, 1)
    await alice.until(lambda: bool(alice.not_owners))
    assert alice.not_owners[-1].owner is None


async def test_a_stream_that_ends_while_its_shard_is_kept_after_all_is_detached(
    router: Router,
) -> None:
    """The store was slow: the handover is given up, and the shard serves on."""
    bob = await connected(router, BOB)
    shard = shard_of(BOB, SHARDS)
    router._context.leaving.add(shard)
    bob.detach()
    await router._changes.durable()
    router._context.leaving.discard(shard)
    assert router.status()["attached"] == 0
    assert bob.not_owners == []


# --- receipts ---------------------------------------------------------------------------------


class SlowPeers(NoPeers):
    """Other owners, which answer when they are let."""

    def __init__(self) -> None:
        self.open, self.asked = asyncio.Event(), asyncio.Event()
        self.brought: list[OwnersItem] = []

    async def deliver(self, shard: ShardId, items: Sequence[OwnersItem]) -> None:
        self.asked.set()
        await self.open.wait()
        self.brought += items


@pytest.fixture
def peers(router: Router) -> SlowPeers:
    slow = SlowPeers()
    router._context.peers = slow
    return slow


async def acknowledges_messages_of_another_owner(router: Router, peers: SlowPeers) -> Device:
    """Bob has two messages of Alice, whose shard was given away, and acknowledges one."""
    alice, bob = await connected(router, ALICE), await connected(router, BOB)
    for ordinal in (1, 2):
        await alice.sent(BOB, ordinal)
    await bob.until(lambda: len(bob.items) == 2)
    await give_away(router, ALICE)
    first = bob.items[0].position
    bob.ack(Position(first.epoch, first.seq))
    await peers.asked.wait()
    return bob


async def test_what_waits_behind_anothers_owner_is_not_looked_at_with_each_ack(
    router: Router, peers: SlowPeers, store: SqliteInbox
) -> None:
    bob = await acknowledges_messages_of_another_owner(router, peers)
    bob.ack()
    await router._changes.durable()
    assert router._receipts._gathered == {}
    peers.open.set()
    await until(lambda: len(peers.brought) == 2)

    async def gone() -> bool:
        (head,) = await store.heads([bob.address.device])
        return head.items == 0

    async with asyncio.timeout(10):
        while not await gone():
            await asyncio.sleep(0.01)


async def test_a_peer_that_fails_in_a_way_it_does_not_promise_is_asked_again(
    router: Router, peers: SlowPeers
) -> None:
    """Else what the device acknowledges would never be written."""
    failing = [KeyError("a bug")]
    deliver = peers.deliver

    async def fails_once(shard: ShardId, items: Sequence[OwnersItem]) -> None:
        await deliver(shard, items)
        if failing:
            raise failing.pop()

    peers.deliver = fails_once  # type: ignore[method-assign]
    peers.open.set()
    with capture_logs() as logs:
        await acknowledges_messages_of_another_owner(router, peers)
        await until(lambda: len(peers.brought) == 2 and not router._receipts._busy)
    assert [entry["log_level"] for entry in logs if "exc_info" in entry] == ["error"]


async def test_items_that_a_peer_no_longer_waits_for_are_not_taken_later(
    router: Router, users: SlowUsers, store: SqliteInbox
) -> None:
    """It brings them again; each of its tries would be another copy."""
    users.open.clear()
    bringing = asyncio.ensure_future(router.deliver([OwnersItem(BOB, b"x", 1, 11)]))
    await users.asked.wait()
    bringing.cancel()
    await asyncio.wait([bringing])
    users.open.set()
    await loaded(router, BOB)
    assert await store.newest(Device(router, BOB).address.device, 9, 999) == []


# --- what is bounded --------------------------------------------------------------------------


async def test_sends_that_wait_for_the_directory_are_bounded_by_bytes(
    router: Router, users: SlowUsers
) -> None:
    """P7: while it is away every send is brought again and again."""
    alice = await connected(router, ALICE)
    users.open.clear()
    text = bytes(1024 * 1024)
    most = limits.MAX_UNWRITTEN // len(text)
    for ordinal in range(1, most + 2):
        alice.send(BOB, ordinal, base=1, text=text)
    await alice.until(lambda: bool(alice.answers))
    assert [(a.code, a.ordinal) for a in alice.answers] == [(Code.STORE_UNAVAILABLE, most + 1)]
    users.open.set()
    await loaded(router, BOB)
    await alice.until(lambda: len(alice.answers) == most + 1)
    assert router._sends._waiting_bytes == 0


async def test_one_append_gathers_a_bounded_number_of_notes(
    router: Router, store: SqliteInbox
) -> None:
    """All devices of a dead router come at once; their counters are notes without a body."""
    counts: list[int] = []
    append = store.append

    async def counted(batches: Sequence[Batch]) -> None:
        counts.append(sum(len(b.connected) + len(b.acknowledged) for b in batches))
        await append(batches)

    store.append = counted  # type: ignore[method-assign]
    shard, device = shard_of(BOB, SHARDS), DeviceId(BOB, 1)
    for number in range(limits.APPEND_ITEMS + 1):
        note = Connected(device, number, (number,))
        router._context.writer.add(Write(connected=[(shard, note)]))
        router._context.writer.add(Write(acknowledged=[(shard, Acknowledged(device, START))]))
    await router._changes.durable()
    assert max(counts) <= limits.APPEND_ITEMS


async def test_presence_of_many_is_written_in_parts(router: Router) -> None:
    """One call for all would take seconds of the loop's time, and the lease with it."""
    parts: list[int] = []
    put = router._context.presence.put

    async def counted(seen: Sequence[Seen], ttl_s: float) -> None:
        parts.append(len(seen))
        await put(seen, ttl_s)

    router._context.presence.put = counted  # type: ignore[method-assign]
    many = [UserId(number.to_bytes(16, "big")) for number in range(3 * limits.PRESENCE_AT_ONCE)]
    for number, user in enumerate(many):
        inbox = Inbox.of(Head(DeviceId(user, 1), START, START))
        router._context.sessions[99, number] = inbox
    await router._presences.refresh()
    assert (sum(parts), max(parts)) == (len(many), limits.PRESENCE_AT_ONCE)


# --- what waits for a store that does not answer ----------------------------------------------


async def test_new_streams_are_refused_where_too_much_is_not_written_and_others_go_on(
    users: SlowUsers, tmp_path: Path
) -> None:
    """Each one is another note that waits: they would come again and again, and pile up."""
    inbox = open_inbox(tmp_path / "stalled.sqlite", SHARDS)
    store = StalledStore(inbox)
    router = Router(
        store,
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        shards=SHARDS,
        alone=True,
        lease_s=float("inf"),
    )
    await router.start()
    alice, bob = await connected(router, ALICE), Listener(router, BOB)
    store.stall()
    shard, device = shard_of(ALICE, SHARDS), DeviceId(ALICE, 1)
    note = Write(connected=[(shard, Connected(device, alice.counter, ()))] * limits.APPEND_ITEMS)
    for _ in range(limits.MAX_UNWRITTEN // note.size + 1):
        router._context.writer.add(note)
    await bob.connect()
    await bob.until(lambda: bool(bob.drops))
    assert bob.drops == [Drop(1, Code.STORE_UNAVAILABLE, limits.STORE_RETRY_AFTER)]
    await alice.connect(again=True)  # a stream that is there comes again with its link
    store.let_go()
    await until(lambda: router._context.writer.pending_bytes == 0)
    await alice.until(lambda: len(alice.attached) == 2)
    await bob.connect()
    await bob.until(bob.caught_up)
    await router.stop()
    await inbox.close()
