"""Stores over TLS, by what their URLs say: their certificate is verified, ours is shown."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from signet.adapters import directory_sql, store_urls
from signet.adapters import open as adapters
from signet.adapters.events_kafka import create_topics
from signet.adapters.inbox_cassandra.migrate import migrate
from signet.adapters.inbox_cassandra.store import CassandraInbox
from signet.core.ids import Incarnation, ShardId, UserId
from signet.ports.events import Event, Topic
from signet.ports.inbox import StoreUnavailable
from signet.ports.members import Kind, Member, State
from tests.support.cassandra import SLOW_S
from tests.support.lanes import LANES, LaneUnavailableError, Server
from tests.support.lanes.postgres import DATABASE, USER, dsn, of_this_machine
from tests.support.lanes.postgres import make as make_postgres
from tests.support.lanes.s3 import ACCESS, BUCKET, REGION, SECRET
from tests.support.pod_files import Files, Folder
from tests.support.tls_front import tls_front

MEMBER = Member(Kind.KEYS, "keys-0", "there:1", State.ACTIVE, 1, Incarnation(bytes(16)))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A store's certificate."""
    return Folder(tmp_path_factory.mktemp("theirs")).issue("store")


@pytest.fixture
def strangers(tmp_path: Path) -> Files:
    """Of an authority that has signed nothing here."""
    return Folder(tmp_path / "strangers").issue("stranger")


def shown(files: Files) -> str:
    return f"cafile={files.ca}&certfile={files.cert}&keyfile={files.key}"


@pytest.mark.lane("redis")
async def test_redis(redis_server: Server, theirs: Files, strangers: Files) -> None:
    async with tls_front(redis_server.host, redis_server.port, theirs, asks=True) as front:
        url = f"rediss://127.0.0.1:{front.port}/5?{shown(theirs)}"
        members, limits = adapters.open_members(url), adapters.open_rate_limits(url)
        presence = adapters.open_presence(url, asyncio.get_running_loop().time)
        try:
            await members.put(MEMBER)
            assert MEMBER in await members.list()
            key = uuid4().hex
            assert (await limits.hit("test", key, 1, 60)).allowed
            assert not (await limits.hit("test", key, 1, 60)).allowed
            assert await presence.get([UserId(bytes(16))]) == {}
            await members.remove(MEMBER)
        finally:
            for store in (members, limits, presence):
                await store.close()
        for wrong in (f"cafile={theirs.ca}", shown(strangers)):
            members = adapters.open_members(f"rediss://127.0.0.1:{front.port}/5?{wrong}")
            with pytest.raises(ConnectionError):
                await members.put(MEMBER)
            await members.close()


ZOOKEEPER_TLS = """
secureClientPort={port}
secureClientPortAddress={host}
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location={store}
ssl.trustStore.location={ca}
"""


@pytest.fixture
def zookeeper_over_tls(tmp_path: Path, theirs: Files) -> Iterator[Server]:
    """It asks clients for a certificate, as ZooKeeper does unless it is told otherwise."""
    try:
        server = LANES["zookeeper"].make(tmp_path, print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    plain = [
        line
        for line in (tmp_path / "zoo.cfg").read_text().splitlines()
        if not line.startswith("clientPort")
    ]
    store, ca = key_store(tmp_path, theirs), authority(tmp_path, theirs)
    tls = ZOOKEEPER_TLS.format(host=server.host, port=server.port, store=store, ca=ca)
    (tmp_path / "zoo.cfg").write_text("\n".join([*plain, tls]))
    try:
        yield server.start()
    finally:
        server.kill()


def key_store(folder: Path, files: Files) -> Path:
    """Key and certificate in one file, as servers on Java take them."""
    store = folder / "store.pem"
    store.write_bytes(files.key.read_bytes() + files.cert.read_bytes())
    return store


def authority(folder: Path, files: Files) -> Path:
    """ZooKeeper tells what a file is by the end of its name."""
    copy = folder / "ca.pem"
    copy.write_bytes(files.ca.read_bytes())
    return copy


@pytest.mark.lane("zookeeper")
async def test_zookeeper(zookeeper_over_tls: Server, theirs: Files, strangers: Files) -> None:
    where = f"zookeeper+ssl://{zookeeper_over_tls.url}"
    members = adapters.open_members(f"{where}?{shown(theirs)}")
    async with asyncio.timeout(30):
        while MEMBER not in await members.list():  # the first connection takes a moment
            with contextlib.suppress(ConnectionError):
                await members.put(MEMBER)
    await members.remove(MEMBER)
    await members.close()
    for wrong in (f"cafile={theirs.ca}", shown(strangers)):
        members = adapters.open_members(f"{where}?{wrong}")
        for _ in range(3):  # each waits for a connection, which kazoo tries meanwhile
            with pytest.raises(ConnectionError):
                await members.put(MEMBER)
        await members.close()


@pytest.mark.lane("postgres")
async def test_postgresql(postgres_server: Server, theirs: Files, strangers: Files) -> None:
    at = postgres_server
    async with tls_front(at.host, at.port, theirs, asks=True, postgres=True) as front:

        def url(asked: str) -> str:
            return f"postgresql://{USER}@127.0.0.1:{front.port}/{DATABASE}?{asked}"

        directory = await directory_sql.open_directory(url(shown(theirs)), migrate=False)
        await directory.revision()  # whatever it is: it was answered
        await directory.close()
        for wrong in (f"cafile={theirs.ca}", shown(strangers)):
            directory = await directory_sql.open_directory(url(wrong), migrate=False)
            with pytest.raises(StoreUnavailable):
                await directory.revision()
            await directory.close()


POSTGRES_TLS = """
ssl = on
ssl_cert_file = '{files.cert}'
ssl_key_file = '{files.key}'
ssl_ca_file = '{files.ca}'
"""


@pytest.fixture
def postgres_over_tls(tmp_path: Path, theirs: Files) -> Iterator[Server]:
    """This machine's, where there is one: the lane's is built without TLS."""
    binaries = of_this_machine()
    if binaries is None:
        pytest.skip("PostgreSQL with TLS of its own: apt-get install postgresql")
    server = make_postgres(tmp_path, print, binaries)
    with (tmp_path / "lane.conf").open("a") as config:
        config.write(POSTGRES_TLS.format(files=theirs))
    rule = "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n"
    (tmp_path / "data" / "pg_hba.conf").write_text(rule)
    try:
        yield server.start()
    finally:
        server.kill()


async def test_postgresql_with_tls_of_its_own(
    postgres_over_tls: Server, theirs: Files, strangers: Files
) -> None:
    def url(asked: str) -> str:
        return f"{dsn(postgres_over_tls)}?{asked}"

    directory = await directory_sql.open_directory(url(shown(theirs)), migrate=True)
    assert await directory.revision()
    await directory.close()
    for wrong in (f"cafile={theirs.ca}", shown(strangers), "ssl=verify-full"):
        directory = await directory_sql.open_directory(url(wrong), migrate=False)
        with pytest.raises(StoreUnavailable):
            await directory.revision()
        await directory.close()


@pytest.fixture
def kafka_over_tls(tmp_path: Path, theirs: Files) -> Iterator[Server]:
    try:
        server = LANES["kafka"].make(tmp_path, print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    asked = (tmp_path / "server.properties").read_text()
    listener = f"PLAINTEXT://{server.url}"
    asked = asked.replace(listener, f"SSL://{server.url}")
    asked = asked.replace("PLAINTEXT:PLAINTEXT", "SSL:SSL").replace("name=PLAINTEXT", "name=SSL")
    for name, value in {
        "keystore.type": "PEM",
        "keystore.location": key_store(tmp_path, theirs),
        "truststore.type": "PEM",
        "truststore.location": theirs.ca,
        "client.auth": "required",
    }.items():
        asked += f"ssl.{name}={value}\n"
    (tmp_path / "server.properties").write_text(asked)
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.mark.lane("kafka")
@pytest.mark.timeout(180)
async def test_kafka(kafka_over_tls: Server, theirs: Files, tmp_path: Path) -> None:
    url = f"kafka+ssl://{kafka_over_tls.url}?{shown(theirs)}&partitions=1&replicas=1"
    at = store_urls.kafka(url)
    await asyncio.to_thread(
        create_topics,
        at.bootstrap,
        partitions=at.partitions,
        replicas=at.replicas,
        settings=at.settings,
    )
    events = adapters.open_events(url, tmp_path / "spool")
    hint = Event(Topic.PUSH, UserId(bytes(16)), "NEW_MESSAGE", 1)
    try:
        following = events.subscribe(Topic.PUSH, "test")
        arrived = asyncio.ensure_future(anext(following))
        async with asyncio.timeout(120):
            while not arrived.done():
                events.publish(hint)
                await asyncio.wait([arrived], timeout=0.5)
        assert await arrived == hint
    finally:
        await events.close()


@pytest.fixture
async def s3_over_tls(tmp_path: Path, theirs: Files) -> AsyncIterator[Server]:
    try:
        server = LANES["s3"].make(tmp_path, print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    at = server.command.index("--port")
    files = ["--cert", str(theirs.cert), "--key", str(theirs.key)]
    server.command = [*server.command[:at], *files, *server.command[at:]]
    try:
        yield await asyncio.to_thread(server.start)
    finally:
        server.kill()


@pytest.mark.lane("s3")
async def test_s3(s3_over_tls: Server, theirs: Files, strangers: Files) -> None:
    def url(files: Files) -> str:
        endpoint = f"https://{s3_over_tls.url}"
        asked = f"endpoint={endpoint}&region={REGION}&cafile={files.ca}"
        return f"s3://{ACCESS}:{SECRET}@{BUCKET}?{asked}"

    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"

    blobs, refused = adapters.open_blobs(url(theirs)), adapters.open_blobs(url(strangers))
    name = uuid4().hex
    assert (await blobs.put(name, chunks(), 5)).size == 5
    with pytest.raises(ConnectionError):
        await refused.info(name)


@pytest.fixture(scope="module")
def cassandra_over_tls(tmp_path_factory: pytest.TempPathFactory, theirs: Files) -> Iterator[Server]:
    """A node that takes clients over TLS alone, and asks them for a certificate."""
    folder = tmp_path_factory.mktemp("cassandra-tls")
    try:
        server = LANES["cassandra"].make(folder, print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    with (folder / "cassandra.yaml").open("a") as config:
        config.write(CASSANDRA_TLS.format(store=key_store(folder, theirs), ca=theirs.ca))
    try:
        yield server.start()
    finally:
        server.kill()


CASSANDRA_TLS = """
client_encryption_options:
  enabled: true
  optional: false
  require_client_auth: true
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
  keystore: {store}
  truststore: {ca}
"""


@pytest.mark.lane("cassandra")
async def test_cassandra(cassandra_over_tls: Server, theirs: Files) -> None:
    url = f"cassandra+ssl://{cassandra_over_tls.url}/signet?{shown(theirs)}"
    assert "from version 0" in await migrate(url)
    inbox = CassandraInbox(url, timeout_s=SLOW_S)
    life = Incarnation(bytes(16))
    await inbox.register(life, 1000)
    assert [one.shard for one in await inbox.take(life, [ShardId(3)])] == [3]
    await inbox.close()


@pytest.mark.lane("cassandra")
@pytest.mark.parametrize("who", ["an authority", "a name", "a stranger", "nobody"])
async def test_cassandra_and_what_is_not_trusted(
    cassandra_over_tls: Server, theirs: Files, strangers: Files, who: str
) -> None:
    """Who is not let in by the node may hear no more than that it closes the connection."""
    mixed = f"cafile={theirs.ca}&certfile={strangers.cert}&keyfile={strangers.key}"
    host, asked, says = {
        "an authority": ("127.0.0.1", shown(strangers), "certificate verify failed"),
        "a name": ("127.1", shown(theirs), "certificate is not valid for '127.1'"),
        "a stranger": ("127.0.0.1", mixed, r"alert|EOF occurred|reset by peer"),
        "nobody": ("127.0.0.1", f"cafile={theirs.ca}", r"alert|EOF occurred|reset by peer"),
    }[who]
    url = f"cassandra+ssl://{host}:{cassandra_over_tls.port}/signet?{asked}"
    with pytest.raises(StoreUnavailable, match=says):
        await migrate(url)
    inbox = CassandraInbox(url, timeout_s=SLOW_S)
    with pytest.raises(StoreUnavailable, match=says):
        await inbox.leases()
    await inbox.close()
