"""Cassandra's driver, which has a thread of its own, as seen from an asyncio loop.

Requests are sent from the loop and never wait in it; answers come back over one queue, which wakes
the loop once for all that is in it.
"""

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

from cassandra import (
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    RequestValidationException,
    protocol,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.cluster import Session as DriverSession
from cassandra.connection import ConnectionBusy, ConnectionException, DefaultEndPoint
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
)
from cassandra.pool import NoConnectionsAvailable
from cassandra.query import BatchStatement, BatchType

from signet.adapters.inbox_cassandra import schema
from signet.adapters.inbox_cassandra.url import Address
from signet.adapters.schema import OldSchema
from signet.core import limits
from signet.ports.inbox import StoreUnavailable

# It logs what it raises as well: addresses of nodes, twice a second while one is away, and the
# bytes of an answer that it cannot read. Who calls says once that the store is away.
logging.getLogger("cassandra").setLevel(logging.CRITICAL)

SERIAL = "serial"
SECOND = 1.0
# All that the driver raises when a node does not do it, dies, has too much to do, or says why not.
UNAVAILABLE = (
    DriverException,
    NoHostAvailable,
    NoConnectionsAvailable,
    ConnectionException,
    ConnectionBusy,
    protocol.ErrorMessage,
    ConnectionError,
    TimeoutError,
)
# Of these: what is wrong with the request itself, whoever is asked.
REFUSED = (RequestValidationException, protocol.RequestValidationException)
Values = Sequence[object]
Rows = list[Any]


class Connection(Cluster.connection_class):  # type: ignore[misc]  # libev's, or what there is
    """Writes a segment at once, not in pieces of four KiB."""

    out_buffer_size = 64 * limits.KIB


def cluster(address: Address, timeout_s: float = limits.CASSANDRA_TIMEOUT) -> Cluster:
    """A cluster that retries nothing by itself: what is unknown is decided by the core (J2, L4)."""
    near = DCAwareRoundRobinPolicy(address.dc) if address.dc else RoundRobinPolicy()
    serial = getattr(ConsistencyLevel, address.serial)

    def profile(consistency: int) -> ExecutionProfile:
        return ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(near),
            retry_policy=FallthroughRetryPolicy(),
            consistency_level=consistency,
            serial_consistency_level=serial,
            request_timeout=timeout_s,
        )

    usual = profile(getattr(ConsistencyLevel, address.consistency))
    made = Cluster(
        [DefaultEndPoint(host, port) for host, port in address.hosts],
        port=address.hosts[0][1],
        auth_provider=PlainTextAuthProvider(address.user, address.password)
        if address.user
        else None,
        ssl_context=address.tls.context() if address.ssl else None,
        execution_profiles={EXEC_PROFILE_DEFAULT: usual, SERIAL: profile(serial)},
        reconnection_policy=ConstantReconnectionPolicy(SECOND / 2, max_attempts=None),
        protocol_version=5,
        compression=False,  # what is sent is encrypted
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # else a segment waits for 40 ms
        connect_timeout=timeout_s,
        control_connection_timeout=timeout_s,
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=5,
        monitor_reporting_enabled=False,
    )
    made.connection_class = Connection
    return made


def connect(made: Cluster, keyspace: str) -> DriverSession:
    """Raises: OldSchema, and what the driver does."""
    session = made.connect()
    try:
        version = schema.version_of(session, keyspace)
    except InvalidRequest:  # no such keyspace, or no such table
        version = 0
    if version < schema.VERSION:
        raise OldSchema(f"version {version}" if version else "", f"version {schema.VERSION}")
    return session


class Session:
    """Connected; use it in the loop that made it."""

    def __init__(self, made: Cluster, session: DriverSession, address: Address) -> None:
        self._cluster, self._session, self._keyspace = made, session, address.keyspace
        self._loop = asyncio.get_event_loop()
        self._answers: deque[tuple[asyncio.Future[Rows], Rows, Exception | None]] = deque()
        self._woken = False
        self._prepared: dict[str, Any] = {}

    @classmethod
    async def open(cls, address: Address, timeout_s: float = limits.CASSANDRA_TIMEOUT) -> "Session":
        """Connect, where the keyspace has the tables of this version. `timeout_s` is of a request.

        Raises:
            OldSchema: it has not.
            StoreUnavailable: the cluster does not answer.
        """
        made = cluster(address, timeout_s)
        try:
            session = cls(made, await asyncio.to_thread(connect, made, address.keyspace), address)
            await asyncio.to_thread(session._prepare)
        except BaseException as error:
            await asyncio.to_thread(made.shutdown)
            if isinstance(error, UNAVAILABLE):
                raise StoreUnavailable(f"Cassandra does not answer: {error}") from error
            raise
        return session

    def _prepare(self) -> None:
        for name, text in schema.statements(self._keyspace).items():
            self._prepared[name] = self._session.prepare(text)
        for name, count in schema.PAGES.items():
            self._prepared[name].fetch_size = count

    async def close(self) -> None:
        await asyncio.to_thread(self._cluster.shutdown)

    # --- requests -----------------------------------------------------------------------------

    def run(self, name: str, *values: object, serial: bool = False) -> "asyncio.Future[Rows]":
        """One statement of schema.py. Raises what the driver does."""
        return self._send(self._prepared[name].bind(values), serial)

    def batch(self, statements: Sequence[tuple[str, Values]]) -> "asyncio.Future[Rows]":
        """Statements on one partition: one write, whole or not at all."""
        batch = BatchStatement(BatchType.UNLOGGED)
        for name, values in statements:
            batch.add(self._prepared[name].bind(values))
        return self._send(batch, serial=False)

    async def pages(self, name: str, *values: object) -> Rows:
        """All rows of a statement, however many."""
        rows: Rows = []
        bound = self._prepared[name].bind(values)
        future: asyncio.Future[Rows] = self._loop.create_future()
        asked = self._session.execute_async(bound)

        def more(page: Rows) -> None:
            rows.extend(page or ())
            if asked.has_more_pages:
                asked.start_fetching_next_page()
            else:
                self._answer(future, rows, None)

        asked.add_callbacks(more, lambda error: self._answer(future, [], error))
        return await future

    def _send(self, statement: Any, serial: bool) -> "asyncio.Future[Rows]":
        future: asyncio.Future[Rows] = self._loop.create_future()
        profile = SERIAL if serial else EXEC_PROFILE_DEFAULT
        asked = self._session.execute_async(statement, execution_profile=profile)
        asked.add_callbacks(
            lambda rows: self._answer(future, rows or [], None),
            lambda error: self._answer(future, [], error),
        )
        return future

    def _answer(self, future: "asyncio.Future[Rows]", rows: Rows, error: Exception | None) -> None:
        """In the driver's thread."""
        self._answers.append((future, rows, error))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._woken = False
        while self._answers:
            future, rows, error = self._answers.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(rows)
            else:
                future.set_exception(error)
