"""Who asks a push service to wake a browser (RFC 8292), and the key that shows it."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

VAPID_LIFE = 12 * 3600  # of a token; a push service takes 24 hours at most (RFC 8292, section 2)
_TOKENS = 1000  # of as many push services; they are made anew where there are more


class Vapid:
    """Says to push services who asks. `key` is of P-256, `subject` a mailto: or https: URL.

    Raises:
        ValueError: the subject is neither.
    """

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, subject: str, clock: Callable[[], float]
    ) -> None:
        if not subject.startswith(("mailto:", "https:")):
            raise ValueError("subject is a mailto: or https: URL, by which push services reach you")
        self._key, self._subject, self._clock = key, subject, clock
        self.public = public_key(key)
        self._tokens: dict[str, tuple[str, int]] = {}

    def authorization(self, endpoint: str) -> str:
        """The header for a push service, by the endpoint's origin."""
        parts = urlsplit(endpoint)
        origin, now = f"{parts.scheme}://{parts.netloc}", int(self._clock())
        token, expires = self._tokens.get(origin, ("", 0))
        if expires - VAPID_LIFE // 2 <= now:
            expires = now + VAPID_LIFE
            claims = {"aud": origin, "exp": expires, "sub": self._subject}
            token = jwt.encode(claims, self._key, algorithm="ES256")
            if len(self._tokens) >= _TOKENS:
                self._tokens.clear()
            self._tokens[origin] = (token, expires)
        return f"vapid t={token}, k={self.public}"


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """What browsers are given as `applicationServerKey`."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return urlsafe_b64encode(point).rstrip(b"=").decode()


def p256_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """A private key of P-256 from PEM. Raises ValueError."""
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("the key is encrypted") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("the key is not of P-256")
    return key


def made_or_read(file: Path) -> str:
    """The public half of the key in a file, which is made where there is none.

    Raises:
        ValueError: it holds something else. OSError.
    """
    if not file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(pem)
    return public_key(p256_key(file.read_bytes()))
