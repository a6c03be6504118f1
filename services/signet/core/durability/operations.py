"""What the core asks of the store, and what the store says.

The driver performs an operation once and hands the answer to `Incarnation.answered`: for a
plain write `True`, for a conditional one the row as it is afterwards, for a read what was read, and
`UNKNOWN` when the store did not say. An operation may take effect long after that, or never.
"""

from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from signet.core.ids import DeviceId, Epoch, Incarnation, Position, ShardId


class Unknown(Enum):
    """The store did not say whether it did it."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


class Put(NamedTuple):
    """One item of an inbox. `accepted_ms` is Unix time: its time to live runs from there (W2)."""

    shard: ShardId
    device: DeviceId
    position: Position
    accepted_ms: int
    body: bytes


class Acked(NamedTuple):
    """A device has everything up to `position`."""

    shard: ShardId
    device: DeviceId
    position: Position


class Noted(NamedTuple):
    """A device's connection counter (O4) and which resume tokens hold; the latest of all counts."""

    shard: ShardId
    device: DeviceId
    epoch: Epoch
    counter: int
    resumable: tuple[int, ...]


Record: TypeAlias = Put | Acked | Noted


class Segment(NamedTuple):
    """One row of a journal; key and content never change (J2)."""

    incarnation: Incarnation
    number: int  # from 1
    records: tuple[Record, ...]


class LeaseRow(NamedTuple):
    """An incarnation, as the store says. `mark`: segments below it are not needed (J4)."""

    incarnation: Incarnation
    counter: int
    lease_s: float
    dead: bool
    mark: int
    seal: int | None  # the last segment that counts (R1)


class Pair(NamedTuple):
    """A journal that may hold something of a shard (L5)."""

    incarnation: Incarnation
    epoch: Epoch


class ShardRow(NamedTuple):
    """A shard, as the store says. `owner` None: released."""

    shard: ShardId
    owner: Incarnation | None
    epoch: Epoch
    unrecovered: tuple[Pair, ...] = ()


class WriteSegment(NamedTuple):
    """Write it at quorum."""

    segment: Segment


class WriteRows(NamedTuple):
    """Write items of one device as rows, and the highest as its last number, by W1's timestamps."""

    device: DeviceId
    rows: tuple[Put, ...]


class Trim(NamedTuple):
    """One range delete up to `position`, and the acknowledged position, by W1's timestamps."""

    device: DeviceId
    position: Position
    shard: ShardId


class Note(NamedTuple):
    """A connection as it is in the head of an inbox. `stamp`: epoch and segment of its record."""

    stamp: Position
    counter: int
    resumable: tuple[int, ...]


class SaveLast(NamedTuple):
    """Write a device's last number to the head of its inbox: no time to live (J6, W1).

    With it goes what else is known of the device: its acknowledged position, its connection.
    """

    device: DeviceId
    position: Position
    acked: Position
    note: Note | None
    shard: ShardId


class Sweep(NamedTuple):
    """One range delete of what is too old (W2), and up to where it went, by W1's timestamps."""

    device: DeviceId
    position: Position
    shard: ShardId


class Renew(NamedTuple):
    """If the counter is this and it is not dead: counter + 1, and the mark (L1, J4)."""

    incarnation: Incarnation
    counter: int
    mark: int


class MarkDead(NamedTuple):
    """If the counter is this: dead, for ever (L2)."""

    incarnation: Incarnation
    counter: int


class Seal(NamedTuple):
    """If it is dead and has no seal: this seal (R1)."""

    incarnation: Incarnation
    end: int
    shard: ShardId  # whose recovery asks


class SwapShard(NamedTuple):
    """If the row is `old`: `new` (L5)."""

    old: ShardRow
    new: ShardRow


class ReadLease(NamedTuple):
    """Serially. Answer: LeaseRow. `shard`: whose recovery asks; None: the lease is our own."""

    incarnation: Incarnation
    shard: ShardId | None = None


class ReadShard(NamedTuple):
    """Serially. Answer: ShardRow."""

    shard: ShardId


class ReadJournal(NamedTuple):
    """At quorum, the segments from `mark` on, at least up to the first that is missing.

    Answer: a tuple of Segments; records of other shards may be left out.
    """

    incarnation: Incarnation
    mark: int
    shard: ShardId  # for which it is read


class DeletePartition(NamedTuple):
    """Segments `partition · K` … of an incarnation, whole. Losing it loses nothing but space."""

    incarnation: Incarnation
    partition: int


Operation: TypeAlias = (
    WriteSegment
    | WriteRows
    | Trim
    | SaveLast
    | Sweep
    | Renew
    | MarkDead
    | Seal
    | SwapShard
    | ReadLease
    | ReadShard
    | ReadJournal
    | DeletePartition
)
Answer: TypeAlias = bool | LeaseRow | ShardRow | tuple[Segment, ...] | Unknown


class Appended(NamedTuple):
    """All segments up to that of the token are durable: what follows from it may follow (J3)."""

    token: int


class End(NamedTuple):
    """The process ends now; it never resumes (L3)."""

    reason: str


Effect: TypeAlias = Operation | Appended | End
