"""Push hints as signed HTTP requests to somebody's own service. See ports/push.

    POST /your/path
    Content-Type: application/json
    Signet-Timestamp: 1764000000
    Signet-Signature: v1=<HMAC-SHA256 in hex, under the secret, of timestamp "." body>

    {"type":"NEW_MESSAGE","token":"<64 hex digits>","urgent":false,"at_ms":1763999999123}

The receiver refuses signatures that are not right (compared in constant time) and timestamps that
are minutes away, and answers soon: 2xx, it is taken; 410, forget the token; anything else, later,
where `Retry-After` (seconds, or a date) is followed. Redirects are not. It may get a wake-up twice.
"""

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from signet.adapters.push_http import AGENT, asked, one_try, refused
from signet.core.limits import PUSH_AT_ONCE, PUSH_TIMEOUT
from signet.ports.push import Delivered, Gone, Outcome, UserToken, WakeUp

SECRET_BYTES = 32


class WebhookPush:
    """Posts to `url`, which is https unless it is this machine's loopback.

    `secret` has 32 bytes or more. `clock` is Unix time in seconds. Proxies and certificates of
    the environment (HTTPS_PROXY, SSL_CERT_FILE) are used, but not for loopback.

    Raises:
        ValueError: the URL or the secret cannot be; says why.
    """

    def __init__(
        self, url: str, secret: bytes, clock: Callable[[], float], timeout_s: float = PUSH_TIMEOUT
    ) -> None:
        local = _checked(url)
        if len(secret) < SECRET_BYTES:
            raise ValueError(f"the secret needs {SECRET_BYTES} bytes, and has {len(secret)}")
        self._url, self._secret, self._clock, self._timeout_s = url, secret, clock, timeout_s
        self._http = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=not local,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=PUSH_AT_ONCE),
            headers={"User-Agent": AGENT, "Content-Type": "application/json"},
        )

    async def wake(self, wake_up: WakeUp[UserToken]) -> Outcome:
        """See PushProvider."""
        body = _body(wake_up)
        at = str(int(self._clock()))
        headers = {
            "Signet-Timestamp": at,
            "Signet-Signature": f"v1={signature(self._secret, at, body)}",
        }
        return await one_try(self._post(body, headers), self._timeout_s)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _post(self, body: bytes, headers: dict[str, str]) -> Outcome:
        answer, _ = await asked(self._http, "POST", self._url, content=body, headers=headers)
        if answer.is_success:
            return Delivered()
        if answer.status_code == httpx.codes.GONE:
            return Gone()
        return refused(answer.status_code, answer.headers.get("Retry-After", ""), self._clock())


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """In hex, as the header has it after `v1=`."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _body(wake_up: WakeUp[UserToken]) -> bytes:
    fields = {
        "type": "NEW_MESSAGE",
        "token": wake_up.to,
        "urgent": wake_up.urgent,
        "at_ms": wake_up.at_ms,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def _checked(url: str) -> bool:
    """Whether the URL is of this machine. Raises ValueError."""
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or parts.scheme not in {"http", "https"}:
        raise ValueError("a webhook is an https URL with a host")
    if parts.username is not None or parts.fragment:
        raise ValueError("a webhook's URL has no user and no fragment")
    local = host == "localhost" or _is_loopback(host)
    if parts.scheme == "http" and not local:
        raise ValueError("a webhook is https, unless it is on this machine's loopback")
    return local


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
