"""A process on shared SQLite files, until it is killed: `python -m tests.support.sqlite_process`.

member PATH NAME        puts a record of itself, and says "put"
publish PATH SPOOL      publishes audit events 1, 2, 3 …; says each number once it returned
take PATH SPOOL         takes audit events of the group "workers"; says when each had happened
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from signet.adapters.events_sqlite import SqliteEvents
from signet.adapters.members_sqlite import SqliteMembers
from signet.core.ids import UserId
from signet.ports.events import Event, Topic
from signet.ports.members import Kind, Member, State

# How fast the dead are noticed here.
TIMES = {"ttl_s": 2.0, "refresh_s": 0.2, "poll_s": 0.05, "settle_s": 0.5}
CLAIM_S = 1.0
WORK_S = 0.005  # what it takes to deal with one event


def a_member(name: str, started_ms: int = 1) -> Member:
    return Member(Kind.ROUTER, name, "127.0.0.1:1", State.ACTIVE, started_ms, os.urandom(16))


def open_events(path: Path, spool: Path, claim_s: float = CLAIM_S) -> SqliteEvents:
    return SqliteEvents(path, spool, dropped=lambda: None, claim_s=claim_s)


def an_event(at_ms: int, topic: Topic = Topic.AUDIT) -> Event:
    return Event(topic, UserId(bytes(16)), "TEST", at_ms)


async def member(path: Path, name: str) -> None:
    members = SqliteMembers(path, **TIMES)
    await members.put(a_member(name))
    print("put", flush=True)
    await asyncio.Event().wait()


async def publish(path: Path, spool: Path) -> None:
    events = open_events(path, spool)
    for number in count(1):
        events.publish(an_event(number))
        print(number, flush=True)
        await asyncio.sleep(0)


async def take(path: Path, spool: Path) -> None:
    events = open_events(path, spool)
    async for event in events.subscribe(Topic.AUDIT, "workers"):
        print(event.at_ms, flush=True)
        await asyncio.sleep(WORK_S)


async def main(role: str, path: str, other: str) -> None:
    match role:
        case "member":
            await member(Path(path), other)
        case "publish":
            await publish(Path(path), Path(other))
        case "take":
            await take(Path(path), Path(other))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
