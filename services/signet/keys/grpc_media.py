"""Media over gRPC: signet.v1.Media, the same as the routes of rest_media."""

# ruff: noqa: N802 - calls are named as in media.proto

from collections.abc import Iterable

from grpc import aio

from signet.keys import media
from signet.keys.grpc_answers import Context, answering, token_of
from signet.keys.parts import Caller
from signet.keys.service import Keys
from signet.v1 import media_pb2 as pb
from signet.v1 import media_pb2_grpc


def add_media(server: aio.Server, keys: Keys) -> None:
    """Serve signet.v1.Media there; before the server is started."""
    media_pb2_grpc.add_MediaServicer_to_server(MediaServicer(keys), server)


class MediaServicer(media_pb2_grpc.MediaServicer):
    """A call is named as in media.proto, and is a line or two of the service."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @answering("Media")
    async def CreateUpload(
        self, request: pb.CreateUploadRequest, context: Context
    ) -> pb.MediaUpload:
        caller = await self._caller(context)
        return _upload(await self._keys.media.create(caller, request.size))

    @answering("Media")
    async def GetUpload(self, request: pb.MediaTicket, context: Context) -> pb.MediaUpload:
        caller = await self._caller(context)
        return _upload(await self._keys.media.upload(caller, request.ticket))

    @answering("Media")
    async def CompleteUpload(self, request: pb.MediaTicket, context: Context) -> pb.StoredMedia:
        caller = await self._caller(context)
        stored = await self._keys.media.complete(caller, request.ticket)
        return pb.StoredMedia(name=stored.name, size=stored.size)

    @answering("Media")
    async def GetMedia(self, request: pb.GetMediaRequest, context: Context) -> pb.MediaDownload:
        caller = await self._caller(context)
        stored = await self._keys.media.fetch(caller, request.name)
        return pb.MediaDownload(name=stored.name, size=stored.size, parts=_parts(stored.parts))

    async def _caller(self, context: Context) -> Caller:
        return await self._keys.logins.authenticate(token_of(context))


def _upload(upload: media.Upload) -> pb.MediaUpload:
    return pb.MediaUpload(
        ticket=upload.ticket,
        name=upload.name,
        size=upload.size,
        expires_at=upload.expires_at,
        parts=_parts(upload.parts),
    )


def _parts(parts: Iterable[media.Part]) -> list[pb.MediaPart]:
    return [pb.MediaPart(size=part.size, url=part.url) for part in parts]
