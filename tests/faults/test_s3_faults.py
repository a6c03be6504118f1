"""S3 killed, stopped, slow: every wait is bounded, and what was stored is there afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from signet.adapters.blobs_s3 import S3Blobs
from signet.ports.blobs import BlobNotFound
from tests.faults.chaos.doors import LOOPBACK, Door
from tests.support.blob_stores import s3_blobs
from tests.support.lanes import Server, s3

pytestmark = pytest.mark.lane("s3")
TIMEOUT = 0.5
BOUND = 10 * TIMEOUT  # with the tries again
DATA = os.urandom(1_000)


@pytest.fixture
def blobs(s3_server: Server) -> S3Blobs:
    return s3_blobs(s3_server, timeout_s=TIMEOUT)


async def chunks() -> AsyncIterator[bytes]:
    yield DATA


async def read(blobs: S3Blobs, name: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.get(name)])


async def refuses_everything(blobs: S3Blobs, name: str) -> None:
    for call in (
        blobs.put(uuid4().hex, chunks(), len(DATA)),
        read(blobs, name),
        blobs.info(name),
        blobs.delete(uuid4().hex),
    ):
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(BOUND):
                await call


async def test_a_dead_s3_is_an_error_in_time_and_what_it_had_is_back_with_it(
    s3_server: Server, blobs: S3Blobs
) -> None:
    name = uuid4().hex
    await blobs.put(name, chunks(), len(DATA))
    s3_server.kill()
    await refuses_everything(blobs, name)
    await asyncio.to_thread(s3_server.restart)
    assert await read(blobs, name) == DATA


async def test_a_stopped_s3_is_an_error_in_time(s3_server: Server, blobs: S3Blobs) -> None:
    name = uuid4().hex
    await blobs.put(name, chunks(), len(DATA))
    with s3_server.paused():
        await refuses_everything(blobs, name)
    assert await read(blobs, name) == DATA


async def test_a_slow_s3_is_waited_for_within_the_bound_and_no_longer(s3_server: Server) -> None:
    timeout, name = 4 * TIMEOUT, uuid4().hex
    door = Door(lambda: [(LOOPBACK, s3_server.port)])
    await door.open()
    endpoint = f"http://{LOOPBACK}:{door.port}"
    blobs = s3_blobs(s3_server, endpoint=endpoint, timeout_s=timeout)
    door.slow(timeout / 10)
    await blobs.put(name, chunks(), len(DATA))
    assert await read(blobs, name) == DATA
    door.slow(2 * timeout)
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(10 * timeout):
            await read(blobs, name)
    door.flow()
    assert await read(blobs, name) == DATA
    await door.close()


async def test_a_dead_s3_is_not_needed_to_sign_urls_and_they_are_good_when_it_is_back(
    s3_server: Server, blobs: S3Blobs
) -> None:
    name = uuid4().hex
    s3_server.kill()
    url = await blobs.sign("PUT", name, 60)
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.put(url, content=DATA)
        await asyncio.to_thread(s3_server.restart)
        assert (await http.put(url, content=DATA)).status_code == 200
    assert await read(blobs, name) == DATA


async def test_an_upload_by_url_that_s3_dies_in_leaves_nothing_and_may_be_made_again(
    s3_server: Server, blobs: S3Blobs
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield DATA
        s3_server.kill()
        yield DATA

    name, said = uuid4().hex, {"content-length": str(2 * len(DATA))}
    url = await blobs.sign("PUT", name, 60)
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.TransportError):
            await http.put(url, content=pieces(), headers=said)
        await asyncio.to_thread(s3_server.restart)
        with pytest.raises(BlobNotFound):
            await blobs.info(name)
        assert (await http.put(url, content=DATA)).status_code == 200
    assert await read(blobs, name) == DATA


async def test_a_forged_key_is_refused_and_says_so(s3_server: Server) -> None:
    forger = S3Blobs(
        s3.BUCKET, access_key=s3.ACCESS, secret_key="x" * 20, endpoint=f"http://{s3_server.url}"
    )
    with pytest.raises(Exception, match=r"(?i)signature|denied|403") as refused:
        await forger.put(uuid4().hex, chunks(), len(DATA))
    assert not isinstance(refused.value, ConnectionError | BlobNotFound)
