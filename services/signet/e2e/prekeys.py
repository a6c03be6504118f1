"""Pre-keys: making them, keeping them, and when to make more.

A device publishes four kinds: one signed pre-key, one-time EC pre-keys, one-time KEM pre-keys
and one last-resort KEM pre-key; every one but the one-time EC ones is signed by the identity
key. The caller stores them under their ids, deletes a one-time key in the transaction that keeps
the session made with it, and replaced keys when `may_delete` says so.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from google.protobuf.message import DecodeError

from signet.e2e.bundle import PublicPreKey, SignedPublicPreKey
from signet.e2e.errors import InvalidRecord
from signet.e2e.keys import EcKeyPair, IdentityKeyPair, KemKeyPair, Randomness
from signet.e2e.limits import (
    KEEP_REPLACED_DAYS,
    MAX_KEY_ID,
    ONE_TIME_LOW,
    ONE_TIME_REFILL,
    ROTATE_DAYS,
    SECONDS_A_DAY,
)
from signet.e2e.v1.session_pb2 import StoredPreKey

_STORED_VERSION = b"\x01"


@dataclass(frozen=True, slots=True)
class SignedPreKey:
    """The medium-lived EC pre-key every first message uses. `created` is in seconds."""

    id: int
    pair: EcKeyPair
    signature: bytes = field(repr=False)
    created: float

    @classmethod
    def generate(
        cls, key_id: int, identity: IdentityKeyPair, *, now: float, randomness: Randomness
    ) -> Self:
        pair = EcKeyPair.generate(randomness)
        return cls(key_id, pair, identity.sign(pair.public, randomness), now)

    def published(self) -> SignedPublicPreKey:
        return SignedPublicPreKey(self.id, self.pair.public, self.signature)

    def serialise(self) -> bytes:
        pair = self.pair
        return _store(
            self.id, pair.public, pair.private, signature=self.signature, created=self.created
        )

    @classmethod
    def deserialise(cls, stored: bytes) -> Self:
        """Raises InvalidRecord."""
        key = _load(stored)
        return cls(key.id, EcKeyPair(key.public_key, key.private_key), key.signature, key.created)


@dataclass(frozen=True, slots=True)
class OneTimePreKey:
    """An EC pre-key for one first message."""

    id: int
    pair: EcKeyPair

    @classmethod
    def generate(cls, key_id: int, *, randomness: Randomness) -> Self:
        return cls(key_id, EcKeyPair.generate(randomness))

    def published(self) -> PublicPreKey:
        return PublicPreKey(self.id, self.pair.public)

    def serialise(self) -> bytes:
        return _store(self.id, self.pair.public, self.pair.private)

    @classmethod
    def deserialise(cls, stored: bytes) -> Self:
        """Raises InvalidRecord."""
        key = _load(stored)
        return cls(key.id, EcKeyPair(key.public_key, key.private_key))


@dataclass(frozen=True, slots=True)
class KemPreKey:
    """A Kyber1024 pre-key: for one first message, or the last resort that serves many."""

    id: int
    pair: KemKeyPair
    signature: bytes = field(repr=False)
    created: float
    last_resort: bool = False

    @classmethod
    def generate(
        cls,
        key_id: int,
        identity: IdentityKeyPair,
        *,
        now: float,
        randomness: Randomness,
        last_resort: bool = False,
    ) -> Self:
        pair = KemKeyPair.generate(randomness)
        return cls(key_id, pair, identity.sign(pair.public, randomness), now, last_resort)

    def published(self) -> SignedPublicPreKey:
        return SignedPublicPreKey(self.id, self.pair.public, self.signature)

    def serialise(self) -> bytes:
        pair = self.pair
        return _store(
            self.id,
            pair.public,
            pair.seed,
            signature=self.signature,
            created=self.created,
            last_resort=self.last_resort,
        )

    @classmethod
    def deserialise(cls, stored: bytes) -> Self:
        """Raises InvalidRecord."""
        key = _load(stored)
        pair = KemKeyPair(key.public_key, key.private_key)
        return cls(key.id, pair, key.signature, key.created, key.last_resort)


def ids_from(first: int, count: int) -> list[int]:
    """`count` ids from `first` on; after MAX_KEY_ID comes 1."""
    return [(first - 1 + step) % MAX_KEY_ID + 1 for step in range(count)]


@dataclass(frozen=True, slots=True)
class Stock:
    """What the server says it has left, and when our current long-lived keys were made.

    None: there is none yet. All times in seconds.
    """

    one_time: int
    one_time_kem: int
    signed_created: float | None
    last_resort_created: float | None


@dataclass(frozen=True, slots=True)
class Due:
    """What a device should make and upload now: counts of one-time keys, and rotations."""

    one_time: int
    one_time_kem: int
    signed: bool
    last_resort: bool

    def __bool__(self) -> bool:
        return bool(self.one_time or self.one_time_kem or self.signed or self.last_resort)


def due(stock: Stock, now: float) -> Due:
    """The life-cycle policy of libsignal clients: see the limits it names."""
    return Due(
        _refill(stock.one_time),
        _refill(stock.one_time_kem),
        _too_old(stock.signed_created, now),
        _too_old(stock.last_resort_created, now),
    )


def may_delete(replaced: float, now: float) -> bool:
    """Whether a private key that was replaced at `replaced` is past its keeping time."""
    return now - replaced > KEEP_REPLACED_DAYS * SECONDS_A_DAY


def check_digest(
    identity_public: bytes, signed: SignedPublicPreKey, last_resort: SignedPublicPreKey
) -> bytes:
    """32 bytes that are equal at client and server while both mean the same keys.

    SHA-256 over identity (33) ‖ signed id (u64, big-endian) ‖ its key (33) ‖ last-resort id ‖
    its key (1569).
    """
    parts = [identity_public]
    for key in (signed, last_resort):
        parts += [key.id.to_bytes(8, "big"), key.public]
    return sha256(b"".join(parts)).digest()


def _refill(left: int) -> int:
    return ONE_TIME_REFILL if left < ONE_TIME_LOW else 0


def _too_old(created: float | None, now: float) -> bool:
    return created is None or now - created >= ROTATE_DAYS * SECONDS_A_DAY


def _store(
    key_id: int,
    public: bytes,
    private: bytes,
    *,
    signature: bytes | None = None,
    created: float = 0.0,
    last_resort: bool = False,
) -> bytes:
    key = StoredPreKey(
        id=key_id,
        public_key=public,
        private_key=private,
        signature=signature,
        created=created,
        last_resort=last_resort,
    )
    return _STORED_VERSION + key.SerializeToString()


def _load(stored: bytes) -> StoredPreKey:
    if stored[:1] != _STORED_VERSION:
        raise InvalidRecord("not a pre-key of a version known here")
    try:
        return StoredPreKey.FromString(stored[1:])
    except DecodeError as error:
        raise InvalidRecord("not a stored pre-key") from error
