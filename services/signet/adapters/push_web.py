"""Web push: RFC 8030 for the delivery, RFC 8291 for the content, RFC 8292 (VAPID) for who asks.

The endpoint is a stranger's URL: https only, no redirects, public addresses only (push_addresses).
A push service sees the endpoint, `Urgency`, and that this server has something for its browser. The
browser alone can read the body: {"type":"NEW_MESSAGE","urgent":…,"at_ms":…}.
"""

import json
import secrets
import ssl
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

import httpcore
from cryptography.hazmat.primitives.asymmetric import ec

from signet.adapters.push_addresses import CheckedAddresses, Resolve, SystemResolver
from signet.adapters.push_http import AGENT, beginning, one_try, refused
from signet.adapters.push_vapid import Vapid
from signet.adapters.push_web_encryption import encrypted
from signet.core.limits import (
    PUSH_AT_ONCE,
    PUSH_CONNECTION_IDLE,
    PUSH_IN_ALL,
    PUSH_KEPT,
    PUSH_TIMEOUT,
)
from signet.ports.push import Delivered, Gone, Outcome, RetryAfter, WakeUp
from signet.ports.push_registrations import WebPush

TOPIC = "new-message"  # a later one takes the place of one that waits (RFC 8030, section 5.4)
_PADDED_TO = 128


class WebPushes:
    """ports/push.PushProvider for browsers. `clock` is Unix time in seconds.

    `loopback_hosts` may be on this machine's loopback, for tests; `tls` is for those, too.
    """

    def __init__(
        self,
        vapid: Vapid,
        clock: Callable[[], float],
        *,
        resolve: Resolve | None = None,
        loopback_hosts: Collection[str] = (),
        tls: ssl.SSLContext | None = None,
        timeout_s: float = PUSH_TIMEOUT,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._vapid, self._clock, self._timeout_s = vapid, clock, timeout_s
        self._randomness, self._names = randomness, SystemResolver()
        self._http = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=PUSH_IN_ALL,
            max_keepalive_connections=PUSH_AT_ONCE,
            keepalive_expiry=PUSH_CONNECTION_IDLE,
            network_backend=CheckedAddresses(resolve or self._names, loopback_hosts),
        )

    async def wake(self, wake_up: WakeUp[WebPush]) -> Outcome:
        """See PushProvider. A name that stands for a private address is not followed."""
        if urlsplit(wake_up.to.endpoint).scheme != "https":
            return RetryAfter(reason="not https")
        return await one_try(self._post(wake_up), self._timeout_s)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        self._names.close()

    async def _post(self, wake_up: WakeUp[WebPush]) -> Outcome:
        body = encrypted(
            _content(wake_up),
            wake_up.to,
            padded_to=_PADDED_TO,
            key=ec.generate_private_key(ec.SECP256R1()),
            randomness=self._randomness,
        )
        headers = {
            "Authorization": self._vapid.authorization(wake_up.to.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Length": str(len(body)),
            "Content-Type": "application/octet-stream",
            "Host": urlsplit(wake_up.to.endpoint).netloc,
            "TTL": str(PUSH_KEPT),
            "Topic": TOPIC,
            "Urgency": "high" if wake_up.urgent else "normal",
            "User-Agent": AGENT,
        }
        async with self._http.stream(
            "POST", wake_up.to.endpoint, headers=list(headers.items()), content=body
        ) as answer:
            await beginning(answer.aiter_stream())
        return self._outcome(answer)

    def _outcome(self, answer: httpcore.Response) -> Outcome:
        if 200 <= answer.status < 300:
            return Delivered()
        if answer.status in {404, 410}:  # RFC 8030, section 7.3
            return Gone()
        waits = (value for name, value in answer.headers if name.lower() == b"retry-after")
        return refused(answer.status, next(waits, b"").decode("latin-1"), self._clock())


def _content(wake_up: WakeUp[WebPush]) -> bytes:
    fields = {"type": "NEW_MESSAGE", "urgent": wake_up.urgent, "at_ms": wake_up.at_ms}
    return json.dumps(fields, separators=(",", ":")).encode()
