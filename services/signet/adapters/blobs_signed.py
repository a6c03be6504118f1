"""Signed URLs of blobs that we serve ourselves. Pure: the time is an argument.

A URL's query says until when it is good, and how many bytes may be put; an HMAC-SHA256 binds these
to the method and the name. Who reads a query makes the one that would be right and compares the
two whole: there is one way to write a URL, and nothing in it can be changed.
"""

import hmac
import re
from base64 import urlsafe_b64encode

from signet.core import limits
from signet.ports.blobs import NAME

KEY_BYTES = 32
_QUERY = re.compile(r"expires=([0-9]{1,12})&most=([0-9]{1,15})&signature=[A-Za-z0-9_-]{43}")


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


def sign(key: bytes, method: str, name: str, most: int, expires: int) -> str:
    """The query of a URL. `most`: bytes that may be put; `expires`: Unix time in seconds."""
    said = f"expires={expires}&most={most}"
    mac = hmac.digest(key, f"signet-blob-v1\n{method}\n{name}\n{said}".encode(), "sha256")
    return f"{said}&signature={urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def verify(key: bytes, method: str, name: str, query: str, now: float) -> int:
    """How many bytes may be put.

    Raises:
        UrlRefused.
    """
    said = _QUERY.fullmatch(query)
    if said is None:
        raise UrlRefused
    expires, most = int(said[1]), int(said[2])
    right = sign(key, method, name, most, expires)
    if not hmac.compare_digest(right, query) or now >= expires:
        raise UrlRefused
    return most
