"""Values at rest: AES-256-GCM under one data key a store, and who holds that key.

With a passphrase the data key is wrapped by a key that scrypt makes of it: whoever takes the
disk has to guess it. Without one it lies in a key file beside the store, readable by its owner
only: that protects a copy of the database that travels without the file (a backup, an attached
bug report), and nothing from somebody who reads the user's files. Ids, times and states are in
the clear in either case, so that they can be searched.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from signet.client.errors import WrongPassphrase
from signet.e2e import Randomness

KEY_SIZE = 32
NONCE_SIZE = 12
SALT_SIZE = 16
# scrypt: 32 MiB and about 60 ms. Raise: slower guesses, slower starts. RFC 7914, section 2.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1


class Vault:
    """Seals and opens values. The label binds a value to its place: it opens nowhere else."""

    def __init__(self, key: bytes, randomness: Randomness) -> None:
        self._cipher = AESGCM(key)
        self._randomness = randomness

    def seal(self, value: bytes, label: bytes) -> bytes:
        nonce = self._randomness(NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, value, label)

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """Raises WrongPassphrase: another key, or the value was altered or moved."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], label)
        except InvalidTag:
            raise WrongPassphrase("a stored value does not open with this key") from None


def _from_passphrase(passphrase: str, salt: bytes) -> bytes:
    kdf = Scrypt(salt=salt, length=KEY_SIZE, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    return kdf.derive(passphrase.encode())


def wrap(data_key: bytes, passphrase: str, randomness: Randomness) -> bytes:
    """The data key as it is stored: salt ‖ nonce ‖ ciphertext."""
    salt = randomness(SALT_SIZE)
    return salt + Vault(_from_passphrase(passphrase, salt), randomness).seal(data_key, b"key")


def unwrap(wrapped: bytes, passphrase: str, randomness: Randomness) -> bytes:
    """Raises WrongPassphrase."""
    key = _from_passphrase(passphrase, wrapped[:SALT_SIZE])
    return Vault(key, randomness).open(wrapped[SALT_SIZE:], b"key")


def make_key_file(path: Path, randomness: Randomness) -> bytes:
    """A new data key in a file for its owner only (0600), durable before it is used."""
    key = randomness(KEY_SIZE)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, key)
        os.fsync(handle)
    finally:
        os.close(handle)
    return key


def read_key_file(path: Path) -> bytes:
    """Raises WrongPassphrase: it is missing or no key."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise WrongPassphrase("the key file beside the store is missing") from None
    if len(key) != KEY_SIZE:
        raise WrongPassphrase("the key file beside the store is not one")
    return key
