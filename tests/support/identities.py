"""Somebody who registers: an identity, a login key, and uploads that the keys service takes.

Knows nothing of signet.client or signet.e2e: made of `xeddsa` and `cryptography` alone, so that
server and SDK are each tested against something that they did not write.
"""

import base64
import os
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import xeddsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from signet.ports.pre_keys import (
    KeyUpload,
    PreKey,
)

Json = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def ec_public() -> bytes:
    """A fresh X25519 key with its type byte: 33 bytes."""
    return b"\x05" + X25519PrivateKey.generate().public_key().public_bytes_raw()


_KEM = MLKEM1024PrivateKey.generate().public_key().public_bytes_raw()


def kem_public(*, real: bool = False) -> bytes:
    """1569 bytes with the type byte. Unless `real`, only its seed is fresh: made in no time."""
    if real:
        return b"\x08" + MLKEM1024PrivateKey.generate().public_key().public_bytes_raw()
    return b"\x08" + _KEM[:-32] + os.urandom(32)


@dataclass
class Identity:
    """An account's identity key pair. `sign_bit`: sign as libsignal does, not as XEdDSA says."""

    private: bytes = field(default_factory=lambda: xeddsa.seed_to_priv(os.urandom(32)), repr=False)
    sign_bit: bool = False

    @property
    def public(self) -> bytes:
        raw: bytes = xeddsa.priv_to_curve25519_pub(self.private)
        return b"\x05" + raw

    def sign(self, message: bytes) -> bytes:
        if self.sign_bit:  # libsignal: the key's own sign, carried in bit 511 of the signature
            signature: bytes = xeddsa.ed25519_priv_sign(self.private, message, os.urandom(64))
            negative = xeddsa.priv_to_ed25519_pub(self.private)[31] & 0x80
            return signature[:63] + bytes([signature[63] | negative])
        plain = xeddsa.priv_force_sign(self.private, False)
        signed: bytes = xeddsa.ed25519_priv_sign(plain, message, os.urandom(64))
        return signed


@dataclass
class NewPerson:
    """One device that registers. Key ids rise with each upload, so none is used twice."""

    server_name: str = "localhost"
    identity: Identity = field(default_factory=Identity)
    login: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)
    registration_id: int = 4711
    next_id: int = 1

    @property
    def login_public(self) -> bytes:
        return self.login.public_key().public_bytes_raw()

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def ec(self) -> PreKey:
        return PreKey(self._id(), ec_public())

    def signed(self) -> PreKey:
        public = ec_public()
        return PreKey(self._id(), public, self.identity.sign(public))

    def kem(self) -> PreKey:
        public = kem_public()
        return PreKey(self._id(), public, self.identity.sign(public))

    def upload(
        self, one_time: int = 2, one_time_kem: int = 2, *, long_lived: bool = True
    ) -> KeyUpload:
        """Fresh keys of all four kinds, rightly signed."""
        return KeyUpload(
            self.signed() if long_lived else None,
            self.kem() if long_lived else None,
            tuple(self.ec() for _ in range(one_time)),
            tuple(self.kem() for _ in range(one_time_kem)),
        )

    def registration_signature(self) -> bytes:
        """The proof of K1."""
        return self.identity.sign(
            b"signet-register-v1"
            + self.server_name.encode()
            + self.identity.public
            + self.login_public
            + self.registration_id.to_bytes(4, "big")
        )

    def login_signature(self, user: bytes, device: int, nonce: bytes) -> bytes:
        """The proof of K2."""
        label = b"signet-login-v1" + self.server_name.encode()
        return self.login.sign(label + user + bytes([device]) + nonce)

    def register_json(self, keys: KeyUpload | None = None, **fields: Any) -> Json:
        """The body of POST /v1/register."""
        return {
            "identity_key": b64(self.identity.public),
            "login_key": b64(self.login_public),
            "registration_id": self.registration_id,
            "keys": upload_json(keys or self.upload()),
            "signature": b64(self.registration_signature()),
            **fields,
        }

    def login_json(self, user: bytes, device: int, nonce: bytes) -> Json:
        """The body of POST /v1/login."""
        return {
            "user_id": str(UUID(bytes=user)),
            "device_id": device,
            "nonce": b64(nonce),
            "signature": b64(self.login_signature(user, device, nonce)),
        }


def upload_json(keys: KeyUpload) -> Json:
    """The body of POST /v1/keys/upload."""
    body: Json = {
        "pre_keys": [_key_json(key) for key in keys.one_time],
        "kyber_pre_keys": [_key_json(key) for key in keys.one_time_kem],
    }
    if keys.signed:
        body["signed_pre_key"] = _key_json(keys.signed)
    if keys.last_resort:
        body["last_resort_kyber_pre_key"] = _key_json(keys.last_resort)
    return body


def _key_json(key: PreKey) -> Json:
    body: Json = {"id": key.id, "public_key": b64(key.public)}
    return {**body, "signature": b64(key.signature)} if key.signature else body
