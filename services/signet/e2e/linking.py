"""Linking a new device: what two devices agree on, the code that people compare, the hand-over.

The new device shows its public key and a commitment to what it will answer. The old one offers a
key of its own; then the new one opens the commitment, and both compute one code. Whoever stands
between them had to choose before they saw: they guess the code once in a million. Both keys, the
commitment, the answer and the mailbox are bound into what seals the hand-over.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from signet.e2e.errors import InvalidMessage
from signet.e2e.kdf import hkdf
from signet.e2e.keys import EC_TYPE, EcKeyPair

NONCE_SIZE = 32  # of an answer; makes the commitment say nothing
KEY_SIZE = 32  # public X25519 keys here have no type byte
_COMMIT = b"signet-link-commit-v1"
_AGREE = b"signet-link-agree-v1"
_SEAL = b"signet-link-seal-v1"
_CODE = b"signet-link-code-v1"
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Shown:
    """What the new device shows: where to meet, its public key, and what it commits to."""

    server_name: str
    address: bytes
    public: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the new device says of itself."""

    nonce: bytes = field(repr=False)
    login_public: bytes
    registration_id: int
    device_name: str = ""

    def to_bytes(self) -> bytes:
        number = self.registration_id.to_bytes(4, "big")
        return self.nonce + self.login_public + number + self.device_name.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Answer":
        """Raises InvalidMessage."""
        if len(data) < NONCE_SIZE + KEY_SIZE + 4:
            raise InvalidMessage("an answer that is too short")
        nonce, login, rest = data[:NONCE_SIZE], data[NONCE_SIZE : NONCE_SIZE + KEY_SIZE], data[64:]
        try:
            return cls(nonce, login, int.from_bytes(rest[:4], "big"), rest[4:].decode())
        except UnicodeDecodeError as error:
            raise InvalidMessage("a device name that is no text") from error

    def commitment(self) -> bytes:
        """SHA-256 over a label and the answer."""
        return sha256(_COMMIT + self.to_bytes()).digest()


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both devices have once the answer is known. `code` is for people to compare."""

    code: str
    key: bytes = field(repr=False)

    def seal(self, plaintext: bytes) -> bytes:
        """AES-256-GCM. Once: the key is of this one hand-over, and so the nonce may be zero."""
        return AESGCM(self.key).encrypt(bytes(12), plaintext, _SEAL)

    def open(self, sealed: bytes) -> bytes:
        """Raises InvalidMessage."""
        try:
            return AESGCM(self.key).decrypt(bytes(12), sealed, _SEAL)
        except (InvalidTag, ValueError) as error:
            raise InvalidMessage("a hand-over that does not open") from error


def raw(pair: EcKeyPair) -> bytes:
    """Its public key as it is shown and offered: 32 bytes."""
    return pair.public[1:]


def agree_as_new(shown: Shown, own: EcKeyPair, offer: bytes, answer: Answer) -> Agreement:
    """On the device that showed `shown`; the old one has offered its key.

    Raises InvalidKey: it is of small order, or of another size.
    """
    return _agree(shown, own, offer, offer=offer, answer=answer.to_bytes())


def agree_as_old(shown: Shown, own: EcKeyPair, answer: bytes) -> Agreement:
    """On the device that has offered the public key of `own`.

    Raises:
        InvalidMessage: the answer is not what was committed to.
        InvalidKey: the new device's key is of small order, or of another size.
    """
    if not compare_digest(Answer.from_bytes(answer).commitment(), shown.commitment):
        raise InvalidMessage("an answer that was not committed to")
    return _agree(shown, own, shown.public, offer=raw(own), answer=answer)


def _agree(shown: Shown, own: EcKeyPair, other: bytes, *, offer: bytes, answer: bytes) -> Agreement:
    secret = own.agree(EC_TYPE + other)
    transcript = sha256(_transcript(shown, offer, answer)).digest()
    derived = hkdf(secret, _SEAL, 32, salt=transcript)
    number = int.from_bytes(hkdf(secret, _CODE, 8, salt=transcript), "big")
    return Agreement(f"{number % 10**_DIGITS:0{_DIGITS}}", derived)


def _transcript(shown: Shown, offer: bytes, answer: bytes) -> bytes:
    """Each part with its length before it, so that no two transcripts are the same bytes."""
    parts = (
        shown.server_name.encode(),
        shown.address,
        shown.public,
        shown.commitment,
        offer,
        answer,
    )
    return _AGREE + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
