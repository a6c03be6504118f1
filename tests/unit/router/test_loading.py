"""How people are loaded: who waits for whom, and how long. The clock is virtual."""

import asyncio
from collections.abc import Sequence, Set

from signet.core import limits
from signet.core.ids import START, DeviceId, Epoch, Position, ShardId, UserId
from signet.core.shards import shard_of
from signet.ports.inbox import Entry, Head, StoreUnavailable
from signet.ports.users import User
from signet.router.people import People, Person
from tests.support.known_users import KnownUsers
from tests.support.virtual_time import in_virtual_time

SHARDS = 8
MANY = [UserId(bytes([number]) * 16) for number in range(200)]
ANN = MANY[0]


def of(shards: Set[int]) -> list[UserId]:
    return [user for user in MANY if shard_of(user, SHARDS) in shards]


class Inboxes:
    """A store: `recovering` shards raise, a second later, and a read of items takes a second."""

    def __init__(self, items: int = 0) -> None:
        self.recovering: set[int] = set()
        self.items, self.asked = items, 0
        self.reading = self.most_at_once = 0

    async def heads(self, devices: Sequence[DeviceId]) -> Sequence[Head]:
        self.asked += 1
        if any(shard_of(device.user, SHARDS) in self.recovering for device in devices):
            await asyncio.sleep(limits.STORE_PATIENCE)
            raise StoreUnavailable("it is not recovered yet")
        last = Position(1, self.items) if self.items else START
        return [Head(device, last, START, items=self.items) for device in devices]

    async def newest(self, device: DeviceId, items: int, size: int) -> Sequence[Entry]:
        self.reading += 1
        self.most_at_once = max(self.most_at_once, self.reading)
        await asyncio.sleep(1.0)
        self.reading -= 1
        return [Entry(device, Position(1, 1), 1, b"")]


class SlowUsers(KnownUsers):
    """A read of the directory takes a second; it brings what was there at its beginning."""

    async def load(self, users: Sequence[UserId]) -> dict[UserId, User]:
        found = await super().load(users)
        await asyncio.sleep(1.0)
        return found


def people_of(store: Inboxes, users: KnownUsers | None = None) -> People:
    users = users or KnownUsers()
    for user in MANY:
        users.add(user)
    return People(
        users,
        store,  # type: ignore[arg-type] # as much of a store as people ask
        asyncio.get_running_loop().time,
        lambda _device, _entries: None,
        lambda user: shard_of(user, SHARDS),
        {ShardId(shard): Epoch(1) for shard in range(SHARDS)},
    )


async def here_after(people: People, users: Sequence[UserId], seconds: float) -> set[UserId]:
    """Who was loaded by then."""
    here: list[Person] = []
    for user in users:
        people.with_person(user, here.append)
    await asyncio.sleep(seconds)
    return {person.id for person in here}


@in_virtual_time
async def test_a_shard_that_is_being_recovered_holds_up_nobody_of_another() -> None:
    store = Inboxes()
    store.recovering = {3}
    people = people_of(store)
    there, others = of({3}), of(set(range(SHARDS)) - {3})
    half = len(others) // 2
    assert await here_after(people, [*there, *others[:half]], 1.2) == set(others[:half])
    # those who come later do not even wait for the first failure
    assert await here_after(people, [*there, *others[half:]], 0.1) == set(others[half:])
    store.recovering = set()
    assert await here_after(people, there, 2.5) == set(there)
    assert all(people.known(user) is not None for user in MANY)
    await people.stop()


@in_virtual_time
async def test_while_the_whole_store_is_away_the_directory_is_asked_once() -> None:
    store, users = Inboxes(), KnownUsers()
    store.recovering = set(range(SHARDS))
    people = people_of(store, users)
    assert await here_after(people, MANY, 30.0) == set()
    assert set(users.reads.values()) == {1}
    assert store.asked < 30 * SHARDS
    store.recovering = set()
    await asyncio.sleep(2.5)
    assert len(people) == len(MANY)
    await people.stop()


@in_virtual_time
async def test_what_earlier_lives_took_is_read_many_at_once_and_not_all_at_once() -> None:
    store = Inboxes(items=3)
    people = people_of(store)
    rounds = -(-len(MANY) // limits.NEWEST_AT_ONCE)  # one after the other it took len(MANY)
    assert await here_after(people, MANY, rounds - 0.5) == set()
    assert await here_after(people, MANY, 1.0) == set(MANY)
    assert store.most_at_once == limits.NEWEST_AT_ONCE
    await people.stop()


@in_virtual_time
async def test_who_asks_anew_while_a_load_is_under_way_gets_a_younger_copy_and_others_wait() -> (
    None
):
    """The load under way may have read what was there before the change that is asked for."""
    users = SlowUsers()
    people = people_of(Inboxes(), users)
    seen: list[tuple[str, dict[int, int]]] = []

    def note(name: str, person: Person) -> None:
        assert person.user is not None
        seen.append((name, dict(person.user.devices)))

    people.with_person(ANN, lambda person: note("first", person))
    await asyncio.sleep(0.5)
    users.add(ANN, {1: 11, 2: 12})
    people.with_person(ANN, lambda person: note("second", person))
    people.with_person(ANN, lambda person: note("fresh", person), fresh=True)
    people.with_person(ANN, lambda person: note("behind it", person))
    await asyncio.sleep(5.0)
    old, new = {1: 11}, {1: 11, 2: 12}
    assert seen == [("first", old), ("second", old), ("fresh", new), ("behind it", new)]
    await people.stop()


@in_virtual_time
async def test_shards_that_are_given_away_leave_nobody_of_theirs_and_all_others() -> None:
    people = people_of(Inboxes())
    await here_after(people, MANY, 1.0)
    gone = people.forget_shards({ShardId(1), ShardId(5)})
    assert {person.id for person in gone} == set(of({1, 5}))
    assert {user for user in MANY if people.known(user)} == set(MANY) - set(of({1, 5}))
    assert people.forget_shards({ShardId(1), ShardId(5)}) == []
    await people.stop()
