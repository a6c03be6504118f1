"""What a device does in the course of time: the clock is the test's."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.client import Client, Kind, Message, Status, TimerChanged
from signet.client.device_store import Tx
from signet.client.store.messages import Line
from signet.core.ids import MessageId, UserId
from signet.core.limits import READ_RECEIPT_IDS
from signet.e2e.limits import KEEP_REPLACED_DAYS, ROTATE_DAYS
from signet.v1.content_pb2 import Text
from tests.support.people import Person, running
from tests.support.small_world import DAY, SmallWorld

Two = tuple[Person, Person]
LONG_LIVED = ("signed_pre_key", "last_resort_kyber_pre_key")


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return SmallWorld(tmp_path)


@pytest.fixture
async def two(world: SmallWorld) -> AsyncIterator[Two]:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice) as a, running(bob) as b:
        yield a, b


async def texts(client: Client, peer: UserId) -> list[str]:
    return [message.text for message in await client.history(peer)]


async def stored(client: Client, message_id: MessageId) -> Message | None:
    """What is on disk, whatever the client would show."""
    return await client._store.run(lambda tx: tx.messages.get(message_id))


# --- disappearing messages --------------------------------------------------------------------


async def test_messages_disappear_so_long_after_they_were_sent_and_read(
    two: Two, world: SmallWorld
) -> None:
    alice, bob = two
    a, b = alice.client.user_id, bob.client.user_id
    await alice.client.send(b, "stays")
    await alice.client.set_disappearing_timer(b, 60)
    secret = await alice.client.send(b, "secret")
    assert await bob.reads(2) == ["stays", "secret"]
    assert [event.seconds for event in await bob.hears(TimerChanged)] == [60]
    world.now += 61
    assert await texts(alice.client, b) == ["stays"]
    assert await texts(bob.client, a) == ["stays", "secret"]  # Bob has not read it
    await bob.client.mark_read(a)
    assert (await bob.client.message(secret.id)).expires_ms == int((world.now + 60) * 1000)
    world.now += 59
    assert await texts(bob.client, a) == ["stays", "secret"]
    world.now += 2
    assert await texts(bob.client, a) == ["stays"]
    assert await bob.client.unread() == []


async def test_both_follow_a_timer_that_one_of_them_set(two: Two, world: SmallWorld) -> None:
    alice, bob = two
    a, b = alice.client.user_id, bob.client.user_id
    await alice.client.set_disappearing_timer(b, 60)
    await bob.hears(TimerChanged)
    await bob.client.send(a, "answer")
    await alice.reads(1)
    await alice.client.set_disappearing_timer(b, 0)
    await alice.client.send(b, "for ever")
    await bob.reads(1)
    await alice.client.mark_read(b)
    world.now += 61
    assert await texts(alice.client, b) == ["for ever"]
    assert await texts(bob.client, a) == ["for ever"]


async def test_what_disappeared_is_deleted_though_nobody_looks(two: Two, world: SmallWorld) -> None:
    alice, bob = two
    a, b = alice.client.user_id, bob.client.user_id
    await alice.client.set_disappearing_timer(b, 60)
    secret = await alice.client.send(b, "secret")
    await bob.reads(1)
    await bob.client.react(secret.id, "👍")
    await bob.client.mark_read(a)
    await alice.client.wait_status(secret.id, Status.READ)
    world.now += 61
    for person in two:
        person.client._engine.upkeep.expiry_changed()
        async with asyncio.timeout(10):
            while await stored(person.client, secret.id) is not None:
                pass  # each look waits for the store, whose jobs run in order
    left = await bob.client._store.run(
        lambda tx: tx.messages._db.execute("SELECT * FROM reactions").fetchall()
    )
    assert left == []


async def test_a_message_that_disappeared_before_the_application_saw_it_is_not_told(
    world: SmallWorld,
) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    async with running(alice) as a:
        await alice.set_disappearing_timer(bob.user_id, 60)
        async with running(bob, confirming=False) as b:
            await alice.send(bob.user_id, "secret")
            await b.reads(1)
            await bob.mark_read(alice.user_id)
        world.now += 61
        again = await Client.open(store=world.folder / "bob", environment=world.environment)
        await again._store.run(lambda tx: tx.messages.expire(again._env.now_ms()))
        async with running(again) as b:
            await again.send(alice.user_id, "done")
            await a.reads(1)
            assert [type(event).__name__ for event in b.told if hasattr(event, "message")] == []


# --- READ -------------------------------------------------------------------------------------


async def test_what_is_read_in_one_glance_is_told_in_one_message(
    two: Two, world: SmallWorld
) -> None:
    alice, bob = two
    a, b = alice.client.user_id, bob.client.user_id
    sent = [await alice.client.send(b, str(number)) for number in range(30)]
    await bob.reads(30)
    before = len(world.server.sends)
    for message in sent:
        await bob.client.mark_read(a, [message.id])
        await bob.client.mark_read(a, [message.id])  # no news
    for message in sent:
        await alice.client.wait_status(message.id, Status.READ)
    assert len([s for s in world.server.sends[before:] if s.to == a]) <= 2


async def test_a_receipt_names_so_many_at_most(two: Two, world: SmallWorld) -> None:
    alice, bob = two
    a, b = alice.client.user_id, bob.client.user_id

    def fill(tx: Tx) -> None:
        for _ in range(2 * READ_RECEIPT_IDS + 9):
            tx.messages.put(
                Line(
                    id=MessageId(os.urandom(16)),
                    peer=a,
                    author=a,
                    kind=Kind.TEXT,
                    outgoing=False,
                    status=Status.DELIVERED,
                    clock_ms=0,
                    received_ms=0,
                    body=Text(text="old"),
                )
            )

    await bob.client._store.run(fill)
    last = await alice.client.send(b, "last")
    await bob.reads(1)
    before = len(world.server.sends)
    await bob.client.mark_read(a)
    await alice.client.wait_status(last.id, Status.READ)
    assert len([s for s in world.server.sends[before:] if s.to == a]) == 3


# --- pre-keys ---------------------------------------------------------------------------------


async def test_long_lived_keys_are_replaced_by_age_and_kept_for_late_first_messages(
    two: Two, world: SmallWorld
) -> None:
    alice, bob = two
    b = bob.client.user_id
    device = world.server.users[b].devices[1]
    old = {**device.keys, "pre_keys": [], "kyber_pre_keys": []}
    world.now += ROTATE_DAYS * DAY - 60
    await bob.client.refresh_keys()
    assert world.server.uploads == []
    world.now += 120
    await bob.client.refresh_keys()
    (upload,) = world.server.uploads
    for kind in LONG_LIVED:
        assert upload[kind]["id"] > old[kind]["id"]
    assert (upload["pre_keys"], upload["kyber_pre_keys"]) == ([], [])
    device.keys = dict(old)  # what somebody fetched before
    await alice.client.send(b, "late")
    assert await bob.reads(1) == ["late"]

    async def private_halves() -> list[object]:
        signed, kyber = (int(old[kind]["id"]) for kind in LONG_LIVED)
        return await bob.client._store.run(
            lambda tx: [tx.pre_keys.signed(signed), tx.pre_keys.kyber(kyber)]
        )

    assert None not in await private_halves()
    world.now += KEEP_REPLACED_DAYS * DAY + 60
    await bob.client.refresh_keys()
    assert await private_halves() == [None, None]


async def test_a_new_stream_is_a_time_to_look_after_the_keys(two: Two, world: SmallWorld) -> None:
    alice, _ = two
    world.now += (ROTATE_DAYS + 1) * DAY
    world.server.cut(alice.client.user_id)
    async with asyncio.timeout(10):
        await world.server.uploaded.wait()
    assert "signed_pre_key" in world.server.uploads[0]


async def test_what_the_keys_service_missed_is_done_with_the_next_stream(
    two: Two, world: SmallWorld
) -> None:
    alice, _ = two
    world.now += (ROTATE_DAYS + 1) * DAY
    world.server.keys_down = True
    async with asyncio.timeout(10):
        world.server.cut(alice.client.user_id)
        await world.server.missed.wait()
        world.server.keys_down = False
        while not world.server.uploaded.is_set():
            online = len(world.server.hellos)
            world.server.cut(alice.client.user_id)
            await alice.until(lambda: len(world.server.hellos) > online)  # noqa: B023
            await alice.client.wait_online()
    assert "signed_pre_key" in world.server.uploads[0]
