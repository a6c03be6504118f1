"""Three nodes of Cassandra, three copies, a quorum (W3): any one of them may die at any moment.

The nodes keep no hints for each other here, so that what a quorum sees is what quorums promise.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.connection import DefaultEndPoint
from cassandra.policies import WhiteListRoundRobinPolicy

from signet.adapters.inbox_cassandra.life import Pace
from signet.adapters.inbox_cassandra.migrate import upgrade
from signet.adapters.inbox_cassandra.url import parse
from signet.core import limits
from signet.ports.inbox import NotOwner, StoreUnavailable
from tests.support.cassandra import SLOW_S
from tests.support.inbox_owner import LONG_S, after, owner_in, somebody
from tests.support.lanes import Server
from tests.support.lanes.cassandra import Nodes

pytestmark = [pytest.mark.lane("cassandra"), pytest.mark.timeout(300)]
AT_ONCE = 20  # people who send while a node dies
MESSAGES = 30
SEEN = 10  # of them, which are acknowledged with the last
SOON = Pace(row_after=0.1, head_after=0.1, tick=0.05)
LEASE_S = 12.0  # three times a router's: this machine runs all nodes, and tests beside them


@pytest.fixture
def url(cassandra_nodes: Nodes) -> str:
    """Tables of which every node has a copy. Each test has its own: what a node missed of a
    conditional write it is told later, even if the table was emptied meanwhile.
    """
    hosts = ",".join(node.url for node in cassandra_nodes)
    made = f"cassandra://{hosts}/signet_{uuid4().hex[:8]}?replication=3"
    upgrade(parse(made))
    return made


async def killed(node: Server) -> None:
    await asyncio.to_thread(node.kill)


@pytest.fixture(autouse=True)
def all_run_again(cassandra_nodes: Nodes) -> Iterator[None]:
    """Whatever a test did, and however it ended."""
    yield
    for node in cassandra_nodes:
        if not node.runs:
            node.start()
            cassandra_nodes.await_others(node)


# --- one node at a time ---------------------------------------------------------------------------


async def test_a_node_dies_under_load_and_nothing_that_was_durable_is_lost(
    cassandra_nodes: Nodes, url: str
) -> None:
    """Appends go on while it is away, and after it; the next owner has all, with a node away."""
    owner = await owner_in(url, LONG_S, SOON)
    people = [somebody() for _ in range(AT_ONCE)]
    durable = dict.fromkeys(people, 0)

    async def talks(n: int) -> None:
        for seq in range(1, MESSAGES + 1):
            acked = SEEN if seq == MESSAGES else 0
            await owner.append(owner.batch(seq, acked=acked, device=people[n]))
            durable[people[n]] = seq

    talking = asyncio.gather(*map(talks, range(AT_ONCE)))
    while sum(durable.values()) < AT_ONCE * MESSAGES // 4:
        await asyncio.sleep(0.005)
    await killed(cassandra_nodes[1])
    then = sum(durable.values())
    assert then < AT_ONCE * MESSAGES, "it is to die while they talk"
    await talking
    for device in people:
        assert await owner.found_soon(device) == list(range(SEEN + 1, MESSAGES + 1))
    await owner.store.close()
    following = await after(owner, url)  # from the journal and from rows, with two of three
    for device in people:
        assert await following.found_soon(device) == list(range(SEEN + 1, MESSAGES + 1))
    heads = await following.store.heads(people)
    assert {(head.last.seq, head.acknowledged.seq) for head in heads} == {(MESSAGES, SEEN)}
    await following.append(following.batch(1))
    assert await following.found_soon() == [1]
    await following.store.close()


async def test_conditional_writes_go_on_after_a_nodes_death(
    cassandra_nodes: Nodes, url: str
) -> None:
    """L1, L5: a lease that is renewed each second outlives it, and a take is one take."""
    owner = await owner_in(url, LEASE_S)
    await killed(cassandra_nodes[2])
    died, renewed = time.monotonic(), list[float]()
    while len(renewed) < 3:
        with contextlib.suppress(StoreUnavailable):
            await owner.store.renew(owner.life)  # NotOwner would say that the lease has ended
            renewed.append(time.monotonic() - died)
        await asyncio.sleep(limits.LEASE_RENEW)
    print(f"renewed {', '.join(f'{s:.1f}' for s in renewed)} s after the death of a node")
    await owner.append(owner.batch(1))
    await owner.store.close()
    following = await after(owner, url)
    assert (await following.store.leases())[owner.life] is None, "it was alive until then"
    assert following.epoch == owner.epoch + 1
    assert await following.found_soon() == [1]
    with pytest.raises(NotOwner):
        await following.store.append(owner.batch(2))
    await following.store.close()


# --- W3 -------------------------------------------------------------------------------------------


class Asked:
    """What a node answers when it is the one that is asked, at a consistency of the question."""

    def __init__(self, session: Session, node: Server) -> None:
        self.session, self.node = session, node

    def execute(self, text: str, level: int, *values: object) -> list[object]:
        statement = self.session.prepare(text)
        statement.consistency_level = level
        return list(self.session.execute(statement, values, timeout=SLOW_S))


@contextmanager
def asked(node: Server) -> Iterator[Asked]:
    alone = WhiteListRoundRobinPolicy([node.host])
    profile = ExecutionProfile(load_balancing_policy=alone, request_timeout=SLOW_S)
    cluster = Cluster(
        [DefaultEndPoint(node.host, node.port)],
        port=node.port,
        protocol_version=5,
        connect_timeout=SLOW_S,
        control_connection_timeout=SLOW_S,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )
    try:
        yield Asked(cluster.connect(), node)
    finally:
        cluster.shutdown()


def copies(one: Asked, name: str, count: int) -> None:
    """From now on writes go to so many: who gets none is as if it had been away."""
    how = f"{{'class': 'SimpleStrategy', 'replication_factor': {count}}}"
    one.session.execute(f"ALTER KEYSPACE {name} WITH replication = {how}", timeout=SLOW_S)


def key_of(one: Asked, name: str) -> bytes:
    """A key whose first copy is on that node."""
    while True:
        key = os.urandom(16)
        (first, *_) = one.session.cluster.metadata.get_replicas(name, key)
        if first.address == one.node.host:
            return key


def made(one: Asked) -> str:
    """A keyspace with one copy, and two tables that differ in how reads repair (W3)."""
    name = f"w3_{uuid4().hex[:8]}"
    how = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    one.session.execute(f"CREATE KEYSPACE {name} WITH replication = {how}", timeout=SLOW_S)
    for table, repair in (("item", "BLOCKING"), ("other", "NONE")):
        one.session.execute(
            f"CREATE TABLE {name}.{table} (key blob PRIMARY KEY, n int)"
            f" WITH read_repair = '{repair}'",
            timeout=SLOW_S,
        )
    return name


def test_a_quorum_sees_what_a_quorum_confirmed_or_a_quorum_saw(cassandra_nodes: Nodes) -> None:
    """W3: with one node gone, of four rows of one copy or two. One copy alone is not enough."""
    dying, asking, _ = cassandra_nodes
    one, quorum = ConsistencyLevel.ONE, ConsistencyLevel.QUORUM
    with asked(dying) as here:
        name = made(here)
        write = f"INSERT INTO {name}.%s (key, n) VALUES (?, 1)"
        read = f"SELECT n FROM {name}.%s WHERE key = ?"
        alone, seen, unrepaired, by_two = (key_of(here, name) for _ in range(4))
        for key, table in ((alone, "item"), (seen, "item"), (unrepaired, "other")):
            here.execute(write % table, one, key)  # one copy: no quorum has confirmed it
        copies(here, name, 2)
        here.execute(write % "item", ConsistencyLevel.TWO, by_two)  # two of what will be three
        copies(here, name, 3)
        assert here.execute(read % "item", quorum, seen), "with the copy that it has itself"
        assert here.execute(read % "other", quorum, unrepaired)
    dying.kill()
    with asked(asking) as there:
        assert there.execute(read % "item", quorum, by_two), "a quorum had confirmed it"
        assert there.execute(read % "item", quorum, seen), "blocking read repair: seen once, seen"
        assert not there.execute(read % "other", quorum, unrepaired), "without: seen, and gone"
        assert not there.execute(read % "item", quorum, alone), "one copy is lost with its node"


def test_the_tables_read_and_write_as_w3_asks(cassandra_nodes: Nodes, url: str) -> None:
    """Of what the migration made, as the nodes tell it."""
    keyspace = parse(url).keyspace
    with asked(cassandra_nodes[0]) as one:
        found = one.session.cluster.metadata.keyspaces[keyspace]
        repair = {name: table.options["read_repair"] for name, table in found.tables.items()}
    assert found.durable_writes
    assert found.replication_strategy.export_for_schema().count("'3'") == 1
    assert set(repair.values()) == {"BLOCKING"}
