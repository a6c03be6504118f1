"""Who gets a ticket for media, and what a ticket is good for."""

from collections.abc import Awaitable
from pathlib import Path

import pytest

from signet.core.errors import Code, SignetError
from signet.core.limits import (
    BLOB_PART,
    MAX_BLOB,
    MEDIA_OVERHEAD,
    MEDIA_TICKET_TTL,
    SIGNING_KEY_TTL,
)
from signet.keys.media import Media
from signet.keys.parts import HOUR, Caller
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, generous, keys_service, service

__all__ = ["service"]

NONE = "m00000-" + 48 * "0"  # a name that nothing has


async def somebody(service: Service) -> Caller:
    return await service.caller(await service.register(NewPerson()))


async def code_of(call: Awaitable[object]) -> Code:
    with pytest.raises(SignetError) as error:
        await call
    return error.value.code


async def test_names_are_long_and_never_the_same(service: Service) -> None:
    ann = await somebody(service)
    names = {(await service.keys.media.create(ann, 1)).name for _ in range(20)}
    assert len({name.partition("-")[2] for name in names}) == 20
    assert all(len(name) == len(NONE) for name in names)


async def test_a_large_blob_has_parts_that_are_the_whole(service: Service) -> None:
    upload = await service.keys.media.create(await somebody(service), 2 * BLOB_PART + 1)
    assert [part.size for part in upload.parts] == [BLOB_PART, BLOB_PART, 1]
    assert len({part.url for part in upload.parts}) == 3


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (0, Code.INVALID_ARGUMENT),
        (MAX_BLOB + MEDIA_OVERHEAD + 1, Code.MEDIA_TOO_LARGE),
        (2**63, Code.MEDIA_TOO_LARGE),
    ],
)
async def test_no_ticket_for_a_size_that_cannot_be(service: Service, size: int, code: Code) -> None:
    assert await code_of(service.keys.media.create(await somebody(service), size)) is code


async def test_the_largest_file_is_a_setting(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(media_bytes=1_000)) as service:
        ann, media = await somebody(service), service.keys.media
        await media.create(ann, 1_000 + MEDIA_OVERHEAD)
        assert await code_of(media.create(ann, 1_001 + MEDIA_OVERHEAD)) is Code.MEDIA_TOO_LARGE


async def test_an_account_gets_so_many_tickets_an_hour(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(media_an_hour=2)) as service:
        ann, ben, media = await somebody(service), await somebody(service), service.keys.media
        for _ in range(2):
            await media.create(ann, 1)
        with pytest.raises(SignetError) as error:
            await media.create(ann, 1)
        assert error.value.code is Code.RATE_LIMITED
        assert 0 < error.value.retry_after_s <= HOUR
        await media.create(ben, 1)


async def test_an_account_puts_so_many_parts_a_day(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(media_parts_a_day=4)) as service:
        ann, media = await somebody(service), service.keys.media
        await media.create(ann, 3 * BLOB_PART)
        assert await code_of(media.create(ann, 2 * BLOB_PART)) is Code.RATE_LIMITED
        await media.create(ann, BLOB_PART)


async def test_downloads_are_limited_too(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(media_reads_an_hour=1)) as service:
        ann, media = await somebody(service), service.keys.media
        assert await code_of(media.fetch(ann, NONE)) is Code.NOT_FOUND
        assert await code_of(media.fetch(ann, NONE)) is Code.RATE_LIMITED


async def test_a_ticket_is_good_for_a_day_whatever_becomes_of_the_key_that_signed_it(
    service: Service,
) -> None:
    ann = await somebody(service)
    service.clock.now += SIGNING_KEY_TTL - 1  # the key has a second left to sign
    upload = await service.keys.media.create(ann, 1)
    service.clock.now += MEDIA_TICKET_TTL - 2
    await service.keys.media.upload(ann, upload.ticket)
    service.clock.now += 2
    refused = await code_of(service.keys.media.upload(ann, upload.ticket))
    assert refused is Code.MEDIA_TICKET_REFUSED


async def test_a_ticket_is_good_for_its_account_alone(service: Service) -> None:
    ann, ben, media = await somebody(service), await somebody(service), service.keys.media
    ticket = (await media.create(ann, 1)).ticket
    for call in (media.upload(ben, ticket), media.complete(ben, ticket)):
        assert await code_of(call) is Code.MEDIA_TICKET_REFUSED


async def test_a_ticket_is_no_token_and_a_token_no_ticket(service: Service) -> None:
    registered = await service.register(NewPerson())
    ann, media = await service.caller(registered), service.keys.media
    ticket = (await media.create(ann, 1)).ticket
    assert await code_of(service.keys.logins.authenticate(ticket)) is Code.UNAUTHENTICATED
    for text in ("", "x", registered.token.token, ticket[:-3], ticket + "x"):
        assert await code_of(media.complete(ann, text)) is Code.MEDIA_TICKET_REFUSED


@pytest.mark.parametrize("name", ["", "..", NONE[:-1], NONE + "-0000"])
async def test_what_is_no_name_of_a_blob_is_not_found(service: Service, name: str) -> None:
    assert await code_of(service.keys.media.fetch(await somebody(service), name)) is Code.NOT_FOUND


async def test_a_server_without_a_store_of_blobs_says_so(service: Service) -> None:
    none = Media(service.keys.media.parts, None)
    refused = await code_of(none.create(await somebody(service), 1))
    assert refused is Code.UNSUPPORTED_FRAME
    await none.run()  # there is nothing to sweep
