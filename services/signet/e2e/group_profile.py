"""A group's name and picture, sealed under a key that members tell each other.

Each profile has a fresh key, so that who was removed reads no later one. The sealed form begins
with a hash of its key: no two keys open one profile, and a member who has several knows which.
"""

from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from signet.e2e.errors import InvalidMessage
from signet.e2e.keys import Randomness
from signet.e2e.padding import pad, unpad

PROFILE_KEY_SIZE = 32
_VERSION = b"\x01"
_LABEL = b"signet-group-profile-v1"
_HASH_SIZE, _NONCE_SIZE = 32, 12


def seal_profile(plaintext: bytes, group: bytes, randomness: Randomness) -> tuple[bytes, bytes]:
    """A fresh key, and the profile sealed under it: version ‖ hash of the key ‖ nonce ‖ text."""
    key, nonce = randomness(PROFILE_KEY_SIZE), randomness(_NONCE_SIZE)
    body = AESGCM(key).encrypt(nonce, pad(plaintext), _LABEL + group)
    return key, _VERSION + _hash(key) + nonce + body


def fits(key: bytes, sealed: bytes) -> bool:
    """Whether it is this key that the profile was sealed under."""
    return sealed[: 1 + _HASH_SIZE] == _VERSION + _hash(key)


def open_profile(key: bytes, sealed: bytes, group: bytes) -> bytes:
    """The plaintext. Raises InvalidMessage: another key, another group, or altered."""
    if not fits(key, sealed) or len(key) != PROFILE_KEY_SIZE:
        raise InvalidMessage("a profile under another key")
    at = 1 + _HASH_SIZE + _NONCE_SIZE
    try:
        padded = AESGCM(key).decrypt(sealed[at - _NONCE_SIZE : at], sealed[at:], _LABEL + group)
    except (InvalidTag, ValueError) as error:
        raise InvalidMessage("a profile that does not open") from error
    return unpad(padded)


def _hash(key: bytes) -> bytes:
    return sha256(_LABEL + key).digest()
