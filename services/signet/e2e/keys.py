"""Key pairs, their bytes on the wire, and XEdDSA signatures.

A public key is passed around as what it is on the wire: bytes with a type byte in front.
X25519: 0x05 ‖ 32. Kyber1024: 0x08 ‖ 1568. Functions that take one raise InvalidKey for
anything else, so a key is checked where it is used.

https://signal.org/docs/specifications/xeddsa/
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha3_256, shake_256
from typing import Self

import xeddsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from signet.e2e.errors import BadSignature, InvalidKey

Randomness = Callable[[int], bytes]
"""So many bytes nobody can guess (`secrets.token_bytes` outside of tests)."""

EC_TYPE = b"\x05"
KEM_TYPE = b"\x08"
EC_PUBLIC_SIZE = 33
KEM_PUBLIC_SIZE = KEM_CIPHERTEXT_SIZE = 1569
SIGNATURE_SIZE = 64
_SIGN_BIT = 0x80


@dataclass(frozen=True, slots=True)
class EcKeyPair:
    """An X25519 pair: `public` 33 bytes with its type byte, `private` 32 bytes, clamped."""

    public: bytes
    private: bytes = field(repr=False)

    @classmethod
    def from_private(cls, private: bytes) -> Self:
        """Raises InvalidKey unless given 32 bytes."""
        if len(private) != 32:
            raise InvalidKey("a private X25519 key has 32 bytes")
        clamped = bytes([private[0] & 0xF8, *private[1:31], private[31] & 0x7F | 0x40])
        public = X25519PrivateKey.from_private_bytes(clamped).public_key().public_bytes_raw()
        return cls(EC_TYPE + public, clamped)

    @classmethod
    def generate(cls, randomness: Randomness) -> Self:
        return cls.from_private(randomness(32))

    def agree(self, their_public: bytes) -> bytes:
        """X25519, 32 bytes. Raises InvalidKey, also for points of small order."""
        raw = raw_ec_public(their_public)
        mine = X25519PrivateKey.from_private_bytes(self.private)
        try:
            return mine.exchange(X25519PublicKey.from_public_bytes(raw))
        except ValueError as error:
            raise InvalidKey("an X25519 key of small order") from error


@dataclass(frozen=True, slots=True)
class SigningKeyPair(EcKeyPair):
    """A pair that signs: `verify` is the other side."""

    def sign(self, message: bytes, randomness: Randomness) -> bytes:
        """XEdDSA, 64 bytes; the sign bit is 0, as the specification says."""
        private = xeddsa.priv_force_sign(self.private, False)
        return xeddsa.ed25519_priv_sign(private, message, randomness(64))


@dataclass(frozen=True, slots=True)
class IdentityKeyPair(SigningKeyPair):
    """The key an account is known by. It signs pre-keys, and nothing else without a label."""


@dataclass(frozen=True, slots=True)
class KemKeyPair:
    """A Kyber1024 pair: `public` 1569 bytes with its type byte, `seed` 64 bytes (FIPS 203)."""

    public: bytes
    seed: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Raises InvalidKey unless given 64 bytes."""
        if len(seed) != 64:
            raise InvalidKey("a Kyber1024 seed has 64 bytes")
        public = MLKEM1024PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
        return cls(KEM_TYPE + public, seed)

    @classmethod
    def generate(cls, randomness: Randomness) -> Self:
        return cls.from_seed(randomness(64))

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The secret, 32 bytes; for a forged ciphertext an unrelated one. Raises InvalidKey."""
        if len(ciphertext) != KEM_CIPHERTEXT_SIZE or ciphertext[:1] != KEM_TYPE:
            raise InvalidKey("not a Kyber1024 ciphertext")
        private = MLKEM1024PrivateKey.from_seed_bytes(self.seed)
        return _round_3_secret(private.decapsulate(ciphertext[1:]), ciphertext[1:])


def encapsulate(kem_public: bytes) -> tuple[bytes, bytes]:
    """A fresh secret (32 bytes) and its ciphertext (1569 bytes) for a Kyber1024 key.

    `cryptography` takes no randomness for this, so it comes from the operating system: the one
    thing in this package that is not a function of its arguments. Raises InvalidKey.
    """
    if len(kem_public) != KEM_PUBLIC_SIZE or kem_public[:1] != KEM_TYPE:
        raise InvalidKey("not a Kyber1024 key")
    try:
        public = MLKEM1024PublicKey.from_public_bytes(kem_public[1:])
    except ValueError as error:
        raise InvalidKey("not a Kyber1024 key") from error
    secret, ciphertext = public.encapsulate()
    return _round_3_secret(secret, ciphertext), KEM_TYPE + ciphertext


def _round_3_secret(mlkem_secret: bytes, ciphertext: bytes) -> bytes:
    """What Kyber's third round derives from ML-KEM's secret; the formats are the same."""
    return shake_256(mlkem_secret + sha3_256(ciphertext).digest()).digest(32)


def raw_ec_public(public: bytes) -> bytes:
    """The 32 bytes behind the type byte. Raises InvalidKey."""
    if len(public) != EC_PUBLIC_SIZE or public[:1] != EC_TYPE:
        raise InvalidKey("not an X25519 key")
    return public[1:]


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise BadSignature unless the key `public` signed `message` (XEdDSA).

    Both conventions verify: bit 511 is 0 (the specification), or it carries the sign of the
    Edwards key (libsignal).
    """
    if len(signature) != SIGNATURE_SIZE:
        raise BadSignature("a signature has 64 bytes")
    sign = bool(signature[63] & _SIGN_BIT)
    plain = signature[:63] + bytes([signature[63] & ~_SIGN_BIT & 0xFF])
    edwards = xeddsa.curve25519_pub_to_ed25519_pub(raw_ec_public(public), sign)
    if not xeddsa.ed25519_verify(plain, edwards, message):
        raise BadSignature("the key did not sign this")
