"""One message's keys, its encryption and its tag.

https://signal.org/docs/specifications/doubleratchet/ section 5.2 (ENCRYPT, DECRYPT): AES-256 in
CBC mode with PKCS#7, and HMAC-SHA256 cut to 8 bytes over both identities and the message.
"""

from dataclasses import dataclass, field
from hmac import compare_digest

from signet.e2e import cbc
from signet.e2e.errors import InvalidMessage
from signet.e2e.kdf import hkdf, hmac_sha256

TAG_SIZE = 8
_INFO = b"WhisperMessageKeys"


@dataclass(frozen=True, slots=True)
class MessageKeys:
    """Keys for exactly one message. Never use them twice: the IV is derived too."""

    cipher_key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)
    iv: bytes = field(repr=False)

    @classmethod
    def derive(cls, seed: bytes, *, pq_key: bytes | None = None) -> "MessageKeys":
        """`pq_key` is the post-quantum ratchet's key for this message, in sessions that have it."""
        keys = hkdf(seed, _INFO, 80, salt=pq_key)
        return cls(keys[:32], keys[32:64], keys[64:])

    def encrypt(self, plaintext: bytes) -> bytes:
        return cbc.encrypt(self.cipher_key, self.iv, plaintext)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Call only after `check`: a padding error before it would be an oracle.

        Raises InvalidMessage.
        """
        return cbc.decrypt(self.cipher_key, self.iv, ciphertext)

    def tag(self, sender_identity: bytes, receiver_identity: bytes, message: bytes) -> bytes:
        """8 bytes over the identities (33 each) and the message with its version byte."""
        return hmac_sha256(self.mac_key, sender_identity + receiver_identity + message)[:TAG_SIZE]

    def check(
        self, tag: bytes, sender_identity: bytes, receiver_identity: bytes, message: bytes
    ) -> None:
        """Raises InvalidMessage unless the tag is right (compared in constant time)."""
        if not compare_digest(tag, self.tag(sender_identity, receiver_identity, message)):
            raise InvalidMessage("the tag does not verify")
