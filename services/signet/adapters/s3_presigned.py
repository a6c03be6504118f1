"""URLs that S3 answers only to a request with certain headers (Signature Version 4). Pure.

obstore signs the host alone. A URL that is handed to a stranger also binds how many bytes may be
put, and that nothing is replaced. docs.aws.amazon.com, "Authenticating Requests: Using Query
Parameters".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import digest
from urllib.parse import quote, urlsplit, urlunsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of whoever may do what the URL is for."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str


def presigned(
    method: str,
    url: str,
    credentials: Credentials,
    *,
    headers: Mapping[str, str],
    expires_s: int,
    now: datetime,
) -> str:
    """`url` (without a query, its path encoded) with a signature that wants these headers.

    `headers` are in lower case; `host` is added. `now` is in UTC.
    """
    parts = urlsplit(url)
    wanted = {**headers, "host": parts.netloc}
    names = ";".join(sorted(wanted))
    at = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/{credentials.region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": at,
        "X-Amz-Expires": str(expires_s),
        "X-Amz-SignedHeaders": names,
    }
    said = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    lines = "".join(f"{name}:{wanted[name].strip()}\n" for name in sorted(wanted))
    request = f"{method}\n{parts.path}\n{said}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    to_sign = f"{_ALGORITHM}\n{at}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = digest(_key(credentials, at[:8]), to_sign.encode(), "sha256").hex()
    return urlunsplit(parts._replace(query=f"{said}&X-Amz-Signature={signature}"))


def _key(credentials: Credentials, day: str) -> bytes:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, credentials.region, "s3", "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key
