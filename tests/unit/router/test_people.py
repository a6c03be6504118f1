"""Who stays in an owner's memory, and what a failure there costs the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from signet.adapters.inbox_sqlite import SqliteInbox, open_inbox
from signet.core.ids import DeviceId, Epoch, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import Entry
from signet.ports.users import User
from signet.router.people import People, Person
from tests.support.known_users import KnownUsers

SHARDS = 4
MOST = 20
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))
MANY = [UserId(bytes([number]) * 16) for number in range(100)]


class Counted(People):
    """Counts how often it asks whether somebody may be forgotten."""

    looked = 0

    def _is_idle(self, person: Person) -> bool:
        self.looked += 1
        return super()._is_idle(person)


class FailingUsers(KnownUsers):
    """A fault: it fails once in a way that it does not promise."""

    failing = True

    async def load(self, users: Sequence[UserId]) -> dict[UserId, User]:
        if self.failing:
            self.failing = False
            raise ValueError("a bug")
        return await super().load(users)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteInbox]:
    opened = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    yield opened
    await opened.close()


def people_of(
    store: SqliteInbox, users: KnownUsers, restore: list[DeviceId] | None = None
) -> Counted:
    for user in (ALICE, BOB, *MANY):
        users.add(user)
    epochs = {ShardId(shard): Epoch(1) for shard in range(SHARDS)}

    def restored(device: DeviceId, _: Sequence[Entry]) -> None:
        if restore is not None and device in restore:
            raise ValueError("what is stored cannot be read")

    return Counted(
        users,
        store,
        asyncio.get_running_loop().time,
        restored,
        lambda user: shard_of(user, SHARDS),
        epochs,
        most=MOST,
    )


async def load(people: People, *users: UserId) -> list[Person]:
    """Until all of them are here."""
    here: list[Person] = []
    for user in users:
        people.with_person(user, here.append)
    async with asyncio.timeout(10):
        while len(here) < len(users):
            await asyncio.sleep(0.01)
    return here


async def test_who_is_just_attaching_is_not_forgotten(store: SqliteInbox) -> None:
    """Their session would be in an inbox that nothing is delivered to."""
    people = people_of(store, KnownUsers())
    (bob,) = await load(people, BOB)
    bob.inboxes[1].connecting += 1
    await load(people, *MANY)
    assert people.known(BOB) is bob
    bob.inboxes[1].connecting -= 1
    await load(people, ALICE, *MANY)
    assert people.known(BOB) is None


async def test_a_memory_full_of_attached_people_is_not_looked_through_at_each_load(
    store: SqliteInbox,
) -> None:
    people = people_of(store, KnownUsers())

    def attaches(person: Person) -> None:
        person.inboxes[1].connecting += 1

    for user in MANY[: 2 * MOST]:
        people.with_person(user, attaches)
    await load(people, ALICE)
    assert people.looked > 0
    people.looked = 0
    for user in MANY[2 * MOST : 2 * MOST + 3]:
        await load(people, user)
    assert people.looked == 0
    await load(people, *MANY)
    assert people.looked > 0


async def test_a_directory_that_fails_as_it_does_not_promise_is_asked_again(
    store: SqliteInbox,
) -> None:
    people = people_of(store, FailingUsers())
    with capture_logs() as logs:
        await load(people, BOB)
    assert [entry["log_level"] for entry in logs] == ["error"]


async def test_what_is_stored_for_one_and_cannot_be_read_stops_nobody(store: SqliteInbox) -> None:
    people = people_of(store, KnownUsers(), [DeviceId(BOB, 1)])
    with capture_logs() as logs:
        await load(people, BOB, ALICE)
    assert [entry["log_level"] for entry in logs] == ["error"]
