"""Push workers of one group on a real Kafka: they share the work, and one is killed."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from signet.adapters.events_kafka import KafkaEvents, create_topics
from signet.core.ids import UserId
from signet.core.push_hints import token_of
from signet.ports.events import Event, Topic
from signet.telemetry import metrics
from tests.support.lanes import Server
from tests.support.push_receiver import Receiver, receiving

pytestmark = [pytest.mark.lane("kafka"), pytest.mark.timeout(180)]
SOON = 90.0
PARTITIONS = 4
KEY = os.urandom(32)


@asynccontextmanager
async def worker(
    kafka: Server, prefix: str, folder: Path, receiver: Receiver, name: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker whose wake-ups arrive at /`name`."""
    arguments = [kafka.url, prefix, str(folder / name), _url(receiver, name), KEY.hex()]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.push_process",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"started\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _url(receiver: Receiver, name: str) -> str:
    return receiver.url.replace("/wake?app=chat", f"/{name}")


def woken_by(receiver: Receiver, name: str) -> set[str]:
    return {one.fields["token"] for one in receiver.requests if one.path == f"/{name}"}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.05)


async def publish_until(events: KafkaEvents, condition: Callable[[], bool]) -> None:
    """Hints for more and more new users: which worker a user comes to is Kafka's choice."""
    async with asyncio.timeout(SOON):
        while not condition():
            publish(events, 4)
            await asyncio.sleep(0.2)


def publish(events: KafkaEvents, count: int) -> set[str]:
    """Hints for so many new users; their tokens."""
    users = [UserId(os.urandom(16)) for _ in range(count)]
    for user in users:
        events.publish(Event(Topic.PUSH, user, "NEW_MESSAGE", time.time_ns() // 1_000_000))
    return {token_of(KEY, user) for user in users}


async def test_two_workers_share_the_work_and_one_takes_over_what_a_killed_one_had(
    kafka_server: Server, tmp_path: Path
) -> None:
    prefix = f"{uuid4().hex[:8]}."
    create_topics(kafka_server.url, partitions=PARTITIONS, replicas=1, prefix=prefix)
    dropped = metrics.EVENTS_DROPPED.inc
    events = KafkaEvents(kafka_server.url, tmp_path / "us", prefix=prefix, dropped=dropped)
    receiver = Receiver()
    async with (
        receiving(receiver),
        worker(kafka_server, prefix, tmp_path, receiver, "one") as one,
        worker(kafka_server, prefix, tmp_path, receiver, "two"),
    ):
        await publish_until(
            events, lambda: all(woken_by(receiver, name) for name in ("one", "two"))
        )
        shared = publish(events, 40)
        await until(lambda: shared <= woken_by(receiver, "one") | woken_by(receiver, "two"))
        assert shared & woken_by(receiver, "one")
        assert shared & woken_by(receiver, "two")
        assert all(request.is_signed(KEY) for request in receiver.requests)

        one.kill()
        await one.wait()
        before = set(woken_by(receiver, "one"))
        after = publish(events, 40)
        await until(lambda: after <= woken_by(receiver, "two"))
        assert woken_by(receiver, "one") == before
    await events.close()


async def test_a_worker_that_is_stopped_gives_its_hints_to_the_other(
    kafka_server: Server, tmp_path: Path
) -> None:
    """What waits for its period goes back to Kafka, and whoever has the partition wakes for it."""
    prefix = f"{uuid4().hex[:8]}."
    create_topics(kafka_server.url, partitions=1, replicas=1, prefix=prefix)
    dropped = metrics.EVENTS_DROPPED.inc
    events = KafkaEvents(kafka_server.url, tmp_path / "us", prefix=prefix, dropped=dropped)
    receiver = Receiver()
    ann = UserId(os.urandom(16))
    at_ms = time.time_ns() // 1_000_000
    async with receiving(receiver):
        async with worker(kafka_server, prefix, tmp_path, receiver, "one") as one:
            await publish_until(events, lambda: bool(woken_by(receiver, "one")))
            events.publish(Event(Topic.PUSH, ann, "NEW_MESSAGE", at_ms))
            await until(lambda: token_of(KEY, ann) in woken_by(receiver, "one"))
            events.publish(Event(Topic.PUSH, ann, "NEW_MESSAGE", at_ms))  # waits for the period
            last = publish(events, 1)  # behind it in the one partition
            await until(lambda: last <= woken_by(receiver, "one"))
            assert one.stdin is not None
            one.stdin.close()
            assert await asyncio.wait_for(one.wait(), SOON) == 0
        async with worker(kafka_server, prefix, tmp_path, receiver, "two"):
            await until(lambda: token_of(KEY, ann) in woken_by(receiver, "two"))
    await events.close()
