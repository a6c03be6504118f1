"""AES-256 in CBC mode with PKCS#7 padding: the cipher of all messages. It authenticates nothing."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from signet.e2e.errors import InvalidMessage

_BLOCK = 16


def encrypt(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    missing = _BLOCK - len(plaintext) % _BLOCK
    encryptor = Cipher(AES256(key), CBC(iv)).encryptor()
    return encryptor.update(plaintext + bytes([missing]) * missing) + encryptor.finalize()


def decrypt(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """Call only for what is known to be genuine: a padding error before that would be an oracle.

    Raises InvalidMessage.
    """
    if not ciphertext or len(ciphertext) % _BLOCK:
        raise InvalidMessage("not whole blocks")
    decryptor = Cipher(AES256(key), CBC(iv)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    missing = padded[-1]
    if not 1 <= missing <= _BLOCK or padded[-missing:] != bytes([missing]) * missing:
        raise InvalidMessage("bad padding")
    return padded[:-missing]
