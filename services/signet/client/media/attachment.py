"""A file beside a message, as the application sees it; and what is believed of one that came.

A sender may write anything into an attachment. One that cannot be downloaded is left out, and the
rest is made harmless: a name is no path, a type is a word, a thumbnail is small.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from signet.core.limits import MAX_FILE_NAME, MAX_THUMBNAIL
from signet.e2e.attachments import DIGEST_SIZE, KEY_SIZE
from signet.v1 import content_pb2 as pb

_POINTER = re.compile(r"[A-Za-z0-9_-]{1,200}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MOST = 2**40  # bytes; far above what servers take


@dataclass(frozen=True, slots=True)
class Attachment:
    """What `Client.download` needs. Whoever has it can read the file: keep it as the message."""

    pointer: str = field(repr=False)  # the blob's name; '' until it is uploaded
    key: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    size: int  # of the file, in bytes: a claim until it is downloaded
    media_type: str = ""  # the sender's claim, as "image/jpeg"; '' where none
    file_name: str = ""  # the sender's claim; never a path
    thumbnail: bytes = field(default=b"", repr=False)


def from_wire(found: Iterable[pb.Attachment]) -> tuple[Attachment, ...]:
    """Those that can be."""
    return tuple(_read(one) for one in found if _is_one(one))


def to_wire(attachment: Attachment) -> pb.Attachment:
    return pb.Attachment(
        pointer=attachment.pointer,
        key=attachment.key,
        digest=attachment.digest,
        size=attachment.size,
        media_type=attachment.media_type,
        file_name=attachment.file_name,
        thumbnail=attachment.thumbnail,
    )


def harmless_name(name: str) -> str:
    """A name that a file in any folder may have; '' where nothing is left of it."""
    last = re.split(r"[/\\]", name)[-1]
    clean = _NOT_IN_NAMES.sub("", last).strip().lstrip(".")
    while len(clean.encode()) > MAX_FILE_NAME:
        clean = clean[1:]  # the end says what kind of file it is
    return clean


def is_media_type(text: str) -> bool:
    return _MEDIA_TYPE.fullmatch(text) is not None


def _is_one(found: pb.Attachment) -> bool:
    named = not found.pointer or _POINTER.fullmatch(found.pointer)
    whole = len(found.key) == KEY_SIZE and len(found.digest) == DIGEST_SIZE
    return bool(named) and whole and found.size <= _MOST


def _read(found: pb.Attachment) -> Attachment:
    return Attachment(
        found.pointer,
        found.key,
        found.digest,
        found.size,
        found.media_type if is_media_type(found.media_type) else "",
        harmless_name(found.file_name),
        found.thumbnail if len(found.thumbnail) <= MAX_THUMBNAIL else b"",
    )
