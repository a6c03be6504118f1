"""What gateways and routers say to each other, as plain values.

In one process these travel as they are; between processes internal/v1/convert.py puts them on
the wire. Every frame to a router names the shard, incarnation and epoch it is meant for (L7).
"""

from dataclasses import dataclass, field

from signet.core.errors import Code
from signet.core.groups import Devices, GroupId, GroupKey
from signet.core.ids import (
    DeviceAddress,
    Epoch,
    Incarnation,
    MessageId,
    Position,
    ShardId,
    UserId,
)

ANY_INCARNATION = Incarnation(b"")
ANY_EPOCH = Epoch(0)


@dataclass(frozen=True, slots=True)
class Content:
    """A ciphertext for one device of the recipient."""

    device: int
    registration: int
    type: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """One message for a person. `digest` is over recipient, contents and flags only."""

    message_id: MessageId
    to: UserId
    ordinal: int
    base: int
    contents: tuple[Content, ...]
    digest: bytes  # 16 bytes
    fleeting: bool = False
    urgent: bool = False
    quiet: bool = False

    @property
    def size(self) -> int:
        """Bytes of its contents."""
        return sum(len(content.body) for content in self.contents)

    @property
    def parts(self) -> int:
        """How many ciphertexts it has."""
        return len(self.contents)


@dataclass(frozen=True, slots=True)
class GroupSend:
    """One message for a group, or keys alone (`content` empty). `digest` is as of a Send."""

    message_id: MessageId
    group: GroupId
    ordinal: int
    base: int
    membership: int
    devices: bytes  # 32 bytes (G3)
    content: bytes
    keys: tuple[GroupKey, ...]
    digest: bytes  # 16 bytes
    urgent: bool = False
    quiet: bool = False

    @property
    def to(self) -> UserId:
        """Where it goes, in the space of ids that groups share with users."""
        return UserId(self.group)

    @property
    def size(self) -> int:
        """Bytes of its contents."""
        return len(self.content) + sum(len(key.body) for key in self.keys)

    @property
    def parts(self) -> int:
        """How many ciphertexts it has, about."""
        return 1 + len(self.keys)


AnySend = Send | GroupSend


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How the device set of a Send differs from the recipient's."""

    missing: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()
    stale: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupNow:
    """A group as it is, for who addressed another (G3)."""

    membership: int
    devices: Devices


@dataclass(frozen=True, slots=True)
class Answer:
    """Durable (`code` None, `accepted_ms`), or refused."""

    message_id: MessageId
    ordinal: int
    accepted_ms: int = 0
    code: Code | None = None
    retry_after_s: float = 0.0
    devices: Mismatch | None = None
    group: GroupNow | None = None


# --- gateway → router ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attach:
    """A device's stream wants its inbox, from after `position`.

    `resume_counter`: the connection counter at which the resume token that was shown was issued;
    None for a login with a token. `again`: the same stream, attached before at this counter, comes
    to a new owner or over a new link; the owner takes a counter that it has seen, but no lower one.
    """

    session: int
    address: DeviceAddress
    counter: int
    position: Position
    window_items: int
    window_bytes: int
    heartbeat_s: int
    capabilities: frozenset[int] = frozenset()
    resume_counter: int | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Detach:
    """The stream is gone."""

    session: int


@dataclass(frozen=True, slots=True)
class Submit:
    """A send, to be answered under `ticket` (unique for the gateway's life)."""

    ticket: int
    sender: DeviceAddress
    send: AnySend


@dataclass(frozen=True, slots=True)
class Acked:
    """The device has everything up to `up_to`."""

    session: int
    up_to: Position


@dataclass(frozen=True, slots=True)
class ReadAfter:
    """The device misses what comes after `after`."""

    session: int
    after: Position


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Online (2) or away (3), as ports/presence.py's Status."""

    session: int
    status: int


@dataclass(frozen=True, slots=True)
class WatchUsers:
    """Replaces what the session watches among the users of one shard.

    `session` is the gateway's number of the watcher's stream, which need not be attached here.
    """

    session: int
    watcher: DeviceAddress
    users: tuple[UserId, ...]


ToRouterBody = Attach | Detach | Submit | Acked | ReadAfter | SetStatus | WatchUsers


@dataclass(frozen=True, slots=True)
class ToRouter:
    """A body and whom it is meant for. An empty incarnation or epoch 0: whoever holds the shard."""

    shard: ShardId
    body: ToRouterBody
    incarnation: Incarnation = ANY_INCARNATION
    epoch: Epoch = ANY_EPOCH


# --- router → gateway ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attached:
    """The inbox is being followed; what is stored comes next, then what arrives."""

    session: int
    acknowledged: Position


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a Submit."""

    ticket: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Push:
    """A serialised signet.v1.ServerFrame for the session's stream."""

    session: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """The session is over: close the stream with this code."""

    session: int
    code: Code
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NotOwner:
    """What of one shard was not taken, and who owns it by the row that was read."""

    shard: ShardId
    owner: Incarnation | None
    epoch: Epoch
    sessions: tuple[int, ...] = ()
    tickets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """Every second (L7): which shards the router holds, in which epoch."""

    incarnation: Incarnation
    shards: dict[ShardId, Epoch] = field(default_factory=dict)


ToGateway = Attached | Answered | Push | Drop | NotOwner | Holding
