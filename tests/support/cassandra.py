"""A keyspace with Signet's tables on the lane's Cassandra, and what tests ask of it directly."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from cassandra.cluster import Session

from signet.adapters.inbox_cassandra.migrate import upgrade
from signet.adapters.inbox_cassandra.schema import SHARDS
from signet.adapters.inbox_cassandra.session import cluster
from signet.adapters.inbox_cassandra.url import parse
from tests.support.lanes import Server

SLOW_S = 30.0  # of a request, where a busy machine is no fault that is tested


def keyspace_of(server: Server) -> str:
    """The URL of a keyspace of that name, which nobody else has."""
    return f"cassandra://{server.url}/signet_{uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def cassandra_url(cassandra_server: Server) -> str:
    """One for the whole run: tests use devices of their own, and `clear` shards and leases."""
    url = keyspace_of(cassandra_server)
    upgrade(parse(url))
    return url


@contextmanager
def plain(url: str) -> Iterator[Session]:
    """Cassandra's own session, in the keyspace of the URL."""
    address = parse(url)
    made = cluster(address, SLOW_S)
    try:
        session = made.connect(address.keyspace)
        yield session
    finally:
        made.shutdown()


def clear(url: str) -> None:
    """No shard has an owner, nobody lives, nothing says how many shards there are."""
    with plain(url) as session:
        session.execute("TRUNCATE shard", timeout=30)
        session.execute("TRUNCATE lease", timeout=30)
        session.execute(f"DELETE FROM schema_version WHERE name = '{SHARDS}' IF EXISTS")
