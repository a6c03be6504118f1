"""How what the core says is written in cells: segments as bytes, positions as numbers.

A segment is a byte that says 1, then its records one behind the other. A record begins with its
kind, its shard (2 bytes), the user (16) and the device (1); numbers are big-endian.

| kind | is | follows |
|---|---|---|
| 1 | an item | epoch 4, seq 8, accepted 8 (Unix milliseconds), size of the body 4, the body |
| 2 | an acknowledgement | epoch 4, seq 8 |
| 3 | a connection | epoch 4, counter 8, how many resumable 1, each 8 |
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from signet.core.durability.operations import (
    Acked,
    LeaseRow,
    Note,
    Noted,
    Pair,
    Put,
    Record,
    ShardRow,
)
from signet.core.durability.rows import SEQ_BITS, timestamp
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId

LAYOUT = b"\x01"
PUT, ACKED, NOTED = 1, 2, 3
HEADER = struct.Struct(">BH16sB")
ITEM = struct.Struct(">BH16sBIQQI")
ACK = struct.Struct(">BH16sBIQ")
NOTE = struct.Struct(">BH16sBIQB")
ITEM_REST = struct.Struct(">IQQI")
ACK_REST = struct.Struct(">IQ")
NOTE_REST = struct.Struct(">IQB")
COUNTER = 8


class UnknownLayout(ValueError):
    """The bytes are no segment of this version."""


def encode(records: Iterable[Record]) -> bytes:
    """A segment's bytes."""
    parts: list[bytes] = [LAYOUT]
    for record in records:
        user, device = record.device
        if isinstance(record, Put):
            epoch, seq = record.position
            size, accepted = len(record.body), record.accepted_ms
            parts.append(ITEM.pack(PUT, record.shard, user, device, epoch, seq, accepted, size))
            parts.append(record.body)
        elif isinstance(record, Acked):
            parts.append(ACK.pack(ACKED, record.shard, user, device, *record.position))
        else:
            counters = record.resumable
            head = (NOTED, record.shard, user, device, record.epoch, record.counter, len(counters))
            parts.append(NOTE.pack(*head) + struct.pack(f">{len(counters)}Q", *counters))
    return b"".join(parts)


def decode(data: bytes) -> Sequence[Record]:
    """The records of a segment.

    Raises:
        UnknownLayout: it was written by another version.
    """
    if data[:1] != LAYOUT:
        raise UnknownLayout(data[:1].hex())
    records: list[Record] = []
    at = 1
    while at < len(data):
        kind, shard, user, number = HEADER.unpack_from(data, at)
        device = DeviceId(UserId(user), number)
        record, at = READERS[kind](data, at + HEADER.size, ShardId(shard), device)
        records.append(record)
    return records


def _put(data: bytes, at: int, shard: ShardId, device: DeviceId) -> tuple[Record, int]:
    epoch, seq, accepted_ms, size = ITEM_REST.unpack_from(data, at)
    at += ITEM_REST.size
    return Put(shard, device, Position(epoch, seq), accepted_ms, data[at : at + size]), at + size


def _acked(data: bytes, at: int, shard: ShardId, device: DeviceId) -> tuple[Record, int]:
    position = Position(*ACK_REST.unpack_from(data, at))
    return Acked(shard, device, position), at + ACK_REST.size


def _noted(data: bytes, at: int, shard: ShardId, device: DeviceId) -> tuple[Record, int]:
    epoch, counter, count = NOTE_REST.unpack_from(data, at)
    at += NOTE_REST.size
    resumable = struct.unpack_from(f">{count}Q", data, at)
    return Noted(shard, device, Epoch(epoch), counter, resumable), at + count * COUNTER


READERS = {PUT: _put, ACKED: _acked, NOTED: _noted}


def number(position: Position) -> int:
    """A position in a cell: its timestamp, which says the same."""
    return timestamp(position)


def position(cell: int | None) -> Position:
    """START where there is none."""
    return START if cell is None else Position(cell >> SEQ_BITS, cell & (1 << SEQ_BITS) - 1)


def connection(note: Note) -> list[int]:
    return [note.counter, *note.resumable]


def lease(row: Any) -> LeaseRow:
    name = Incarnation(row.incarnation)
    return LeaseRow(name, row.counter, row.lease_s, row.dead, row.mark, row.seal)


def gone(incarnation: Incarnation, mark: int = 1) -> LeaseRow:
    """A lease that is not there: its journal was deleted, as no shard named it (R4)."""
    return LeaseRow(incarnation, 0, 0.0, True, mark, mark - 1)


def shard(row: Any) -> ShardRow:
    owner = None if row.owner is None else Incarnation(row.owner)
    pairs = tuple(Pair(Incarnation(name), Epoch(epoch)) for name, epoch in row.unrecovered or ())
    return ShardRow(ShardId(row.shard), owner, Epoch(row.epoch), pairs)


def untaken(number: ShardId) -> ShardRow:
    """A shard that never had an owner."""
    return ShardRow(number, None, Epoch(0))
