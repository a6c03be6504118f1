"""What the application is told. Every event is a frozen value; match on its type.

Those that inherit from `Kept` are stored with what caused them, in one transaction, and come
again after a restart until the application says `done()`. The others are about this moment and
are lost with it; what they changed can be asked for (`Client.history`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum

from signet.client.media.attachment import Attachment
from signet.core.errors import Code
from signet.core.ids import MessageId, UserId


class Status(IntEnum):
    """How far an outgoing message has come. Rises only, but for FAILED."""

    FAILED = -1  # a final refusal, or RETRY_LIMIT (7 days) is over
    PENDING = 0  # durable in this device's outbox
    SENT = 1  # durable at the server for every device of the peer (P1)
    DELIVERED = 2  # a device of the peer (in a group: of each member) acknowledged it
    READ = 3  # the peer (in a group: every member) says that it was read


class Kind(IntEnum):
    """What a line of the history is."""

    TEXT = 1
    UNDECRYPTABLE = 2  # a placeholder until the sender's device sends it again
    UPDATE_NEEDED = 3  # written for a newer client
    DELETED = 4  # its author took it back


@dataclass(frozen=True, slots=True)
class Message:
    """One line of a conversation, as this device has it. Times are Unix time in milliseconds."""

    id: MessageId
    peer: UserId  # whose conversation it is in, or the group's id
    author: UserId
    kind: Kind
    text: str
    status: Status  # of an outgoing message; an incoming one is DELIVERED, then READ
    outgoing: bool
    clock_ms: int  # its author's clock: a claim
    received_ms: int  # this device's clock
    reply_to: MessageId | None = None
    quote: str = ""
    edited: bool = False
    expires_ms: int = 0  # when it disappears here; 0: it does not (yet)
    reactions: tuple[tuple[UserId, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    concurrent: bool = False  # in a group: its author had not seen all that stands before it


async def _nothing_kept() -> None:
    """What `done` does for an event that was not stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events."""

    async def done(self) -> None:
        """The application has dealt with it. Durable when this returns, for a `Kept` one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Event):
    """An event that comes again until `done()`."""

    confirm: Callable[[], Awaitable[None]] = field(default=_nothing_kept, repr=False, compare=False)

    async def done(self) -> None:
        await self.confirm()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Kept):
    """Somebody wrote. Also when a placeholder has become readable."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSynced(Kept):
    """Another device of ours wrote."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionReceived(Kept):
    """`emoji` is empty when it was taken back."""

    peer: UserId
    author: UserId
    message_id: MessageId
    emoji: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited(Kept):
    """The author changed the text of a message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(Kept):
    """The author took a message back; its text is gone here too."""

    peer: UserId
    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerChanged(Kept):
    """Messages of this conversation disappear so long after they were read; 0: never."""

    peer: UserId
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChanged(Kept):
    """The peer's identity key is another: compare safety numbers, then `Client.consent`.

    Sends to the peer wait until then.
    """

    peer: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChanged(Kept):
    """The peer's devices changed; the identity key did not."""

    peer: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged(Kept):
    """Somebody (or another device of ours) shows another name or picture."""

    peer: UserId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdded(Kept):
    """This account has devices that were not there before. Not yours? Remove them."""

    device_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDropped(Kept):
    """Devices of this account were removed, or nobody used them for long."""

    device_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockChanged(Kept):
    """Another device of this account has blocked somebody, or hears of them again."""

    peer: UserId
    blocked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptionFailed(Kept):
    """A message could not be read. A placeholder is in the history; it is asked for again."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNeeded(Kept):
    """A message needs a newer client."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesExpired(Kept):
    """The server dropped `count` items that were not fetched within 30 days (W2); 0: unknown."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFailed(Kept):
    """A message will not be sent. `code` None: not accepted within RETRY_LIMIT."""

    peer: UserId
    message_id: MessageId
    code: Code | None


class GroupAction(StrEnum):
    """What a change of a group did."""

    FOUND = "found"  # this device knows of it now; others of ours did before
    CREATED = "created"  # `users` were brought in
    ADDED = "added"
    REMOVED = "removed"
    LEFT = "left"  # `users`: who is an administrator instead, where somebody is
    JOINED = "joined"  # by the link
    ADMINISTRATOR = "administrator"
    NO_ADMINISTRATOR = "no_administrator"
    LINK = "link"  # there is another link
    NO_LINK = "no_link"
    PROFILE = "profile"  # name or picture; also when their key has come


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChanged(Kept):
    """A group is another: its author had the right to it, and signed it. `peer`: the group."""

    peer: UserId
    author: UserId
    action: GroupAction
    users: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDistrusted(Kept):
    """The server showed a change of a group that nobody with the right to it signed.

    It was not followed, and nobody was told a key for it.
    """

    peer: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMessagesMissing(Kept):
    """Here something of a group's order was dropped: of age, or the inbox was full."""

    peer: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReceipts(Event):
    """A message of ours came further: delivered to 7 of 9, read by 3."""

    peer: UserId
    message_id: MessageId
    recipients: int
    delivered: int
    read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptChanged(Event):
    """Outgoing messages came further. The history has it too."""

    peer: UserId
    message_ids: tuple[MessageId, ...]
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class TypingChanged(Event):
    peer: UserId
    started: bool


class Online(IntEnum):
    """Presence, as in messaging.proto's PresenceStatus."""

    OFFLINE = 1
    ONLINE = 2
    AWAY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged(Event):
    """Late by two heartbeats at most (P8). `last_seen_ms` 0: unknown or hidden."""

    peer: UserId
    status: Online
    last_seen_ms: int


class ConnectionState(Enum):
    """What the stream is doing."""

    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"  # for the back-off's end, then it connects again
    DISPLACED = "displaced"  # another stream of this device; `Client.reconnect` takes it back
    REMOVED = "removed"  # this device is no longer of the account
    CLOSED = "closed"  # by us, or for good: `code` says why


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChanged(Event):
    """`code` says why the last stream ended; None: it broke, or we ended it."""

    state: ConnectionState
    code: Code | None = None
    retry_in_s: float = 0.0
