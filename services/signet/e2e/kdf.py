"""HMAC and HKDF on SHA-256 (RFC 2104, RFC 5869): the only key derivation of this package."""

from hmac import digest

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SHA256 = SHA256()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return digest(key, data, "sha256")


def hkdf(secret: bytes, info: bytes, length: int, *, salt: bytes | None = None) -> bytes:
    """Derive `length` bytes. No salt is 32 zero bytes, as RFC 5869 says."""
    return HKDF(_SHA256, length, salt, info).derive(secret)
