"""The names of things: users, devices, messages, positions.

Ids of users, messages and sessions are 16 random bytes (a UUID on paper); numbers are never
reused within what they number.
"""

from typing import NamedTuple, NewType
from uuid import UUID

UserId = NewType("UserId", bytes)  # 16 bytes
MessageId = NewType("MessageId", bytes)  # 16 bytes, chosen by the sender
SessionId = NewType("SessionId", bytes)  # 16 bytes, one life of an attachment
Incarnation = NewType("Incarnation", bytes)  # 16 bytes, one life of a router process
ShardId = NewType("ShardId", int)  # 0 … shards-1
Epoch = NewType("Epoch", int)  # from 1, raised by every take of a shard

ID_BYTES = 16


# Tuples: owners hash and compare these several times a message.


class Position(NamedTuple):
    """Where an item stands in an inbox. Compares by epoch, then by sequence number."""

    epoch: int
    seq: int


START = Position(0, 0)


class DeviceId(NamedTuple):
    """One device of a user; `device` is 1–127. Owns one inbox."""

    user: UserId
    device: int


class DeviceAddress(NamedTuple):
    """A device as it was registered. Another registration or generation is another sender."""

    device: DeviceId
    registration: int  # 1–16383
    generation: int  # of the account's authentication, raised by removals and take-overs


def user_id(text: str) -> UserId:
    """Read a user id as people write it.

    Raises:
        ValueError: it is not a UUID.
    """
    return UserId(UUID(text).bytes)


def show(identifier: bytes) -> str:
    """An id of 16 bytes as people write it."""
    return str(UUID(bytes=identifier))
