"""Signed URLs of blobs that we serve ourselves. Pure: the time is an argument.

A URL's query says until when it is good, and how many bytes are put; an HMAC-SHA256 binds these
to the method and the name. Who reads a query makes the one that would be right and compares the
two whole: there is one way to write a URL, and nothing in it can be changed.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from signet.core import limits
from signet.ports.blobs import NAME

KEY_BYTES = 32
_QUERY = re.compile(
    r"expires=([0-9]{1,12})&least=([0-9]{1,15})&most=([0-9]{1,15})&signature=[A-Za-z0-9_-]{43}"
)


class UrlRefused(Exception):
    """Not made with this key for this method and name, or its time is over."""


def check(method: str, name: str, expires_s: int) -> None:
    """What no adapter signs.

    Raises:
        ValueError: another method than GET and PUT, a malformed name, no time or too long a time.
    """
    if method not in {"GET", "PUT"}:
        raise ValueError("a URL is for GET or for PUT")
    if not NAME.fullmatch(name):
        raise ValueError("a blob's name has 1-200 letters, digits, - and _")
    if not 1 <= expires_s <= limits.BLOB_URL_LIFE:
        raise ValueError(f"a URL is good for 1 to {limits.BLOB_URL_LIFE} seconds")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many bytes are put, at the least and at the most."""

    least: int
    most: int


def sign(key: bytes, method: str, name: str, sizes: Sizes, expires: int) -> str:
    """The query of a URL. `expires`: Unix time in seconds."""
    said = f"expires={expires}&least={sizes.least}&most={sizes.most}"
    mac = hmac.digest(key, f"signet-blob-v1\n{method}\n{name}\n{said}".encode(), "sha256")
    return f"{said}&signature={urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def verify(key: bytes, method: str, name: str, query: str, now: float) -> Sizes:
    """How many bytes are put.

    Raises:
        UrlRefused.
    """
    said = _QUERY.fullmatch(query)
    if said is None:
        raise UrlRefused
    expires, sizes = int(said[1]), Sizes(int(said[2]), int(said[3]))
    right = sign(key, method, name, sizes, expires)
    if not hmac.compare_digest(right, query) or now >= expires:
        raise UrlRefused
    return sizes
