"""What `Blobs.sign` says of URLs, by a plain HTTP client, on every adapter."""

import asyncio
import hashlib
import os
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import pytest

from signet.adapters.blobs_filesystem import FilesystemBlobs
from signet.adapters.blobs_http import BlobsApp, Receive, Scope, Send
from signet.adapters.open import open_blobs
from signet.core import limits
from signet.ports.blobs import BlobNotFound, Blobs, Method
from tests.support.blob_stores import Asgi, every_adapter, s3_blobs, served_folder
from tests.support.lanes import Server

SMALL = os.urandom(100_000)
LARGE = os.urandom(limits.BLOB_PART + 3_000_001)


@pytest.fixture
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    if request.param == "filesystem":
        async with served_folder(tmp_path / "media") as folder:
            yield folder
    else:
        store = s3_blobs(request.getfixturevalue("s3_server"))
        yield store
        await store.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


def new_name() -> str:
    return uuid4().hex


def said_of(data: bytes) -> dict[str, str]:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"if-none-match": "*", "content-md5": b64encode(digest).decode()}


async def put(http: httpx.AsyncClient, blobs: Blobs, name: str, data: bytes) -> httpx.Response:
    return await http.put(await blobs.sign("PUT", name, 60), content=data, headers=said_of(data))


async def stored(http: httpx.AsyncClient, blobs: Blobs, data: bytes) -> str:
    name = new_name()
    assert (await put(http, blobs, name, data)).status_code == 200
    return name


async def read(blobs: Blobs, name: str) -> bytes:
    return b"".join([piece async for piece in blobs.get(name)])


async def is_absent(blobs: Blobs, name: str) -> bool:
    try:
        await blobs.info(name)
    except BlobNotFound:
        return True
    return False


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.05)


async def answer_to_head(url: str, header: str) -> bytes:
    """The status line that a PUT gets before it has sent a byte of its body."""
    to = urlsplit(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    head = f"PUT {to.path}?{to.query} HTTP/1.1\r\nhost: {to.netloc}\r\n{header}\r\n\r\n"
    writer.write(head.encode())
    line = await reader.readline()
    writer.close()
    return line


def renamed(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rpartition("/")[0] + "/" + name))


@every_adapter
@pytest.mark.parametrize("data", [b"", b"x", SMALL, LARGE], ids=len)
async def test_what_was_put_by_a_url_is_got_by_another(
    blobs: Blobs, http: httpx.AsyncClient, data: bytes
) -> None:
    name = await stored(http, blobs, data)
    assert await read(blobs, name) == data
    answer = await http.get(await blobs.sign("GET", name, 60))
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["content-length"] == str(len(data))


@every_adapter
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-9", 0, 10),
        ("99990-", 99_990, 100_000),
        ("-10", 99_990, 100_000),
        ("5-999999", 5, 100_000),
    ],
)
async def test_a_url_gives_a_range(
    blobs: Blobs, http: httpx.AsyncClient, asked: str, start: int, end: int
) -> None:
    url = await blobs.sign("GET", await stored(http, blobs, SMALL), 60)
    answer = await http.get(url, headers={"range": f"bytes={asked}"})
    assert (answer.status_code, answer.content) == (206, SMALL[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(SMALL)}"


@every_adapter
async def test_a_range_behind_the_end_is_refused(blobs: Blobs, http: httpx.AsyncClient) -> None:
    url = await blobs.sign("GET", await stored(http, blobs, SMALL), 60)
    assert (await http.get(url, headers={"range": "bytes=100000-"})).status_code == 416


@every_adapter
async def test_a_download_that_was_cut_goes_on_by_range(
    blobs: Blobs, http: httpx.AsyncClient
) -> None:
    url, got = await blobs.sign("GET", await stored(http, blobs, LARGE), 60), b""
    async with http.stream("GET", url) as answer:
        async for piece in answer.aiter_raw():
            got += piece
            if len(got) > 1_000_000:
                break
    assert len(got) < len(LARGE)
    rest = await http.get(url, headers={"range": f"bytes={len(got)}-"})
    assert got + rest.content == LARGE


@every_adapter
async def test_a_blob_that_is_not_there_is_not_found(blobs: Blobs, http: httpx.AsyncClient) -> None:
    assert (await http.get(await blobs.sign("GET", new_name(), 60))).status_code == 404


@every_adapter
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_url_is_good_until_it_expires(
    blobs: Blobs, http: httpx.AsyncClient, method: Method
) -> None:
    name = await stored(http, blobs, SMALL) if method == "GET" else new_name()
    signed = time.monotonic()
    url = await blobs.sign(method, name, 2)

    async def is_refused() -> bool:
        answer = await http.request(method, url, content=b"x" if method == "PUT" else None)
        return answer.status_code == 403

    await eventually(is_refused)
    assert time.monotonic() - signed > 0.9  # clocks of URLs have whole seconds
    if method == "PUT":
        await blobs.delete(name)
        assert await is_refused()
        assert await is_absent(blobs, name)


@every_adapter
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_url_that_was_changed_is_refused(
    blobs: Blobs, http: httpx.AsyncClient, method: Method
) -> None:
    name, other = await stored(http, blobs, SMALL), new_name()
    url = await blobs.sign(method, name, 60)
    last = "1" if url.endswith("0") else "0"
    for forged in (renamed(url, other), url[:-1] + last, url.partition("?")[0]):
        answer = await http.request(method, forged, content=b"x" if method == "PUT" else None)
        assert answer.status_code == 403, forged
    assert await read(blobs, name) == SMALL
    assert await is_absent(blobs, other)


@every_adapter
async def test_a_url_is_for_its_method_alone(blobs: Blobs, http: httpx.AsyncClient) -> None:
    name = await stored(http, blobs, SMALL)
    to_get, to_put = await blobs.sign("GET", name, 60), await blobs.sign("PUT", name, 60)
    assert (await http.get(to_put)).status_code == 403
    assert (await http.put(to_get, content=b"x")).status_code == 403
    for url in (to_get, to_put):
        assert (await http.delete(url)).status_code == 403
        assert (await http.post(url, content=b"x")).status_code in {403, 405}
    assert await read(blobs, name) == SMALL


@every_adapter
async def test_a_put_that_says_so_never_replaces(blobs: Blobs, http: httpx.AsyncClient) -> None:
    name = await stored(http, blobs, SMALL)
    assert (await put(http, blobs, name, b"another")).status_code in {409, 412}
    assert await read(blobs, name) == SMALL


@every_adapter
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
async def test_an_upload_that_is_cut_leaves_nothing_and_may_be_made_again(
    blobs: Blobs, http: httpx.AsyncClient, data: bytes
) -> None:
    name = new_name()
    url = urlsplit(await blobs.sign("PUT", name, 60))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    said = said_of(data) | {"host": url.netloc, "content-length": str(len(data))}
    headers = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\n{headers}\r\n"
    writer.write(head.encode() + data[: len(data) // 2])
    writer.write_eof()
    await reader.read()  # whatever it says, it is done with this
    writer.close()
    assert await is_absent(blobs, name)
    assert (await put(http, blobs, name, data)).status_code == 200
    assert await read(blobs, name) == data


@every_adapter
async def test_bytes_that_changed_on_their_way_are_refused(
    blobs: Blobs, http: httpx.AsyncClient
) -> None:
    name = new_name()
    url = await blobs.sign("PUT", name, 60)
    answer = await http.put(url, content=b"right", headers=said_of(b"wrong"))
    assert answer.status_code == 400
    assert await is_absent(blobs, name)


@every_adapter
async def test_a_put_without_its_length_is_refused(blobs: Blobs) -> None:
    name = new_name()
    answer = await answer_to_head(await blobs.sign("PUT", name, 60), "transfer-encoding: chunked")
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert await is_absent(blobs, name)


@every_adapter
async def test_a_url_for_so_many_bytes_takes_no_others(
    blobs: Blobs, http: httpx.AsyncClient
) -> None:
    name = new_name()
    url = await blobs.sign("PUT", name, 60, len(SMALL))
    for other in (SMALL[:-1], SMALL + b"x"):
        answer = await http.put(url, content=other, headers=said_of(other))
        assert answer.status_code in {400, 403, 413}
        assert await is_absent(blobs, name)
    assert (await http.put(url, content=SMALL, headers=said_of(SMALL))).status_code == 200
    assert await read(blobs, name) == SMALL
    again = await http.put(url, content=SMALL, headers=said_of(SMALL))
    assert again.status_code in {409, 412}


@pytest.mark.lane("s3")
async def test_a_url_of_s3_for_so_many_bytes_wants_to_hear_that_it_replaces_nothing(
    s3_server: Server, http: httpx.AsyncClient
) -> None:
    blobs, name = s3_blobs(s3_server), new_name()
    url = await blobs.sign("PUT", name, 60, len(SMALL))
    assert (await http.put(url, content=SMALL)).status_code == 403
    assert await is_absent(blobs, name)


@every_adapter
@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "a?b", "x" * 1_000])
async def test_no_url_is_signed_for_a_malformed_name(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await blobs.sign("PUT", name, 60)


@every_adapter
@pytest.mark.parametrize("expires_s", [-1, 0, limits.BLOB_URL_LIFE + 1])
async def test_no_url_is_signed_for_no_time_or_too_long_a_time(
    blobs: Blobs, expires_s: int
) -> None:
    with pytest.raises(ValueError, match="seconds"):
        await blobs.sign("GET", new_name(), expires_s)


@every_adapter
async def test_a_url_may_be_good_for_as_long_as_is_said(
    blobs: Blobs, http: httpx.AsyncClient
) -> None:
    name = await stored(http, blobs, SMALL)
    url = await blobs.sign("GET", name, limits.BLOB_URL_LIFE)
    assert (await http.get(url)).content == SMALL


@pytest.mark.lane("s3")
async def test_urls_of_s3_lead_to_where_clients_find_it(
    s3_server: Server, http: httpx.AsyncClient
) -> None:
    blobs = s3_blobs(s3_server, endpoint="http://127.0.0.1:9", public=f"http://{s3_server.url}")
    name = await stored(http, blobs, SMALL)
    assert await read(s3_blobs(s3_server), name) == SMALL


@pytest.mark.parametrize(
    "store", ["file://{0}", "s3://key:secret@media?region=eu&endpoint=https://s3"]
)
async def test_a_stores_url_says_where_clients_find_blobs(tmp_path: Path, store: str) -> None:
    public = "https://media.example.org:8443"
    blobs = open_blobs(store.format(tmp_path) + ("&" if "?" in store else "?") + f"public={public}")
    url = urlsplit(await blobs.sign("GET", "name", 60))
    assert f"{url.scheme}://{url.netloc}" == public
    assert url.path.endswith("/name")


async def test_no_url_is_signed_where_nobody_serves_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="public"):
        await FilesystemBlobs(tmp_path).sign("GET", "name", 60)


async def test_a_folder_refuses_more_than_it_allows(tmp_path: Path) -> None:
    async with served_folder(tmp_path) as blobs:
        url = await blobs.sign("PUT", "huge", 60)
        answer = await answer_to_head(url, f"content-length: {limits.MAX_BLOB + 1}")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert await is_absent(blobs, "huge")


async def test_a_folder_needs_no_header_to_refuse_a_name_that_is_taken(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    async with served_folder(tmp_path) as blobs:
        url = await blobs.sign("PUT", "once", 60)
        assert (await http.put(url, content=SMALL)).status_code == 200
        again = await http.put(url, content=LARGE)
        assert (again.status_code, again.json()["status"]) == (409, 409)
        assert await read(blobs, "once") == SMALL


async def test_a_folder_keeps_nothing_of_an_upload_that_was_cut(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    async with served_folder(tmp_path) as blobs:

        async def pieces() -> AsyncIterator[bytes]:
            yield LARGE[: len(LARGE) - 1]
            await eventually(some_of_it_is_there)
            raise ConnectionResetError

        async def some_of_it_is_there() -> bool:
            return any(tmp_path.glob("incoming/*/*"))

        async def nothing_is_there() -> bool:
            return not await some_of_it_is_there()

        url, said = await blobs.sign("PUT", "cut", 60), {"content-length": str(len(LARGE))}
        with pytest.raises(ConnectionResetError):
            await http.put(url, content=pieces(), headers=said)
        await eventually(nothing_is_there)
        assert await is_absent(blobs, "cut")


async def test_an_upload_that_stands_still_is_ended(tmp_path: Path) -> None:
    impatient = served_folder(tmp_path, lambda it: BlobsApp(it, it.key, patience_s=0.2))
    async with impatient as blobs:
        url = urlsplit(await blobs.sign("PUT", "slow", 60))
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        writer.write(f"{head}Content-Length: 10\r\n\r\n12345".encode())
        answer = await reader.read()  # to the end: the server hangs up
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert not any(tmp_path.glob("incoming/*/*"))
        assert await is_absent(blobs, "slow")
        writer.close()


async def test_a_download_that_nobody_reads_is_ended(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    ended = asyncio.Event()

    def impatient(folder: FilesystemBlobs) -> Asgi:
        app = BlobsApp(folder, folder.key, patience_s=0.2)

        async def telling(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            if scope["method"] == "GET":
                ended.set()

        return telling

    async with served_folder(tmp_path, impatient) as blobs:
        huge = os.urandom(1_000_000) * 40  # more than the network holds
        url = urlsplit(await blobs.sign("GET", await stored(http, blobs, huge), 60))
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        await ended.wait()
        assert len(await reader.read()) < len(huge)
        writer.close()


async def test_urls_of_a_folder_outlive_the_process(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    async with served_folder(tmp_path) as blobs:
        await stored(http, blobs, SMALL)
        old = blobs.key
    async with served_folder(tmp_path) as blobs:
        assert (blobs.key, len(old)) == (old, 32)
    assert (tmp_path / "url.key").stat().st_mode & 0o777 == 0o600
