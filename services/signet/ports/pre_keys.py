"""The directory's pre-keys: what devices upload, and what others are given of it (K4, P8).

What may be relied upon is in directory.py, of which this is a part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from signet.core.ids import DeviceId, UserId


class KeyIdReused(Exception):
    """A key id of this device was used before, with other bytes (or in another role)."""


@dataclass(frozen=True, slots=True)
class PreKey:
    """A public key with its type byte. `signature` is empty for one-time EC keys."""

    id: int
    public: bytes
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class KeyUpload:
    """A list that is not empty replaces what is stored of its kind; an empty one leaves it (K4)."""

    signed: PreKey | None = None
    last_resort: PreKey | None = None
    one_time: Sequence[PreKey] = ()
    one_time_kem: Sequence[PreKey] = ()


@dataclass(frozen=True, slots=True)
class Stock:
    """One-time keys that a device has left."""

    one_time: int
    one_time_kem: int


@dataclass(frozen=True, slots=True)
class LongLived:
    """What `check` compares; None where the device has none."""

    identity_key: bytes
    signed: PreKey | None
    last_resort: PreKey | None


@dataclass(frozen=True, slots=True)
class DeviceBundle:
    """What one device hands out. `stock` is what is left after it."""

    device: int
    registration_id: int
    signed: PreKey
    one_time: PreKey | None
    kem: PreKey
    kem_is_last_resort: bool
    stock: Stock


@dataclass(frozen=True, slots=True)
class Bundles:
    """Bundles of one account's devices, in the order of their ids."""

    identity_key: bytes
    devices: Sequence[DeviceBundle]


class KeyKind(IntEnum):
    """In which role a key is stored; roles of one curve share their ids."""

    SIGNED = 1
    LAST_RESORT = 2
    ONE_TIME = 3
    ONE_TIME_KEM = 4


class PreKeys(Protocol):
    """The pre-keys of devices."""

    async def upload(self, device: DeviceId, keys: KeyUpload) -> Stock:
        """Store keys (K4); returns the stock after it.

        A one-time key that was uploaded before is kept if it is still there, and never comes back
        if it is not: it may have been given out (P8).

        Raises:
            NoSuchAccount, KeyIdReused: nothing was stored.
        """
        ...

    async def stock(self, device: DeviceId) -> Stock:
        """What is left. Raises: NoSuchAccount."""
        ...

    async def long_lived(self, device: DeviceId) -> LongLived:
        """The identity key and the keys that are not one-time. Raises: NoSuchAccount."""
        ...

    async def take_bundles(
        self, user: UserId, *, only: int = 0, besides: int = 0, one_time: bool = True
    ) -> Bundles | None:
        """Bundles of all devices (of `only`, where given; never of `besides`).

        With `one_time`, each one-time key is handed out exactly once, ever (P8): it is gone when
        this returns, and also when the answer is lost. A device without a signed or a KEM pre-key
        is left out, and loses no key. None: there is no such account.
        """
        ...
