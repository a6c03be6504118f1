"""What the adapter of Cassandra decides without Cassandra: URLs, bytes, pages."""

import pytest
from cassandra import InvalidRequest, OperationTimedOut, Unauthorized, Unavailable
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException, ConnectionShutdown
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import OverloadedErrorMessage, SyntaxException
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from signet.adapters.inbox_cassandra import pages, rows
from signet.adapters.inbox_cassandra.driver import Driver
from signet.adapters.inbox_cassandra.url import BadUrl, parse
from signet.core import limits
from signet.core.durability.operations import (
    UNKNOWN,
    Acked,
    Noted,
    Put,
    ReadLease,
    Renew,
    Segment,
    WriteSegment,
)
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from signet.ports.inbox import Entry

NOW_MS = 1_700_000_000_000
AGED_MS = NOW_MS - limits.ITEM_TTL * 1000 - 1
DEVICE = DeviceId(UserId(b"somebody________"), 3)

shards = st.integers(0, limits.SHARDS - 1).map(ShardId)
devices = st.builds(
    DeviceId, st.binary(min_size=16, max_size=16).map(UserId), st.integers(1, limits.MAX_DEVICE_ID)
)
positions = st.builds(Position, st.integers(0, 2**22 - 1), st.integers(0, 2**40 - 1))
numbers = st.integers(0, 2**63 - 1)
puts = st.builds(Put, shards, devices, positions, numbers, st.binary(max_size=300))
acks = st.builds(Acked, shards, devices, positions)
notes = st.builds(
    Noted,
    shards,
    devices,
    st.integers(1, 2**22 - 1).map(Epoch),
    numbers,
    st.lists(numbers, max_size=9).map(tuple),
)


@given(st.lists(puts | acks | notes, max_size=20))
def test_the_records_of_a_segment_are_read_as_they_were_written(
    records: list[Put | Acked | Noted],
) -> None:
    assert rows.decode(rows.encode(records)) == records


def test_a_segment_of_another_version_is_refused() -> None:
    with pytest.raises(rows.UnknownLayout):
        rows.decode(b"\x02anything")


@given(positions)
def test_a_position_is_read_from_its_cell(position: Position) -> None:
    assert rows.position(rows.number(position)) == position


def test_an_address_says_hosts_login_keyspace_and_how_it_is_asked() -> None:
    found = parse("cassandra://me:p%40ss@one,two:9142/signet?replication=3&dc=east")
    assert found.hosts == (("one", 9042), ("two", 9142))
    assert (found.user, found.password, found.keyspace) == ("me", "p@ss", "signet")
    assert (found.replication, found.dc) == (3, "east")
    assert (found.consistency, found.serial) == ("LOCAL_QUORUM", "LOCAL_SERIAL")
    assert not found.ssl
    assert parse("cassandra+ssl://one/signet").ssl
    plain = parse("cassandra://one/signet")
    assert (plain.consistency, plain.serial, plain.replication) == ("QUORUM", "SERIAL", 1)


@pytest.mark.parametrize(
    "url",
    [
        "cassandra://one",
        "cassandra://one/Sig-net",
        "cassandra:///signet",
        "cassandra://one/signet?consistency=MOST",
        "cassandra://one/signet?replication=none",
        "cassandra://one/signet?replicas=3",
        "cassandra://one/signet?cafile=/nowhere.pem",
    ],
)
def test_an_address_that_cannot_be_understood_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        parse(url)


def entry(seq: int, accepted_ms: int = NOW_MS) -> Entry:
    return Entry(DEVICE, Position(1, seq), accepted_ms, b"%d" % seq)


def held(*numbers: int) -> dict[Position, Entry]:
    return {Position(1, seq): entry(seq) for seq in numbers}


def test_rows_and_memory_are_one_inbox() -> None:
    found = pages.merged([entry(1), entry(2)], held(2, 3), START)
    assert found == [entry(1), entry(2), entry(3)]


def test_nothing_is_shown_beyond_rows_that_were_not_read() -> None:
    found = pages.merged([entry(1), entry(2)], held(5), START, whole=False)
    assert found == [entry(1), entry(2)]


def test_the_aged_that_come_first_are_one_range_and_count_as_read() -> None:
    entries = [entry(1, AGED_MS), entry(2, AGED_MS), entry(3), entry(4, AGED_MS)]
    page = pages.page(entries, START, START, 3, limits.MIB, NOW_MS)
    assert (page.entries, page.more) == ([entry(3)], True)
    assert page.expired == [(Position(0, 1), Position(1, 2))]


def test_the_newest_are_as_many_as_are_asked_for() -> None:
    entries = [entry(seq) for seq in (1, 2, 3)]
    assert pages.newest(entries, 2, limits.MIB) == entries[1:]
    assert pages.newest(entries, 9, limits.MIB) == entries
    assert pages.newest(entries, 9, 1) == entries[2:]


class Raises:
    """A session whose requests end so."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def run(self, *_: object, **__: object) -> object:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionShutdown("the node died"),
        ConnectionException("it closed the connection"),
        ConnectionBusy("it has too much to do"),
        NoConnectionsAvailable("none is open"),
        NoHostAvailable("nobody", {}),
        OverloadedErrorMessage(0x1001, "it says that it has too much to do", None),
        OperationTimedOut(),
        Unavailable("too few replicas"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_a_node_does_not_say_clearly_is_unknown(error: Exception) -> None:
    """J2, L4. Anything else would end the incarnation as a bug does."""
    driver = Driver(Raises(error), lambda: NOW_MS)  # type: ignore[arg-type]
    life = Incarnation(bytes(16))
    for operation in (WriteSegment(Segment(life, 1, ())), Renew(life, 0, 1), ReadLease(life)):
        assert await driver.perform(operation) is UNKNOWN


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("no such column"),
        Unauthorized("not this table"),
        SyntaxException(0x2000, "no such word", None),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_wrong_with_a_request_is_said_as_an_error(error: Exception) -> None:
    driver = Driver(Raises(error), lambda: NOW_MS)  # type: ignore[arg-type]
    with capture_logs() as logs:
        assert await driver.perform(Renew(Incarnation(bytes(16)), 0, 1)) is UNKNOWN
    assert [entry["log_level"] for entry in logs] == ["error"]
