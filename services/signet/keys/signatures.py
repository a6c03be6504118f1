"""Public keys and signatures that come with registrations and uploads (K1, K4).

XEdDSA by the account's identity key. Two conventions verify: bit 511 of the signature is 0 (the
specification), or it carries the sign of the Edwards key (libsignal).

https://signal.org/docs/specifications/xeddsa/
"""

from collections.abc import Iterable

import xeddsa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_KEY_ID, MAX_PRE_KEYS
from signet.ports.pre_keys import (
    KeyUpload,
    PreKey,
)

EC_KEY_SIZE = 33
KEM_KEY_SIZE = 1569
LOGIN_KEY_SIZE = 32
SIGNATURE_SIZE = 64
EC_TYPE, KEM_TYPE = 5, 8
_SIGN_BIT = 0x80
# Any private key shows whether a public one is of small order: the agreement is all zeros then.
_PROBE = X25519PrivateKey.from_private_bytes(b"\x40" * 32)


def is_signed(identity_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this identity key (33 bytes) made this XEdDSA signature."""
    if len(signature) != SIGNATURE_SIZE or not _is_ec_key(identity_key):
        return False
    sign = bool(signature[63] & _SIGN_BIT)
    plain = signature[:63] + bytes([signature[63] & ~_SIGN_BIT & 0xFF])
    edwards = xeddsa.curve25519_pub_to_ed25519_pub(identity_key[1:], sign)
    return bool(xeddsa.ed25519_verify(plain, edwards, message))


def is_login(login_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this login key (Ed25519, 32 bytes) made this signature."""
    try:
        Ed25519PublicKey.from_public_bytes(login_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_upload(identity_key: bytes, keys: KeyUpload) -> None:
    """Refuse an upload whole: out of range, not signed, or not keys at all.

    Up to some 30 ms of work: call it in a thread.

    Raises:
        SignetError: INVALID_ARGUMENT, BAD_SIGNATURE.
    """
    signed = [key for key in (keys.signed,) if key]
    kem = [*(key for key in (keys.last_resort,) if key), *keys.one_time_kem]
    if len(keys.one_time) > MAX_PRE_KEYS or len(keys.one_time_kem) > MAX_PRE_KEYS:
        raise SignetError(Code.INVALID_ARGUMENT, f"at most {MAX_PRE_KEYS} keys of a kind")
    _check_shapes((*signed, *keys.one_time), EC_KEY_SIZE, EC_TYPE)
    _check_shapes(kem, KEM_KEY_SIZE, KEM_TYPE)
    for key in (*signed, *kem):
        if not is_signed(identity_key, key.public, key.signature):
            raise SignetError(Code.BAD_SIGNATURE, f"of the pre-key {key.id}")
    if not all(_is_ec_key(key.public) for key in (*signed, *keys.one_time)):
        raise SignetError(Code.INVALID_ARGUMENT, "not an X25519 key")
    if not all(_is_kem_key(key.public) for key in kem):
        raise SignetError(Code.INVALID_ARGUMENT, "not a Kyber1024 key")


def check_identity_key(identity_key: bytes) -> None:
    """Raises SignetError: INVALID_ARGUMENT."""
    if not _is_ec_key(identity_key):
        raise SignetError(Code.INVALID_ARGUMENT, "identity_key is not an X25519 key")


def check_identity(identity_key: bytes, login_key: bytes) -> None:
    """Raises SignetError: INVALID_ARGUMENT."""
    check_identity_key(identity_key)
    if len(login_key) != LOGIN_KEY_SIZE:
        raise SignetError(Code.INVALID_ARGUMENT, "login_key is not an Ed25519 key")


def _check_shapes(keys: Iterable[PreKey], size: int, kind: int) -> None:
    for key in keys:
        if not 0 <= key.id <= MAX_KEY_ID:
            raise SignetError(Code.INVALID_ARGUMENT, "a key id is out of its range")
        if len(key.public) != size or key.public[0] != kind:
            raise SignetError(Code.INVALID_ARGUMENT, f"a key has {size} bytes, the first {kind}")


def _is_ec_key(public: bytes) -> bool:
    """Has its form, and is not of small order (anybody could sign for such a key)."""
    if len(public) != EC_KEY_SIZE or public[0] != EC_TYPE:
        return False
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(public[1:]))
    except ValueError:
        return False
    return True


def _is_kem_key(public: bytes) -> bool:
    try:
        MLKEM1024PublicKey.from_public_bytes(public[1:])
    except ValueError:
        return False
    return True
