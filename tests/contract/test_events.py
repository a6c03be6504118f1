"""What ports/events.py says may be relied upon, on every adapter."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import pytest

from signet.adapters.events_kafka import KafkaEvents, create_topics
from signet.adapters.events_memory import MemoryEvents
from signet.adapters.events_sqlite import SqliteEvents
from signet.core.ids import UserId
from signet.ports.events import Event, Events, Topic
from tests.support.lanes import Server

SOON = 60.0
Open = Callable[[], Events]


@pytest.fixture
async def open_events(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens one process's events; all of one test share what is behind them."""
    opened: list[Events] = []
    open_one: Open = request.getfixturevalue(f"{request.param}_events")

    def open_process() -> Events:
        opened.append(open_one())
        return opened[-1]

    yield open_process
    await asyncio.gather(*(events.close() for events in opened))


@pytest.fixture
def memory_events() -> Open:
    """Within one process there is one buffer, so all get the one object."""
    events = MemoryEvents()
    return lambda: events


@pytest.fixture
def sqlite_events(tmp_path: Path) -> Open:
    return lambda: SqliteEvents(
        tmp_path / "events.sqlite", tmp_path / uuid4().hex, dropped=lambda: None
    )


@pytest.fixture
def kafka_events(kafka_server: Server, tmp_path: Path) -> Open:
    prefix = f"{uuid4().hex[:8]}."
    create_topics(kafka_server.url, partitions=2, replicas=1, prefix=prefix)
    return lambda: KafkaEvents(
        kafka_server.url, tmp_path / uuid4().hex, prefix=prefix, dropped=lambda: None
    )


every_adapter = pytest.mark.parametrize(
    "open_events",
    ["memory", "sqlite", pytest.param("kafka", marks=pytest.mark.lane("kafka"))],
    indirect=True,
)


def hint(user: UserId, at_ms: int = 0) -> Event:
    return Event(Topic.PUSH, user, "NEW_MESSAGE", at_ms, device=3, urgent=True)


def audit(user: UserId, at_ms: int = 0) -> Event:
    return Event(Topic.AUDIT, user, "LOGIN", at_ms)


def someone() -> UserId:
    return UserId(os.urandom(16))


async def take(events: AsyncIterator[Event], count: int) -> list[Event]:
    async def collect() -> list[Event]:
        return [await anext(events) for _ in range(count)]

    return await soon(collect())


async def soon(wanted: Awaitable[list[Event]]) -> list[Event]:
    async with asyncio.timeout(SOON):
        return await wanted


@every_adapter
@pytest.mark.parametrize("event", [hint(someone(), 7), audit(someone(), 8)])
async def test_an_event_arrives_as_it_was_published(open_events: Open, event: Event) -> None:
    events = open_events()
    following = events.subscribe(event.topic, "workers")
    events.publish(event)
    assert await take(following, 1) == [event]


@every_adapter
async def test_every_group_gets_every_event_of_its_topic_alone(open_events: Open) -> None:
    here, there = open_events(), open_events()
    one = here.subscribe(Topic.PUSH, "one")
    two = there.subscribe(Topic.PUSH, "two")
    first, second = hint(someone()), hint(someone())
    for event in (audit(someone()), first, second):
        here.publish(event)
    for following in (one, two):
        assert {event.user for event in await take(following, 2)} == {first.user, second.user}


@every_adapter
@pytest.mark.parametrize("event_of", [hint, audit])
async def test_one_users_events_stay_in_order(
    open_events: Open, event_of: Callable[[UserId, int], Event]
) -> None:
    events = open_events()
    users = [someone() for _ in range(5)]
    following = events.subscribe(event_of(users[0], 0).topic, "workers")
    for at in range(100):
        for user in users:
            events.publish(event_of(user, at))
    arrived = await take(following, 500)
    for user in users:
        assert [event.at_ms for event in arrived if event.user == user] == list(range(100))


@pytest.mark.lane("kafka")
async def test_a_subscription_that_is_closed_is_not_kept(kafka_events: Open) -> None:
    events = kafka_events()
    assert isinstance(events, KafkaEvents)
    for group in ("one", "two"):
        async with aclosing(events.subscribe(Topic.PUSH, group)) as following:  # type: ignore[type-var]
            arrived = asyncio.ensure_future(take(following, 1))
            while not arrived.done():
                events.publish(hint(someone()))
                await asyncio.wait([arrived], timeout=0.2)
        assert not events._subscriptions
    still = events.subscribe(Topic.PUSH, "three")
    assert len(events._subscriptions) == 1
    await events.close()
    assert not events._subscriptions
    assert [event async for event in still] == []


@every_adapter
async def test_a_group_that_comes_back_goes_on_where_it_was(open_events: Open) -> None:
    events = open_events()
    before, between, after = audit(someone(), 1), audit(someone(), 2), audit(someone(), 3)
    async with aclosing(events.subscribe(Topic.AUDIT, "workers")) as first:  # type: ignore[type-var]
        events.publish(before)
        assert await take(first, 1) == [before]
        events.publish(between)
        assert await take(first, 1) == [between]
    events.publish(after)
    async with aclosing(events.subscribe(Topic.AUDIT, "workers")) as again:  # type: ignore[type-var]
        arrived: list[Event] = []
        while after not in arrived:
            arrived += await take(again, 1)
    # what it had not asked beyond may come again
    assert arrived in ([after], [between, after])
