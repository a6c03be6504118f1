"""Files beside messages: encrypted in a stream, padded, and checked whole before a byte is used.

`IV (16) ‖ AES-256-CBC (PKCS#7) of content ‖ zeros ‖ HMAC-SHA256 (32) of all before it`, under a key
of 64 bytes (cipher 32 ‖ MAC 32) that is used for one file. The digest is SHA-256 of all of it. The
zeros fill the content up to the next size class, so that the store learns a class and no length.

Memory is constant: pieces go in, pieces come out, of any length.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from hmac import new as new_hmac

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from signet.e2e.errors import InvalidAttachment
from signet.e2e.keys import Randomness
from signet.e2e.limits import ATTACHMENT_SMALLEST

KEY_SIZE = 64
DIGEST_SIZE = 32
_BLOCK = 16
_MAC = 32
_END = bytes([_BLOCK]) * _BLOCK  # PKCS#7 of whole blocks, which size classes are
_ZEROS = bytes(64 * 1024)


def padded_size(size: int) -> int:
    """The size class of a content: at most a sixteenth more. A multiple of 16.

    Lengths keep their leading bits, as many as the length of their length has (Padmé):
    https://petsymposium.org/popets/2019/popets-2019-0056.pdf, section 4.2.
    """
    size = max(size, ATTACHMENT_SMALLEST)
    exponent = size.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-size // step) * step


def sealed_size(size: int) -> int:
    """How many bytes the ciphertext of `size` bytes of content has."""
    return _BLOCK + padded_size(size) + _BLOCK + _MAC


@dataclass(frozen=True, slots=True)
class AttachmentKey:
    """Of one file, never of two.

    Raises:
        InvalidAttachment: not 64 bytes.
    """

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise InvalidAttachment("a key of an attachment has 64 bytes")

    @classmethod
    def generate(cls, randomness: Randomness) -> "AttachmentKey":
        return cls(randomness(KEY_SIZE))

    @property
    def cipher(self) -> bytes:
        return self.raw[:32]

    @property
    def mac(self) -> bytes:
        return self.raw[32:]


class Encryptor:
    """Encrypts one content: `update` with its pieces, then all of `finish`. `size`: what came."""

    def __init__(self, key: AttachmentKey, randomness: Randomness) -> None:
        self.size = 0
        self._iv = randomness(_BLOCK)  # goes out with the first piece
        self._cipher = Cipher(AES256(key.cipher), CBC(self._iv)).encryptor()
        self._mac, self._digest = new_hmac(key.mac, digestmod="sha256"), sha256()

    def update(self, content: bytes) -> bytes:
        """What follows of the ciphertext."""
        self.size += len(content)
        return self._next(content)

    def finish(self) -> Iterator[bytes]:
        """The rest of the ciphertext, in pieces. `digest` is right when they are all taken."""
        zeros = padded_size(self.size) - self.size
        for start in range(0, zeros, len(_ZEROS)):
            yield self._next(_ZEROS[: zeros - start])
        yield self._next(_END)
        mac = self._mac.digest()
        self._digest.update(mac)
        yield mac

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole ciphertext."""
        return self._digest.digest()

    def _next(self, plain: bytes) -> bytes:
        iv, self._iv = self._iv, b""
        sealed = iv + self._cipher.update(plain)
        self._mac.update(sealed)
        self._digest.update(sealed)
        return sealed


class Checker:
    """Whether a ciphertext is the one that was meant: `update` with its pieces, then `finish`."""

    def __init__(self, key: AttachmentKey, size: int, digest: bytes) -> None:
        self._left, self._expected = sealed_size(size), digest
        self._mac, self._digest = new_hmac(key.mac, digestmod="sha256"), sha256()
        self._tail = b""

    def update(self, sealed: bytes) -> None:
        """Raises InvalidAttachment: there is more of it than `size` allows."""
        self._left -= len(sealed)
        if self._left < 0:
            raise InvalidAttachment("longer than was said")
        self._digest.update(sealed)
        waiting = self._tail + sealed  # the last 32 bytes are the MAC, which is not in itself
        self._mac.update(waiting[:-_MAC])
        self._tail = waiting[-_MAC:]

    def finish(self) -> None:
        """Raises InvalidAttachment: its length, digest or MAC is another."""
        if self._left:
            raise InvalidAttachment("shorter than was said")
        right = compare_digest(self._digest.digest(), self._expected)
        if not right or not compare_digest(self._mac.digest(), self._tail):
            raise InvalidAttachment("the digest does not verify")


class Decryptor:
    """Decrypts a ciphertext that a `Checker` has found right; use it for no other."""

    def __init__(self, key: AttachmentKey, size: int) -> None:
        self._key, self._left = key, size
        self._body = padded_size(size)  # bytes of whole blocks that hold content and zeros
        self._iv = b""
        self._cipher: CipherContext | None = None

    def update(self, sealed: bytes) -> bytes:
        """What follows of the content; nothing more once all of it is out."""
        if self._cipher is None:
            need = _BLOCK - len(self._iv)
            self._iv, sealed = self._iv + sealed[:need], sealed[need:]
            if len(self._iv) < _BLOCK:
                return b""
            self._cipher = Cipher(AES256(self._key.cipher), CBC(self._iv)).decryptor()
        body, self._body = sealed[: self._body], self._body - len(sealed[: self._body])
        content = self._cipher.update(body)[: self._left]
        self._left -= len(content)
        return content
