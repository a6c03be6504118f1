"""Make and upgrade the schema: idempotent, and safe when two run at once.

One row holds the version and who is migrating. The holder is set conditionally and with a time to
live: who dies in the middle holds it for a while, and the next one does the steps again, each of
which may be repeated. Tables are made by one at a time: Cassandra itself makes two of a name when
asked by two at once.
"""

# ruff: noqa: S608 - the name of a keyspace is checked by url.py

import asyncio
import time
import uuid

from cassandra.cluster import Session as DriverSession

from signet.adapters.inbox_cassandra import schema
from signet.adapters.inbox_cassandra.session import UNAVAILABLE, cluster
from signet.adapters.inbox_cassandra.url import Address, parse
from signet.ports.inbox import StoreUnavailable

HOLD_S = 60  # a step takes a second or two
PAUSE_S = 0.2
STEP_TIMEOUT_S = 30.0


async def migrate(url: str) -> str:
    """Bring the keyspace of the URL to this version; says what was done.

    Raises:
        BadUrl: the URL cannot be understood.
        StoreUnavailable: Cassandra does not answer; migrate again.
    """
    address = parse(url)
    try:
        return await asyncio.to_thread(upgrade, address)
    except UNAVAILABLE as error:
        raise StoreUnavailable(f"Cassandra does not answer: {error}") from error


def upgrade(address: Address) -> str:
    """As `migrate`, and blocks. Raises what the driver does."""
    made = cluster(address, STEP_TIMEOUT_S)
    try:
        return _Migration(made.connect(), address).run()
    finally:
        made.shutdown()


class _Migration:
    """In a thread of its own: nothing else waits for it."""

    def __init__(self, session: DriverSession, address: Address) -> None:
        self._session, self._name = session, address.keyspace
        self._me = uuid.uuid4().hex
        self._keyspace = schema.keyspace(address)

    def run(self) -> str:
        self._session.execute(self._keyspace)
        self._session.execute(schema.versions(self._name))
        while (before := self._version()) < schema.VERSION:
            if self._hold():
                try:
                    return self._upgrade(self._version())
                finally:
                    self._leave()
            time.sleep(PAUSE_S)
        return f"cassandra: {self._name} is at version {before}"

    def _version(self) -> int:
        return schema.version_of(self._session, self._name)

    def _hold(self) -> bool:
        """Whether nobody else migrates now."""
        held = self._session.execute(
            f"INSERT INTO {self._name}.schema_version (name, holder) VALUES ('lock', %s)"
            f" IF NOT EXISTS USING TTL {HOLD_S}",
            (self._me,),
        )
        return bool(held.was_applied)

    def _leave(self) -> None:
        self._session.execute(
            f"DELETE FROM {self._name}.schema_version WHERE name = 'lock' IF holder = %s",
            (self._me,),
        )

    def _upgrade(self, before: int) -> str:
        for version in range(before + 1, schema.VERSION + 1):
            for statement in schema.STEPS[version]:
                self._session.execute(statement.replace("{name}", self._name))
            self._session.execute(
                f"INSERT INTO {self._name}.schema_version (name, version) VALUES (%s, %s)",
                (schema.NAME, version),
            )
        return f"cassandra: {self._name} went from version {before} to {schema.VERSION}"
