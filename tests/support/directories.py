"""Accounts for tests of the directory: whatever bytes, since a directory verifies nothing."""

import itertools
import os
from dataclasses import replace
from typing import Any

from signet.core.ids import DeviceId, UserId
from signet.ports.directory import (
    Admission,
    Directory,
    NewAccount,
    NewDevice,
    Replacement,
)
from signet.ports.pre_keys import (
    KeyUpload,
    PreKey,
)

NOW = 1_700_000_000_000
_ids = itertools.count(1)


def a_key(number: int | None = None, public: bytes = b"", *, signed: bool = True) -> PreKey:
    """A key of an id that no other has, unless it is given."""
    number = next(_ids) if number is None else number
    return PreKey(number, public or os.urandom(33), os.urandom(64) if signed else b"")


def one_time(count: int) -> tuple[PreKey, ...]:
    return tuple(a_key(signed=False) for _ in range(count))


def kem(count: int) -> tuple[PreKey, ...]:
    return tuple(a_key() for _ in range(count))


def upload(ec: int = 2, kems: int = 2) -> KeyUpload:
    """All four kinds."""
    return KeyUpload(a_key(), a_key(), one_time(ec), kem(kems))


def a_device(keys: KeyUpload | None = None, **fields: Any) -> NewDevice:
    made = NewDevice(4711, os.urandom(32), "phone", keys or upload(), NOW)
    return replace(made, **fields)


def an_account(keys: KeyUpload | None = None, **fields: Any) -> NewAccount:
    made = NewAccount(
        UserId(os.urandom(16)),
        os.urandom(33),
        "",
        False,
        b"recovery hash",
        a_device(keys),
        Admission(NOW),
    )
    return replace(made, **fields)


def a_replacement(generation: int = 1, **fields: Any) -> Replacement:
    made = Replacement(generation, os.urandom(33), b"new hash", a_device(), Admission(NOW))
    return replace(made, **fields)


async def registered(directory: Directory, keys: KeyUpload | None = None) -> DeviceId:
    """The first device of a new account."""
    account = await directory.create_account(an_account(keys))
    return DeviceId(account.user, account.devices[0].id)
