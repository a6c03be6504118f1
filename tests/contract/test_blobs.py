"""What ports/blobs.py says may be relied upon, on every adapter."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from signet.adapters.blobs_filesystem import FilesystemBlobs
from signet.core import limits
from signet.ports.blobs import BlobExists, BlobInfo, BlobNotFound, Blobs
from tests.support.blob_stores import every_adapter, s3_blobs

SMALL = os.urandom(100_000)
LARGE = os.urandom(limits.BLOB_PART + 3_000_001)  # more than one part


@pytest.fixture
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    if request.param == "filesystem":
        store: Blobs = FilesystemBlobs(tmp_path / "media")
    else:
        store = s3_blobs(request.getfixturevalue("s3_server"))
    yield store
    await store.close()


every_size = pytest.mark.parametrize("data", [b"", b"x", SMALL, LARGE], ids=len)


def new_name() -> str:
    return uuid4().hex


async def chunked(data: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(blobs: Blobs, name: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.get(name, start, end)])


@every_adapter
@every_size
async def test_what_was_put_is_read_back(blobs: Blobs, data: bytes) -> None:
    name = new_name()
    info = await blobs.put(name, chunked(data), len(data))
    assert (info.name, info.size) == (name, len(data))
    assert abs(info.written_ms / 1000 - time.time()) < 60
    assert await blobs.info(name) == info
    assert await read(blobs, name) == data


@every_adapter
@pytest.mark.parametrize(
    ("start", "end"), [(0, 10), (5, 6), (10, None), (99_990, 200_000), (7, 7), (100_000, None)]
)
async def test_a_range_is_read(blobs: Blobs, start: int, end: int | None) -> None:
    name = new_name()
    await blobs.put(name, chunked(SMALL), len(SMALL))
    assert await read(blobs, name, start, end) == SMALL[start:end]


@every_adapter
async def test_an_unknown_blob_is_not_found(blobs: Blobs) -> None:
    with pytest.raises(BlobNotFound):
        await blobs.info(new_name())
    with pytest.raises(BlobNotFound):
        await read(blobs, new_name())
    with pytest.raises(BlobNotFound):
        await read(blobs, new_name(), 5, 6)
    await blobs.delete(new_name())


@every_adapter
async def test_a_deleted_blob_is_gone(blobs: Blobs) -> None:
    name = new_name()
    await blobs.put(name, chunked(SMALL), len(SMALL))
    await blobs.delete(name)
    with pytest.raises(BlobNotFound):
        await read(blobs, name)


@every_adapter
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
async def test_a_blob_does_not_change(blobs: Blobs, data: bytes) -> None:
    name = new_name()
    await blobs.put(name, chunked(data), len(data))
    with pytest.raises(BlobExists):
        await blobs.put(name, chunked(bytes(len(data))), len(data))
    assert await read(blobs, name) == data


@every_adapter
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
@pytest.mark.parametrize("claimed", [-1, 1])
async def test_a_blob_of_another_size_than_was_said_does_not_appear(
    blobs: Blobs, data: bytes, claimed: int
) -> None:
    name = new_name()
    with pytest.raises(ValueError, match="bytes"):
        await blobs.put(name, chunked(data), len(data) + claimed)
    with pytest.raises(BlobNotFound):
        await blobs.info(name)


@every_adapter
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
async def test_an_upload_that_ends_in_the_middle_does_not_appear(blobs: Blobs, data: bytes) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield data[: len(data) // 2]
        raise ConnectionResetError("the client is gone")

    name = new_name()
    with pytest.raises(ConnectionResetError):
        await blobs.put(name, broken(), len(data))
    with pytest.raises(BlobNotFound):
        await blobs.info(name)


@every_adapter
@pytest.mark.parametrize("name", ["", "..", "../other", "a/b", "a b", "x" * 1_000])
async def test_a_malformed_name_is_refused(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await blobs.put(name, chunked(b"x"), 1)
    with pytest.raises(BlobNotFound):
        await blobs.info(name)


async def test_what_a_crash_left_half_written_is_thrown_away(tmp_path: Path) -> None:
    blobs = FilesystemBlobs(tmp_path)
    await blobs.put("whole", chunked(SMALL), len(SMALL))
    half = tmp_path / "incoming" / "of_the_dead" / "half"
    half.parent.mkdir()
    half.write_bytes(SMALL[:10])
    reopened = FilesystemBlobs(tmp_path)
    assert not half.parent.exists()
    assert await read(reopened, "whole") == SMALL


async def test_who_opens_a_folder_leaves_alone_what_another_process_is_writing(
    tmp_path: Path,
) -> None:
    first, is_there = FilesystemBlobs(tmp_path), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield SMALL[:10]
        await is_there.wait()
        yield SMALL[10:]

    writing = asyncio.create_task(first.put("slow", slowly(), len(SMALL)))
    await asyncio.sleep(0)
    second = FilesystemBlobs(tmp_path)
    is_there.set()
    await writing
    assert await read(second, "slow") == SMALL
    await first.close()
    await second.close()
    assert not any((tmp_path / "incoming").iterdir())


@every_adapter
async def test_blobs_between_two_names_are_deleted_and_no_others(blobs: Blobs) -> None:
    names = [f"between-{number}-{new_name()}" for number in range(5)]
    for name in names:
        await blobs.put(name, chunked(b"x"), 1)
    assert await blobs.delete_between("between-1", "between-3") == 2
    assert await blobs.delete_between("between-1", "between-3") == 0
    for name in names:
        if name.startswith(("between-1", "between-2")):
            with pytest.raises(BlobNotFound):
                await blobs.info(name)
        else:
            await blobs.info(name)
            await blobs.delete(name)


@every_adapter
async def test_of_two_who_put_the_same_name_one_at_least_stands_whole(blobs: Blobs) -> None:
    name, datas = new_name(), [os.urandom(1000), os.urandom(1000)]
    puts = [blobs.put(name, chunked(data), len(data)) for data in datas]
    done = await asyncio.gather(*puts, return_exceptions=True)
    assert {type(one) for one in done} <= {BlobInfo, BlobExists}
    won = [data for data, one in zip(datas, done, strict=True) if isinstance(one, BlobInfo)]
    assert await read(blobs, name) in won
