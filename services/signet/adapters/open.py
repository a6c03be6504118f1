"""From a URL to an adapter: the one place that knows which technologies there are.

| port | URL |
|---|---|
| inbox | `sqlite:///PATH`, `cassandra://HOST,…/KEYSPACE` |
| directory | `sqlite:///PATH`, `postgresql://…` |
| members | `memory:`, `sqlite:///PATH`, `redis://…`, `zookeeper://HOST:PORT,…` |
| presence | `memory:`, `sqlite:///PATH`, `redis://…` |
| rate limits | `memory:`, `redis://…` |
| events | `memory:`, `log:`, `sqlite:///PATH`, `kafka://HOST:PORT,…` |
| blobs | `file:///PATH?public=URL`, `s3://KEY:SECRET@BUCKET?endpoint=…&region=…&public=URL` |
| push | see push_urls.py |

TLS and logins are in store_urls.py. `public` is where clients find blobs, for signed URLs; that
of a folder is left out where keys itself serves it.

A SQLite file may be shared by processes of one machine, and by several ports; of those that share
one, writers wait for each other. `log:` is memory, and a line of the log for each event. Rate
limits in `memory:` are each process's own: several processes together allow so much more.

A client library is imported where its URL asks for it: all of them double the time to start.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from signet.adapters import store_urls
from signet.adapters.events_log import LoggedEvents
from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox as open_sqlite_inbox
from signet.adapters.members_memory import MemoryMembers
from signet.adapters.presence_memory import MemoryPresence
from signet.ports.blobs import Blobs
from signet.ports.events import Events
from signet.ports.inbox import InboxStore
from signet.ports.members import Members
from signet.ports.presence import PresenceStore
from signet.ports.push import PushProviders
from signet.ports.rate_limits import RateLimits
from signet.telemetry import metrics

if TYPE_CHECKING:
    from signet.adapters.directory_sql import SqlDirectory


# Where keys serves a folder of blobs, at its own address, if its URL does not say `public`.
BLOBS_PATH = "/v1/blobs"


class UnknownStore(ValueError):
    """The URL names a technology that this port has no adapter for. Says which there are."""

    def __init__(self, port: str, url: str, known: str) -> None:
        scheme = url.partition(":")[0]
        super().__init__(f"{port}: nothing is known of {scheme!r}; there is {known}")


def open_inbox(url: str, shards: int) -> InboxStore:
    """Raises: UnknownStore, sqlite3.Error, ValueError (what of the URL cannot be understood)."""
    if url.startswith("sqlite:"):
        return open_sqlite_inbox(_path(url), shards)
    if url.startswith(("cassandra:", "cassandra+ssl:")):
        from signet.adapters.inbox_cassandra.store import CassandraInbox

        return CassandraInbox(url, shards)
    raise UnknownStore("inbox", url, "sqlite, cassandra")


async def open_directory(url: str) -> "SqlDirectory":
    """Tables of SQLite are brought up to date; PostgreSQL's are only looked at.

    Raises: UnknownStore, StoreUnavailable, OldSchema.
    """
    if not url.startswith(("sqlite:", "postgresql:")):
        raise UnknownStore("directory", url, "sqlite, postgresql")
    from signet.adapters import directory_sql

    if url.startswith("sqlite:"):
        return await directory_sql.open_directory(url)
    directory = await directory_sql.open_directory(url, migrate=False)
    try:
        await directory.check()
    except BaseException:
        await directory.close()
        raise
    return directory


def open_members(url: str) -> Members:
    """Raises: UnknownStore, sqlite3.Error."""
    if url.startswith("redis"):
        from signet.adapters.members_redis import RedisMembers

        return RedisMembers(store_urls.redis(url))
    if url.startswith(("zookeeper:", "zookeeper+ssl:")):
        from signet.adapters.members_zookeeper import ZooKeeperMembers

        hosts, settings = store_urls.zookeeper(url)
        return ZooKeeperMembers(hosts, settings=settings)
    if url.startswith("sqlite:"):
        from signet.adapters.members_sqlite import SqliteMembers

        return SqliteMembers(_path(url))
    if url == "memory:":
        return MemoryMembers()
    raise UnknownStore("members", url, "memory, sqlite, redis, zookeeper")


def open_presence(url: str, clock: Callable[[], float]) -> PresenceStore:
    """`clock` is monotonic, in seconds. Raises: UnknownStore, sqlite3.Error."""
    if url.startswith("redis"):
        from signet.adapters.presence_redis import RedisPresence

        return RedisPresence(store_urls.redis(url))
    if url.startswith("sqlite:"):
        from signet.adapters.presence_sqlite import SqlitePresence

        return SqlitePresence(_path(url))
    if url == "memory:":
        return MemoryPresence(clock)
    raise UnknownStore("presence", url, "memory, sqlite, redis")


def open_rate_limits(url: str) -> RateLimits:
    """Raises: UnknownStore."""
    if url.startswith("redis"):
        from signet.adapters.rate_limits_redis import RedisRateLimits

        return RedisRateLimits(store_urls.redis(url), away=metrics.LIMITS_AWAY.inc)
    if url == "memory:":
        from signet.adapters.rate_limits import MemoryRateLimits

        return MemoryRateLimits()
    raise UnknownStore("rate limits", url, "memory, redis")


def open_events(url: str, spool: Path) -> Events:
    """`spool` is this process's folder, for audit events that wait.

    Raises: UnknownStore, and of sqlite: sqlite3.Error, OSError, ValueError.
    """
    if url.startswith(("kafka:", "kafka+ssl:")):
        from signet.adapters.events_kafka import KafkaEvents

        at, dropped = store_urls.kafka(url), metrics.EVENTS_DROPPED.inc
        return KafkaEvents(at.bootstrap, spool, dropped=dropped, settings=at.settings)
    if url.startswith("sqlite:"):
        from signet.adapters.events_sqlite import SqliteEvents

        return SqliteEvents(_path(url), spool, dropped=metrics.EVENTS_DROPPED.inc)
    if url in {"memory:", "log:"}:
        memory = MemoryEvents()
        return LoggedEvents(memory) if url == "log:" else memory
    raise UnknownStore("events", url, "memory, log, sqlite, kafka")


def open_blobs(url: str) -> Blobs:
    """Raises: UnknownStore, OSError."""
    if url.startswith("file:"):
        from signet.adapters.blobs_filesystem import FilesystemBlobs

        return FilesystemBlobs(_path(url), public=_public(url) or BLOBS_PATH)
    if url.startswith("s3:"):
        return _s3(url)
    raise UnknownStore("blobs", url, "file, s3")


def open_push(urls: str, clock: Callable[[], float] = time.time) -> PushProviders:
    """`clock` is Unix time in seconds.

    Raises: UnknownStore; ValueError, OSError: a URL, a key or a secret cannot be.
    """
    from signet.adapters.push_urls import KNOWN, open_providers

    for url in urls.split():
        if url.partition(":")[0] not in KNOWN:
            raise UnknownStore("push", url, ", ".join(KNOWN))
    return open_providers(urls, clock)


def _s3(url: str) -> Blobs:
    from signet.adapters.blobs_s3 import S3Blobs

    plain, tls = store_urls.split(url)
    parts = urlsplit(plain)
    query = parse_qs(parts.query)
    return S3Blobs(
        parts.hostname or "",
        access_key=unquote(parts.username or ""),
        secret_key=unquote(parts.password or ""),
        authority=Path(tls.cafile).read_text() if tls.cafile else "",
        region=query.get("region", ["us-east-1"])[0],
        endpoint=query.get("endpoint", [""])[0],
        public=_public(plain),
    )


def _public(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("public", [""])[0]


def _path(url: str) -> Path:
    """The path of `SCHEME:///absolute/path` (three slashes, as SQLAlchemy has it)."""
    return Path("/", unquote(urlsplit(url).path.lstrip("/")))
