"""Kafka killed and stopped: publishing never waits, hints are counted, no audit event is lost."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from signet.adapters.events_kafka import KafkaEvents, create_topics
from signet.core import limits
from signet.core.ids import UserId
from signet.ports.events import Event, Topic
from tests.support.lanes import Server, free_port

pytestmark = pytest.mark.lane("kafka")
SOON = 30.0
BUFFER = 100


class Dropped:
    """Counts, from any thread."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def dropped() -> Dropped:
    return Dropped()


@pytest.fixture
def prefix(kafka_server: Server) -> str:
    prefix = f"{uuid4().hex[:8]}."
    create_topics(kafka_server.url, partitions=1, replicas=1, prefix=prefix)
    return prefix


def open_events(url: str, spool: Path, prefix: str, dropped: Callable[[], None]) -> KafkaEvents:
    return KafkaEvents(url, spool, prefix=prefix, dropped=dropped, buffer=BUFFER, timeout_s=1.0)


def event(topic: Topic, at_ms: int) -> Event:
    return Event(topic, UserId(bytes(16)), "TEST", at_ms)


async def take_until(events: AsyncIterator[Event], at_ms: int) -> list[int]:
    """When what arrived had happened, until that one did."""
    arrived: list[int] = []
    async with asyncio.timeout(SOON):
        async for one in events:
            arrived.append(one.at_ms)
            if one.at_ms == at_ms:
                return arrived
    raise AssertionError("the subscription ended")


def first_times(arrived: list[int]) -> list[int]:
    """At least once: repeated ones left out."""
    return list(dict.fromkeys(arrived))


async def test_audit_events_published_while_kafka_is_dead_arrive_in_order_when_it_is_back(
    kafka_server: Server, tmp_path: Path, prefix: str, dropped: Dropped
) -> None:
    events = open_events(kafka_server.url, tmp_path, prefix, dropped)
    following = events.subscribe(Topic.AUDIT, "workers")
    events.publish(event(Topic.AUDIT, 0))
    assert await take_until(following, 0) == [0]
    kafka_server.kill()
    for at in range(1, 500):
        events.publish(event(Topic.AUDIT, at))
    await asyncio.to_thread(kafka_server.restart)
    assert first_times(await take_until(following, 499))[-499:] == list(range(1, 500))
    await events.close()


async def test_publishing_never_waits_while_kafka_is_stopped_and_lost_hints_are_counted(
    kafka_server: Server, tmp_path: Path, prefix: str, dropped: Dropped
) -> None:
    events = open_events(kafka_server.url, tmp_path, prefix, dropped)
    with kafka_server.paused():
        began = time.monotonic()
        for at in range(10 * BUFFER):
            events.publish(event(Topic.PUSH, at))
            events.publish(event(Topic.AUDIT, at))
        assert (time.monotonic() - began) / (20 * BUFFER) < 0.01
        assert dropped.count == 9 * BUFFER
        began = time.monotonic()
        await events.close()
        assert time.monotonic() - began < limits.EVENT_FLUSH + 20


async def test_closing_a_group_does_not_wait_for_a_stopped_kafka(
    kafka_server: Server, tmp_path: Path, prefix: str, dropped: Dropped
) -> None:
    events = open_events(kafka_server.url, tmp_path, prefix, dropped)
    following = events.subscribe(Topic.PUSH, "workers")
    events.publish(event(Topic.PUSH, 1))
    assert await take_until(following, 1) == [1]
    with kafka_server.paused():
        began = time.monotonic()
        await events.close()
        assert time.monotonic() - began < limits.EVENT_FLUSH + 20


async def test_hints_that_kafka_does_not_take_in_time_are_counted(
    tmp_path: Path, dropped: Dropped
) -> None:
    events = open_events(f"127.0.0.1:{free_port()}", tmp_path, "signet.", dropped)
    events.publish(event(Topic.PUSH, 1))
    async with asyncio.timeout(SOON):
        while not dropped.count:
            await asyncio.sleep(0.05)
    await events.close()


async def test_what_a_process_could_not_send_is_sent_by_the_next(
    kafka_server: Server, tmp_path: Path, prefix: str, dropped: Dropped
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    before = open_events(nobody, tmp_path, prefix, dropped)
    for at in range(10):
        before.publish(event(Topic.AUDIT, at))
    await before.close()
    other = open_events(kafka_server.url, tmp_path / os.urandom(4).hex(), prefix, dropped)
    following = other.subscribe(Topic.AUDIT, "workers")
    after = open_events(kafka_server.url, tmp_path, prefix, dropped)
    assert first_times(await take_until(following, 9)) == list(range(10))
    await after.close()
    await other.close()
