"""What a pod asks its stores, on the real servers: killed they do not answer, started they do.

None is waited for: `ping` ends within seconds, whatever the server does.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from signet.adapters.directory_sql import open_directory
from signet.adapters.events_kafka import KafkaEvents, create_topics
from signet.adapters.events_sqlite import SqliteEvents
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.members_redis import RedisMembers
from signet.adapters.members_sqlite import SqliteMembers
from signet.adapters.members_zookeeper import ZooKeeperMembers
from signet.adapters.presence_redis import RedisPresence
from signet.adapters.presence_sqlite import SqlitePresence
from signet.adapters.rate_limits_redis import RedisRateLimits
from signet.pod.reaching import Asked
from signet.pod.stores import Closes
from signet.ports.inbox import StoreUnavailable
from tests.support.cassandra import cassandra_url
from tests.support.lanes import Server
from tests.support.lanes.postgres import dsn

__all__ = ["cassandra_url"]
SOON = 60.0
AT_MOST = 30.0  # of a question; PostgreSQL and SQLite are waited for the longest, 10 s
NO_ANSWER = (StoreUnavailable, OSError)


class Store(Asked, Closes, Protocol):
    """An adapter."""


async def answers(store: Asked) -> bool:
    async with asyncio.timeout(AT_MOST):
        try:
            await store.ping()
        except NO_ANSWER:
            return False
        return True


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await is_so():
            await asyncio.sleep(0.1)


async def killed_it_does_not_answer_and_started_it_does(server: Server, store: Asked) -> None:
    await eventually(lambda: answers(store))
    server.kill()
    try:
        assert not await answers(store)
        assert not await answers(store)  # nor a second time
    finally:
        await asyncio.to_thread(server.start)
    await eventually(lambda: answers(store))


@pytest.mark.lane("redis")
@pytest.mark.parametrize("of", ["members", "presence", "limits"])
async def test_redis(redis_server: Server, of: str) -> None:
    url = f"redis://{redis_server.url}"
    opened: dict[str, Callable[[], Store]] = {
        "members": lambda: RedisMembers(url),
        "presence": lambda: RedisPresence(url),
        "limits": lambda: RedisRateLimits(url, away=lambda: None),
    }
    store = opened[of]()
    await killed_it_does_not_answer_and_started_it_does(redis_server, store)
    await store.close()


@pytest.mark.lane("zookeeper")
async def test_zookeeper(zookeeper_server: Server) -> None:
    store = ZooKeeperMembers(zookeeper_server.url)
    await killed_it_does_not_answer_and_started_it_does(zookeeper_server, store)
    await store.close()


@pytest.mark.lane("kafka")
async def test_kafka(kafka_server: Server, tmp_path: Path) -> None:
    prefix = f"{uuid4().hex[:8]}."
    create_topics(kafka_server.url, partitions=1, replicas=1, prefix=prefix)
    store = KafkaEvents(kafka_server.url, tmp_path, prefix=prefix, dropped=lambda: None)
    await killed_it_does_not_answer_and_started_it_does(kafka_server, store)
    await store.close()


@pytest.mark.lane("postgres")
async def test_postgresql(postgres_server: Server) -> None:
    store = await open_directory(dsn(postgres_server))
    await killed_it_does_not_answer_and_started_it_does(postgres_server, store)
    await store.close()


@pytest.mark.lane("cassandra")
async def test_cassandra(cassandra_server: Server, cassandra_url: str) -> None:
    store = CassandraInbox(cassandra_url)
    await killed_it_does_not_answer_and_started_it_does(cassandra_server, store)
    await store.close()


@pytest.mark.parametrize("of", ["members", "presence", "events", "inbox", "directory"])
async def test_sqlite_that_another_process_has_locked(tmp_path: Path, of: str) -> None:
    file = tmp_path / "shared.sqlite"
    stores: dict[str, Callable[[], Store]] = {
        "members": lambda: SqliteMembers(file),
        "presence": lambda: SqlitePresence(file),
        "events": lambda: SqliteEvents(file, file.with_suffix(".spool"), dropped=lambda: None),
        "inbox": lambda: open_inbox(file),
    }
    directory = f"sqlite:///{file}"
    store: Store = await open_directory(directory) if of == "directory" else stores[of]()
    await eventually(lambda: answers(store))
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not await answers(store)
    await eventually(lambda: answers(store))
    await store.close()
