"""What crosses a wait inside a router: streams that end meanwhile, shards that leave, peers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import SqliteInbox, open_inbox
from signet.adapters.members_memory import MemoryMembers
from signet.adapters.presence_memory import MemoryPresence
from signet.core.link import ToRouter, WatchUsers
from signet.core.shards import shard_of
from signet.ports.inbox import StoreUnavailable
from signet.router.router import Router, boot_clock
from tests.unit.router.test_handover import (
    ALICE,
    BOB,
    SHARDS,
    Listener,
    SlowUsers,
    connected,
    give_away,
    until,
)


@pytest.fixture
async def users() -> SlowUsers:
    known = SlowUsers()
    for user in (ALICE, BOB):
        known.add(user)
    return known


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteInbox]:
    opened = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    yield opened
    await opened.close()


@pytest.fixture
def ended() -> list[str]:
    """Said when the router's life was ended."""
    return []


@pytest.fixture
async def router(users: SlowUsers, store: SqliteInbox, ended: list[str]) -> AsyncIterator[Router]:
    started = Router(
        store,
        users,
        MemoryPresence(boot_clock),
        MemoryEvents(),
        members=MemoryMembers(),
        shards=SHARDS,
        lost=lambda: ended.append("lost"),
    )
    await started.start()
    await until(lambda: started.load() == SHARDS)
    yield started
    await started.stop()


async def loaded(router: Router, user: bytes) -> None:
    await until(lambda: router._context.people.known(user) is not None)  # type: ignore[arg-type]
    await router._durable()


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
    await router._durable()
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
    await router._durable()
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
    await router._durable()
    presences = router._presences
    assert (presences._watched, dict(presences._watching)) == ({}, {})


async def test_nothing_is_kept_of_watchers_of_a_shard_that_was_given_away(router: Router) -> None:
    alice = await connected(router, ALICE)
    alice.link.submit([ToRouter(shard_of(BOB, SHARDS), WatchUsers(7, alice.address, (BOB,)))])
    await router._durable()
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
    await router._durable()
    router._context.leaving.discard(shard)
    assert router.status()["attached"] == 0
    assert bob.not_owners == []
