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
from signet.core.ids import Incarnation, UserId
from signet.ports.events import Event, Topic
from signet.ports.inbox import StoreUnavailable
from signet.ports.members import Kind, Member, State
from tests.support.lanes import LANES, LaneUnavailableError, Server
from tests.support.lanes.postgres import DATABASE, USER
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


@pytest.mark.lane("zookeeper")
async def test_zookeeper(zookeeper_server: Server, theirs: Files, strangers: Files) -> None:
    async with tls_front(zookeeper_server.host, zookeeper_server.port, theirs, asks=True) as front:
        url = f"zookeeper+ssl://127.0.0.1:{front.port}?{shown(theirs)}"
        members = adapters.open_members(url)
        async with asyncio.timeout(30):
            while MEMBER not in await members.list():  # the first connection takes a moment
                with contextlib.suppress(ConnectionError):
                    await members.put(MEMBER)
        await members.remove(MEMBER)
        await members.close()
        for wrong in (f"cafile={theirs.ca}", shown(strangers)):
            let_in = front.let_in
            members = adapters.open_members(f"zookeeper+ssl://127.0.0.1:{front.port}?{wrong}")
            for _ in range(3):  # each waits for a connection, which kazoo tries meanwhile
                with pytest.raises(ConnectionError):
                    await members.put(MEMBER)
            assert front.let_in == let_in
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


@pytest.fixture
def kafka_over_tls(tmp_path: Path, theirs: Files) -> Iterator[Server]:
    try:
        server = LANES["kafka"].make(tmp_path, print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    store = tmp_path / "store.pem"
    store.write_bytes(theirs.key.read_bytes() + theirs.cert.read_bytes())
    asked = (tmp_path / "server.properties").read_text()
    listener = f"PLAINTEXT://{server.url}"
    asked = asked.replace(listener, f"SSL://{server.url}")
    asked = asked.replace("PLAINTEXT:PLAINTEXT", "SSL:SSL").replace("name=PLAINTEXT", "name=SSL")
    for name, value in {
        "keystore.type": "PEM",
        "keystore.location": store,
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
