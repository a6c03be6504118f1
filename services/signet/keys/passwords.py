"""Recovery keys and PINs: only a salted scrypt hash is kept, computed beside the event loop."""

import asyncio
import base64
import hmac
from hashlib import scrypt

from signet.core.limits import SCRYPT_AT_ONCE, SCRYPT_N
from signet.keys.config import Randomness

_SALT = 16
_KEY_BYTES = 20  # of a recovery key: 160 bits, 32 letters and digits
_GROUP = 4


class Passwords:
    """Hashes, a bounded number at once."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._free = asyncio.Semaphore(SCRYPT_AT_ONCE)

    async def hashed(self, secret: str) -> bytes:
        """What to keep of a secret."""
        salt = self._randomness(_SALT)
        return salt + await self._scrypt(secret, salt)

    async def matches(self, secret: str, kept: bytes) -> bool:
        """Whether it is the secret of which `kept` was kept; b"" is nobody's, as slowly."""
        salt = kept[:_SALT] or bytes(_SALT)
        return hmac.compare_digest(await self._scrypt(secret, salt), kept[_SALT:])

    async def _scrypt(self, secret: str, salt: bytes) -> bytes:
        async with self._free:
            return await asyncio.to_thread(_scrypt, secret.encode(), salt)


def new_recovery_key(randomness: Randomness) -> str:
    """Eight groups of four letters and digits, to be written down."""
    text = base64.b32encode(randomness(_KEY_BYTES)).decode()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def fold_recovery_key(text: str) -> str:
    """What people type: any case, any spaces or dashes, 0 and 1 for O and I."""
    plain = "".join(text.upper().split()).replace("-", "")
    return plain.replace("0", "O").replace("1", "I")


def _scrypt(secret: bytes, salt: bytes) -> bytes:
    return scrypt(secret, salt=salt, n=SCRYPT_N, r=8, p=1, maxmem=256 * 8 * SCRYPT_N, dklen=32)
