"""What is inside the ciphertext: building it, and reading it with distrust.

A receiver compares the id inside with the envelope's: a server that swaps envelopes is noticed.
What `from_plaintext` gives has ids of the right length, and numbers that a store can hold.
"""

from enum import Enum, auto

from google.protobuf.message import DecodeError

from signet.core.errors import Code, SignetError
from signet.core.ids import ID_BYTES, MessageId, UserId
from signet.core.limits import MAX_CLOCK_MS, MAX_CONTENT, MAX_EMOJI
from signet.e2e import E2eError, pad, unpad
from signet.v1.content_pb2 import (
    Content,
    Delete,
    DisappearingTimer,
    Edit,
    NoMessage,
    Reaction,
    ReadReceipt,
    Reply,
    RetryRequest,
    Sync,
    SyncRead,
    SyncSent,
    Text,
    Typing,
)

# What wakes a phone at once, and what wakes nobody (M11). The rest may wait for a background push.
_URGENT = frozenset({"text", "attachment"})
_QUIET = frozenset(
    {"read_receipt", "typing", "key_distribution", "sync", "no_message", "profile_changed"}
)

VERSION = 1
"""What this client understands. A higher `required_version` is shown as "update needed"."""

# A text must leave room for padding, ratchet headers and a pre-key message around it.
MAX_TEXT = MAX_CONTENT - 4096


_ANSWERING = ("text", "reaction", "edit", "delete")


class Reading(Enum):
    """How a plaintext could be read."""

    UNREADABLE = auto()  # not our format, ids that are none, or those of another envelope
    TOO_NEW = auto()


def is_urgent(content: Content) -> bool:
    """Whether a phone that is away is to be woken for it at once."""
    return content.WhichOneof("body") in _URGENT


def is_quiet(content: Content) -> bool:
    """Whether nobody is to be woken for it: receipts, keys, copies for one's own devices."""
    return content.WhichOneof("body") in _QUIET


def text(body: str, reply_to: MessageId | None, author: UserId | None, quote: str) -> Content:
    """Raises SignetError with CONTENT_TOO_LARGE: longer text is media."""
    if len(body.encode()) + len(quote.encode()) > MAX_TEXT:
        raise SignetError(Code.CONTENT_TOO_LARGE)
    reply = Reply(message_id=reply_to, author=author or b"", quote=quote) if reply_to else None
    return Content(text=Text(text=body, reply=reply))


def reaction(message_id: MessageId, emoji: str) -> Content:
    return Content(reaction=Reaction(message_id=message_id, emoji=emoji))


def edit(message_id: MessageId, body: str) -> Content:
    """Raises SignetError with CONTENT_TOO_LARGE."""
    if len(body.encode()) > MAX_TEXT:
        raise SignetError(Code.CONTENT_TOO_LARGE)
    return Content(edit=Edit(message_id=message_id, text=body))


def delete(message_id: MessageId) -> Content:
    return Content(delete=Delete(message_id=message_id))


def timer(seconds: int) -> Content:
    return Content(disappearing_timer=DisappearingTimer(seconds=seconds))


def read_receipt(ids: list[MessageId]) -> Content:
    return Content(read_receipt=ReadReceipt(message_ids=ids))


def typing(started: bool) -> Content:
    return Content(typing=Typing(started=started))


def retry_request(message_id: MessageId, ratchet_key: bytes) -> Content:
    return Content(retry_request=RetryRequest(message_id=message_id, ratchet_key=ratchet_key))


def no_message() -> Content:
    return Content(no_message=NoMessage())


def answers(content: Content) -> list[bytes]:
    """The messages that this one answers or changes."""
    return _ids(content) if content.WhichOneof("body") in _ANSWERING else []


def copy_of(content: Content) -> Content:
    """One that may be changed."""
    copy = Content()
    copy.CopyFrom(content)
    return copy


def sync_sent(to: UserId, content: Content) -> Content:
    return Content(sync=Sync(sent=SyncSent(to=to, content=content)))


def sync_read(ids: list[MessageId], conversation: UserId | None = None) -> Content:
    read = SyncRead(message_ids=ids)
    return Content(sync=Sync(read=read), conversation=conversation or b"")


def stamped(content: Content, message_id: MessageId, clock_ms: int) -> Content:
    """A copy that says which message it is, and when its author's clock says it was written."""
    copy = copy_of(content)
    copy.required_version, copy.message_id, copy.clock_ms = VERSION, message_id, clock_ms
    return copy


def to_plaintext(content: Content) -> bytes:
    """Padded, as it goes into the ratchet."""
    return pad(content.SerializeToString())


def from_plaintext(plaintext: bytes, envelope_id: bytes) -> Content | Reading:
    """Read what the ratchet gave. Never raises."""
    try:
        content = Content.FromString(unpad(plaintext))
    except (E2eError, DecodeError):
        return Reading.UNREADABLE
    if content.message_id != envelope_id or len(envelope_id) != ID_BYTES:
        return Reading.UNREADABLE
    if content.required_version > VERSION or content.WhichOneof("body") is None:
        return Reading.TOO_NEW
    if not _well_formed(content):
        return Reading.UNREADABLE
    _clamp(content)
    return content


def _well_formed(content: Content, *, synced: bool = False) -> bool:
    """Ids are ids, and a reaction is one. A sync copy holds one message, and no copy again."""
    optional = (
        content.original_id,
        content.conversation,
        content.text.reply.author,
        content.group.group,
        content.key_distribution.group,
        *content.earlier_ids,
        *content.group.answers,
    )
    if any(len(each) not in (0, ID_BYTES) for each in optional):
        return False
    if any(len(each) != ID_BYTES for each in _ids(content)):
        return False
    if len(content.reaction.emoji.encode()) > MAX_EMOJI:
        return False
    if not content.HasField("sync"):
        return True
    return not synced and _well_formed_copy(content.sync)


def _well_formed_copy(sync: Sync) -> bool:
    if not sync.HasField("sent"):
        return True
    copied = sync.sent.content
    ids = (sync.sent.to, copied.message_id)
    return all(len(each) == ID_BYTES for each in ids) and _well_formed(copied, synced=True)


def _ids(content: Content) -> list[bytes]:
    """The messages that the body names."""
    body = content.WhichOneof("body")
    match body:
        case "reaction" | "edit" | "delete" | "retry_request":
            return [getattr(content, body).message_id]
        case "text" if content.text.HasField("reply"):
            return [content.text.reply.message_id]
        case "read_receipt":
            return [*content.read_receipt.message_ids]
        case "sync":
            return [*content.sync.read.message_ids]
    return []


def _clamp(content: Content) -> None:
    """Clocks that nothing could hold. Seconds are 32 bits wide, and fit as they are."""
    content.clock_ms = min(content.clock_ms, MAX_CLOCK_MS)
    if content.sync.HasField("sent"):
        copied = content.sync.sent.content
        copied.clock_ms = min(copied.clock_ms, MAX_CLOCK_MS)
