"""Media from the ticket to the download, over real HTTP, on every store of blobs."""

import hashlib
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from grpc import aio
from prometheus_client import REGISTRY

from signet.core.errors import Code, SignetError
from signet.core.limits import BLOB_PART, MEDIA_TICKET_TTL, MEDIA_TTL
from signet.keys.media import Part, Upload
from signet.keys.parts import Caller
from signet.keys.server import KeysServer
from signet.ports.blobs import BlobNotFound, Blobs
from signet.v1 import media_pb2 as pb
from signet.v1.media_pb2_grpc import MediaStub
from tests.support.blob_stores import every_adapter, s3_blobs
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, keys_service

SMALL = os.urandom(100_000)
LARGE = os.urandom(2 * BLOB_PART + 3_001)  # three parts
DAY = 24 * 3600


@dataclass
class Running:
    """A keys service, and somebody who has an account there."""

    service: Service
    server: KeysServer
    http: httpx.AsyncClient
    ann: Caller
    token: str

    @property
    def store(self) -> Blobs:
        stored = self.service.keys.media.blobs
        assert stored is not None
        return stored

    async def create(self, size: int) -> Upload:
        return await self.service.keys.media.create(self.ann, size)

    async def put(self, part: Part, data: bytes) -> httpx.Response:
        digest = b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        said = {"if-none-match": "*", "content-md5": digest}
        return await self.http.put(part.url, content=data, headers=said)

    async def put_all(self, upload: Upload, data: bytes) -> None:
        start = 0
        for part in upload.parts:
            answer = await self.put(part, data[start : start + part.size])
            assert answer.status_code == 200, answer.text
            start += part.size

    async def get(self, name: str) -> bytes:
        found = await self.service.keys.media.fetch(self.ann, name)
        return b"".join([(await self.http.get(part.url)).content for part in found.parts])


@pytest.fixture
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    stored = s3_blobs(request.getfixturevalue("s3_server")) if request.param == "s3" else None
    async with keys_service(tmp_path, blobs=stored) as service:
        server = KeysServer(service.keys)
        await server.start()
        ann = await service.register(NewPerson())
        caller = await service.caller(ann)
        base = f"http://{server.rest}"
        async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
            yield Running(service, server, http, caller, ann.token.token)
        await server.stop()


@every_adapter
@pytest.mark.parametrize("data", [b"x", SMALL, LARGE], ids=len)
async def test_what_was_put_by_a_ticket_is_got_by_its_name(blobs: Running, data: bytes) -> None:
    upload = await blobs.create(len(data))
    await blobs.put_all(upload, data)
    stored = await blobs.service.keys.media.complete(blobs.ann, upload.ticket)
    assert (stored.name, stored.size) == (upload.name, len(data))
    assert await blobs.get(upload.name) == data


async def test_what_goes_through_the_door_is_counted(tmp_path: Path) -> None:
    def counted(status: str) -> float:
        labels = {"route": "/v1/blobs/{name}", "status": status}
        return REGISTRY.get_sample_value("signet_keys_requests_total", labels) or 0.0

    async with keys_service(tmp_path) as service:
        server = KeysServer(service.keys)
        await server.start()
        before = counted("403")
        async with httpx.AsyncClient(base_url=f"http://{server.rest}", trust_env=False) as http:
            assert (await http.get("/v1/blobs/name")).status_code == 403
        assert counted("403") == before + 1
        await server.stop()


@every_adapter
async def test_nothing_is_got_before_it_is_complete(blobs: Running) -> None:
    upload = await blobs.create(len(SMALL))
    await blobs.put_all(upload, SMALL)
    with pytest.raises(SignetError) as error:
        await blobs.get(upload.name)
    assert error.value.code is Code.NOT_FOUND


@every_adapter
async def test_an_upload_that_was_cut_goes_on_where_it_was(blobs: Running) -> None:
    upload, media = await blobs.create(len(LARGE)), blobs.service.keys.media
    await blobs.put(upload.parts[1], LARGE[BLOB_PART : 2 * BLOB_PART])
    with pytest.raises(SignetError) as error:
        await media.complete(blobs.ann, upload.ticket)
    assert error.value.code is Code.MEDIA_INCOMPLETE
    again = await media.upload(blobs.ann, upload.ticket)
    assert [bool(part.url) for part in again.parts] == [True, False, True]
    assert (again.name, again.ticket) == (upload.name, upload.ticket)
    await blobs.put(again.parts[0], LARGE[:BLOB_PART])
    await blobs.put(again.parts[2], LARGE[2 * BLOB_PART :])
    await media.complete(blobs.ann, upload.ticket)
    assert await blobs.get(upload.name) == LARGE


@every_adapter
async def test_a_completion_whose_answer_was_lost_is_answered_again(blobs: Running) -> None:
    upload, media = await blobs.create(len(SMALL)), blobs.service.keys.media
    await blobs.put_all(upload, SMALL)
    first = await media.complete(blobs.ann, upload.ticket)
    assert await media.complete(blobs.ann, upload.ticket) == first


@every_adapter
async def test_a_part_of_another_length_is_not_taken(blobs: Running) -> None:
    upload = await blobs.create(len(SMALL))
    for other in (SMALL[:-1], SMALL + b"x"):
        assert (await blobs.put(upload.parts[0], other)).status_code in {400, 403, 413}
    again = await blobs.service.keys.media.upload(blobs.ann, upload.ticket)
    assert again.parts[0].url


@every_adapter
async def test_a_length_that_is_wrong_at_completion_is_refused_and_put_again(
    blobs: Running,
) -> None:
    upload, media = await blobs.create(len(LARGE)), blobs.service.keys.media

    async def short() -> AsyncIterator[bytes]:
        yield b"short"

    await blobs.put(upload.parts[0], LARGE[:BLOB_PART])
    await blobs.store.put(f"{upload.name}-0001", short(), 5)  # not by its URL, which refuses it
    await blobs.put(upload.parts[2], LARGE[2 * BLOB_PART :])
    with pytest.raises(SignetError) as error:
        await media.complete(blobs.ann, upload.ticket)
    assert error.value.code is Code.MEDIA_WRONG_LENGTH
    again = await media.upload(blobs.ann, upload.ticket)
    assert [bool(part.url) for part in again.parts] == [False, True, False]
    await blobs.put(again.parts[1], LARGE[BLOB_PART : 2 * BLOB_PART])
    await media.complete(blobs.ann, upload.ticket)
    assert await blobs.get(upload.name) == LARGE


@every_adapter
async def test_what_is_over_is_swept_and_nothing_else(blobs: Running) -> None:
    clock = blobs.service.clock
    clock.now = 10 * DAY + 1.0  # long ago: nothing else in a bucket that is shared is as old
    upload, media = await blobs.create(len(SMALL)), blobs.service.keys.media
    await blobs.put_all(upload, SMALL)
    await media.complete(blobs.ann, upload.ticket)
    clock.now += MEDIA_TTL + MEDIA_TICKET_TTL - DAY
    assert await media.sweep() == 0
    assert await blobs.get(upload.name) == SMALL
    clock.now += 2 * DAY
    assert await media.sweep() == 2  # the part and its mark
    for name in (upload.name, f"{upload.name}-0000"):
        with pytest.raises(BlobNotFound):
            await blobs.store.info(name)


@every_adapter
async def test_rest_and_grpc_say_the_same(blobs: Running) -> None:
    bearer = {"Authorization": f"Bearer {blobs.token}"}
    made = await blobs.http.post("/v1/media", json={"size": len(SMALL)}, headers=bearer)
    assert made.status_code == 201
    said = made.json()
    await blobs.put(Part(len(SMALL), said["parts"][0]["url"]), SMALL)
    async with aio.insecure_channel(str(blobs.server.grpc)) as channel:
        stub, metadata = MediaStub(channel), (("authorization", f"Bearer {blobs.token}"),)
        ticket = pb.MediaTicket(ticket=said["ticket"])
        there = await stub.GetUpload(ticket, metadata=metadata)
        assert [part.url for part in there.parts] == [""]
        whole = await stub.CompleteUpload(ticket, metadata=metadata)
        assert whole == pb.StoredMedia(name=said["name"], size=len(SMALL))
        found = await stub.GetMedia(pb.GetMediaRequest(name=whole.name), metadata=metadata)
        assert (await blobs.http.get(found.parts[0].url)).content == SMALL
        large = pb.CreateUploadRequest(size=2**40)
        with pytest.raises(aio.AioRpcError) as error:
            await stub.CreateUpload(large, metadata=metadata)
        assert ("signet-code", "MEDIA_TOO_LARGE") in tuple(error.value.trailing_metadata())
    got = await blobs.http.get(f"/v1/media/{whole.name}", headers=bearer)
    assert (got.json()["name"], got.json()["size"]) == (whole.name, len(SMALL))
    refusal = await blobs.http.post("/v1/media/complete", json={"ticket": "x"}, headers=bearer)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "MEDIA_TICKET_REFUSED")
    assert (await blobs.http.post("/v1/media", json={"size": 1})).status_code == 401
