"""Events in SQLite: processes die, the file is locked; none waits, no audit event is lost."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from signet.adapters.events_sqlite import SqliteEvents
from signet.core import limits
from signet.ports.events import Event, Topic
from tests.faults.test_sqlite_shared import SOON, a_process, locked, said
from tests.support.sqlite_process import CLAIM_S, an_event, open_events

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
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


async def take_until(events: AsyncIterator[Event], at_ms: int) -> list[int]:
    """When what arrived had happened, until that one did."""
    arrived: list[int] = []
    async with asyncio.timeout(SOON):
        async for one in events:
            arrived.append(one.at_ms)
            if one.at_ms == at_ms:
                return arrived
    raise AssertionError("the subscription ended")


async def eventually(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not found():
            await asyncio.sleep(0.02)


def first_times(arrived: list[int]) -> list[int]:
    """At least once: repeated ones left out."""
    return list(dict.fromkeys(arrived))


async def test_what_a_killed_process_had_published_arrives_with_its_next_life(
    path: Path, tmp_path: Path
) -> None:
    events = open_events(path, tmp_path / "reader")
    following = events.subscribe(Topic.AUDIT, "workers")
    events.publish(an_event(0))
    assert await take_until(following, 0) == [0]
    published = 0
    with a_process("publish", str(path), str(tmp_path / "spool")) as child:
        while published < 300:
            published = int(await asyncio.to_thread(said, child))
    again = open_events(path, tmp_path / "spool")
    arrived = await take_until(following, published)
    assert first_times(arrived)[:published] == list(range(1, published + 1))
    await again.close()
    await events.close()


async def test_what_a_killed_process_had_taken_is_taken_by_another_of_its_group(
    path: Path, tmp_path: Path
) -> None:
    events = open_events(path, tmp_path / "publisher")
    with a_process("take", str(path), str(tmp_path / "spool")) as child:
        reading = asyncio.create_task(asyncio.to_thread(said, child))
        while not reading.done():  # until its group is there
            events.publish(an_event(1))
            await asyncio.wait([reading], timeout=0.1)
        for at in range(2, 1_000):
            events.publish(an_event(at))
        taken = [1]
        while taken[-1] < 100:
            taken.append(int(await asyncio.to_thread(said, child)))
        child.kill()
        assert child.stdout is not None
        taken += [int(line) for line in await asyncio.to_thread(child.stdout.readlines)]
    arrived = await take_until(events.subscribe(Topic.AUDIT, "workers"), 999)
    assert first_times(taken + arrived) == list(range(1, 1_000))
    assert arrived == sorted(arrived)
    await events.close()


async def test_two_of_one_group_share_its_events_in_order(path: Path, tmp_path: Path) -> None:
    processes = [open_events(path, tmp_path / str(number), SOON) for number in range(3)]
    arrived: list[int] = []

    async def follow(events: SqliteEvents) -> None:
        async for event in events.subscribe(Topic.PUSH, "workers"):
            arrived.append(event.at_ms)
            await asyncio.sleep(0)  # the other has its turn

    following = [asyncio.create_task(follow(events)) for events in processes[1:]]
    processes[0].publish(an_event(0, Topic.PUSH))
    await eventually(lambda: arrived == [0])
    for at in range(1, 1_000):
        processes[0].publish(an_event(at, Topic.PUSH))
        if at % 100 == 0:
            await asyncio.sleep(0.01)
    await eventually(lambda: len(arrived) >= 1_000)
    assert arrived == list(range(1_000))
    for events in processes:
        await events.close()
    await asyncio.gather(*following)


async def test_a_claim_stands_however_long_its_process_takes(path: Path, tmp_path: Path) -> None:
    here, there = (open_events(path, tmp_path / name) for name in ("here", "there"))
    raw = sqlite3.connect(path)

    def claim() -> tuple[bytes, int]:
        (row,) = raw.execute("SELECT holder, ends_ms FROM follower").fetchall()
        return row[0], row[1]

    async with aclosing(here.subscribe(Topic.PUSH, "workers")) as slow:  # type: ignore[type-var]
        here.publish(an_event(1, Topic.PUSH))
        async with asyncio.timeout(SOON):
            assert (await anext(slow)).at_ms == 1
        holder, ends_ms = claim()
        await eventually(lambda: claim()[1] > ends_ms + CLAIM_S * 1000)
        assert claim()[0] == holder
    raw.close()
    # it was given back, and never dealt with
    assert await take_until(there.subscribe(Topic.PUSH, "workers"), 1) == [1]
    await here.close()
    await there.close()


async def test_publishing_never_waits_for_a_locked_file_and_lost_hints_are_counted(
    path: Path, tmp_path: Path, dropped: Dropped
) -> None:
    events = SqliteEvents(path, tmp_path / "spool", dropped=dropped, buffer=BUFFER)
    hints = events.subscribe(Topic.PUSH, "workers")
    audit = events.subscribe(Topic.AUDIT, "workers")
    for topic, following in ((Topic.PUSH, hints), (Topic.AUDIT, audit)):
        events.publish(an_event(0, topic))
        assert await take_until(following, 0) == [0]
    with locked(path):
        began = time.monotonic()
        for at in range(1, 10 * BUFFER + 1):
            events.publish(an_event(at, Topic.PUSH))
            events.publish(an_event(at, Topic.AUDIT))
        assert (time.monotonic() - began) / (20 * BUFFER) < 0.01
        assert dropped.count == 9 * BUFFER
    assert first_times(await take_until(hints, BUFFER)) == list(range(1, BUFFER + 1))
    assert first_times(await take_until(audit, 10 * BUFFER)) == list(range(1, 10 * BUFFER + 1))
    await events.close()


async def test_closing_does_not_wait_for_a_locked_file_and_keeps_audit_events(
    path: Path, tmp_path: Path, dropped: Dropped
) -> None:
    events = SqliteEvents(path, tmp_path / "spool", dropped=dropped)
    with locked(path):
        events.publish(an_event(1))
        began = time.monotonic()
        await events.close()
        assert time.monotonic() - began < limits.EVENT_FLUSH + 20
    again = open_events(path, tmp_path / "spool")
    assert await take_until(again.subscribe(Topic.AUDIT, "workers"), 1) == [1]
    await again.close()


async def test_the_log_is_bounded_and_hints_that_a_group_had_not_taken_are_counted(
    path: Path, tmp_path: Path, dropped: Dropped
) -> None:
    events = SqliteEvents(path, tmp_path / "spool", dropped=dropped, kept=10)
    async with aclosing(events.subscribe(Topic.PUSH, "slow")) as before:  # type: ignore[type-var]
        events.publish(an_event(0, Topic.PUSH))
        assert await take_until(before, 0) == [0]
    for at in range(1, 101):
        events.publish(an_event(at, Topic.PUSH))
    await eventually(lambda: dropped.count >= 90)
    arrived = await take_until(events.subscribe(Topic.PUSH, "slow"), 100)
    assert arrived == list(range(91, 101))
    assert dropped.count == 91  # the first was never asked beyond
    await events.close()
