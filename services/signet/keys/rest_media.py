"""The routes of REST for media: tickets, completion, downloads. Bytes go by the URLs in them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field, StringConstraints

from signet.core.errors import Code
from signet.core.limits import MAX_TOKEN
from signet.keys import media
from signet.keys import rest_models as m
from signet.keys.parts import Caller
from signet.keys.rest_routes import CALLER, Authenticate, authenticates, refusals
from signet.keys.service import Keys

_MEDIA = (*CALLER, Code.UNSUPPORTED_FRAME, Code.RATE_LIMITED)
_TICKET = (*_MEDIA, Code.MEDIA_TICKET_REFUSED)
_MOST = 2**53 - 1  # what a number in JSON holds
Size = Annotated[int, Field(ge=1, le=_MOST), m.WHOLE]
Ticket = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TOKEN),
    Field(description="What `POST /v1/media` gave"),
]
Name = Annotated[str, Path(min_length=1, max_length=200, description="The name of a blob")]


class CreateUploadRequest(m.Body):
    """`size` is that of the ciphertext, in bytes."""

    size: Size


class MediaTicket(m.Body):
    """Good for the account that asked for it."""

    ticket: Ticket


class MediaPart(m.Body):
    """`url` is empty for a part that is put already; a path is at this address."""

    size: m.Count
    url: str


class MediaUpload(m.Body):
    """Parts, one after the other, are the ciphertext. `expires_at` is Unix time in seconds."""

    ticket: str
    name: str
    size: m.Count
    expires_at: m.Count
    parts: list[MediaPart]


class StoredMedia(m.Body):
    """Whoever knows the name may get it."""

    name: str
    size: m.Count


class MediaDownload(m.Body):
    """The URLs take `Range`."""

    name: str
    size: m.Count
    parts: list[MediaPart]


def media_routes(keys: Keys) -> APIRouter:
    """All of them want a token."""
    router, authenticated = APIRouter(tags=["media"]), authenticates(keys)
    _add_uploads(router, keys, authenticated)
    _add_downloads(router, keys, authenticated)
    return router


def _add_uploads(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.post("/v1/media", status_code=201, responses=refusals(*_MEDIA, Code.MEDIA_TOO_LARGE))
    async def create_upload(caller: Authenticated, body: CreateUploadRequest) -> MediaUpload:
        """A ticket for a new blob, and where to put its parts."""
        return _upload(await keys.media.create(caller, body.size))

    @router.post("/v1/media/upload", responses=refusals(*_TICKET))
    async def get_upload(caller: Authenticated, body: MediaTicket) -> MediaUpload:
        """After a cut: which parts are there, and where to put the others."""
        return _upload(await keys.media.upload(caller, body.ticket))

    @router.post(
        "/v1/media/complete",
        responses=refusals(*_TICKET, Code.MEDIA_INCOMPLETE, Code.MEDIA_WRONG_LENGTH),
    )
    async def complete_upload(caller: Authenticated, body: MediaTicket) -> StoredMedia:
        """All parts are put: from now on the blob may be got. Again: the same answer."""
        stored = await keys.media.complete(caller, body.ticket)
        return StoredMedia(name=stored.name, size=stored.size)


def _add_downloads(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.get("/v1/media/{name}", responses=refusals(*_MEDIA, Code.NOT_FOUND))
    async def get_media(caller: Authenticated, name: Name) -> MediaDownload:
        """Where to get the parts of a blob."""
        stored = await keys.media.fetch(caller, name)
        return MediaDownload(name=stored.name, size=stored.size, parts=_parts(stored.parts))


def _upload(upload: media.Upload) -> MediaUpload:
    return MediaUpload(
        ticket=upload.ticket,
        name=upload.name,
        size=upload.size,
        expires_at=upload.expires_at,
        parts=_parts(upload.parts),
    )


def _parts(parts: tuple[media.Part, ...]) -> list[MediaPart]:
    return [MediaPart(size=part.size, url=part.url) for part in parts]
