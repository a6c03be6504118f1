"""Message encryption for web push (RFC 8291): one aes128gcm record (RFC 8188) for one browser.

A push service carries it and cannot read it. The primitives are those of `cryptography`; the words
are those of RFC 8291, section 3.4.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signet.ports.push_registrations import WebPush

RECORD_SIZE = 4096
_SALT = 16
_LAST_RECORD = b"\x02"  # the delimiter before the padding (RFC 8188, section 2)


def encrypted(
    plaintext: bytes,
    to: WebPush,
    *,
    padded_to: int,
    key: ec.EllipticCurvePrivateKey,
    randomness: Callable[[int], bytes],
) -> bytes:
    """The body of a push message. `key` is a fresh one of P-256, for this message alone.

    All plaintexts up to `padded_to` bytes give bodies of one size.

    Raises:
        ValueError: the subscription's key is no point of the curve, or the plaintext is too long.
    """
    if len(plaintext) > padded_to:
        raise ValueError("the plaintext is longer than its padding")
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to.p256dh)
    ours = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    salt = randomness(_SALT)
    key_info = b"WebPush: info\0" + to.p256dh + ours
    keying = HKDF(SHA256(), 32, to.auth, key_info).derive(key.exchange(ec.ECDH(), theirs))
    extracting = HMAC(salt, SHA256())
    extracting.update(keying)
    extracted = extracting.finalize()
    content_key = HKDFExpand(SHA256(), 16, b"Content-Encoding: aes128gcm\0").derive(extracted)
    nonce = HKDFExpand(SHA256(), 12, b"Content-Encoding: nonce\0").derive(extracted)
    record = plaintext + _LAST_RECORD + bytes(padded_to - len(plaintext))
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return header + AESGCM(content_key).encrypt(nonce, record, None)
