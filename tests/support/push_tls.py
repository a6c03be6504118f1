"""TLS of a push service on loopback, and a browser that has subscribed to it."""

import os
import ssl
from pathlib import Path

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signet.ports.push_registrations import WebPush
from tests.support.certificates import Authority


class PushTls:
    """Contexts of both sides, of an authority of one test's own, for `localhost` and `names`."""

    def __init__(self, folder: Path, *names: str) -> None:
        authority, self._folder = Authority(), folder
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(authority.certificate)
        authority.sign(*names).write(folder / "chain.pem", folder / "key.pem")

    def server(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self._folder / "chain.pem", self._folder / "key.pem")
        return made

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


class Browser:
    """A subscription whose messages are decrypted by a library that is not ours."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)

    def subscription(self, endpoint: str) -> WebPush:
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return WebPush(endpoint, point, self._auth)

    def decrypted(self, body: bytes) -> bytes:
        """Raises http_ece.ECEException: it is not for this browser."""
        plaintext: bytes = http_ece.decrypt(
            body, private_key=self._key, auth_secret=self._auth, version="aes128gcm"
        )
        return plaintext
