"""Bring the tables and topics of all stores to what this version needs: `signet admin migrate`.

May be run at any time and again; old processes get along with newer tables. Embedded stores need
it not: each process brings them up to date when it opens them.
"""

import asyncio
from typing import NamedTuple

from signet.adapters import directory_sql, store_urls
from signet.data_folder import DataFolder
from signet.pod.stores import refusing, urls
from signet.settings import Settings


class Done(NamedTuple):
    """What was done to one store."""

    store: str
    technology: str
    what: str


async def migrate(settings: Settings) -> list[Done]:
    """All stores of the settings, one after the other.

    Raises:
        StoreRefused: with the setting's name; the stores before it are done.
    """
    found = urls(settings, DataFolder(settings.data))
    done = []
    for store, url in found.items():
        technology = url.partition(":")[0]
        with refusing(store):
            done.append(Done(store, technology, await _one(store, technology, url)))
    return done


async def _one(store: str, technology: str, url: str) -> str:
    match store, technology:
        case "directory", "postgresql":
            return await _directory(url)
        case "inbox", "cassandra" | "cassandra+ssl":
            return await _inbox(url)
        case "events", "kafka" | "kafka+ssl":
            return await asyncio.to_thread(_topics, url)
        case _, "sqlite":
            return "embedded: each process brings it up to date"
    return "has no tables"


async def _directory(url: str) -> str:
    directory = await directory_sql.open_directory(url, migrate=False)
    try:
        before = await directory.revision()
        await directory.migrate()
        after = await directory.revision()
    finally:
        await directory.close()
    done = f"is at {after}" if before == after else f"from {before or 'nothing'} to {after}"
    made = directory.migrations
    if made.later and after == made.own[-1]:
        return f"{done}; {', '.join(made.later)} when the next version comes"
    return done


async def _inbox(url: str) -> str:
    from signet.adapters.inbox_cassandra import migrate as cassandra  # noqa: PLC0415 - as below

    return (await cassandra.migrate(url)).removeprefix("cassandra: ")


def _topics(url: str) -> str:
    from signet.adapters import events_kafka  # noqa: PLC0415 - a client that only some need

    at = store_urls.kafka(url)
    try:
        events_kafka.create_topics(
            at.bootstrap, partitions=at.partitions, replicas=at.replicas, settings=at.settings
        )
    except Exception as error:  # KafkaException has no base but Exception
        raise ConnectionError(str(error)) from error
    return "its topics are there"
