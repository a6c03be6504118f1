"""Apple Push Notification service: HTTP/2, with a token signed by the team's key.

Apple sees the device token, the app, whether it is urgent, and no content: an urgent wake-up is an
alert whose text the app has under the key NEW_MESSAGE (and may write anew, after it has fetched and
decrypted the message: `mutable-content`); another one is a background notification.
"""

import json
import ssl
from collections.abc import Callable

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from signet.adapters.push_http import AGENT, asked, one_try, refused
from signet.core.limits import PUSH_AT_ONCE, PUSH_CONNECTION_IDLE, PUSH_KEPT, PUSH_TIMEOUT
from signet.ports.push import Delivered, Gone, Outcome, WakeUp
from signet.ports.push_registrations import Apns, ApnsEnvironment

HOSTS = {
    ApnsEnvironment.PRODUCTION: "https://api.push.apple.com",
    ApnsEnvironment.SANDBOX: "https://api.sandbox.push.apple.com",
}
COLLAPSE_ID = "new-message"
TOKEN_LIFE = 40 * 60  # Apple refuses one older than an hour
TOKEN_AT_LEAST = 20 * 60  # and more than one in so long
_ALERT = {"alert": {"loc-key": "NEW_MESSAGE"}, "sound": "default", "mutable-content": 1}
_URGENT = json.dumps({"aps": _ALERT}, separators=(",", ":")).encode()
_BACKGROUND = b'{"aps":{"content-available":1}}'
# Nothing will ever come to this device token for this app.
_GONE = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
_OUR_TOKEN = frozenset({"ExpiredProviderToken", "InvalidProviderToken"})


class ApnsToken:
    """The provider's token. `key_id` and `team_id` are those of Apple's developer pages."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        key_id: str,
        team_id: str,
        clock: Callable[[], float],
    ) -> None:
        self._key, self._key_id, self._team_id, self._clock = key, key_id, team_id, clock
        self._token, self._made = "", 0

    def current(self) -> str:
        """The same for TOKEN_LIFE."""
        now = int(self._clock())
        if not self._token or now - self._made >= TOKEN_LIFE:
            claims, headers = {"iss": self._team_id, "iat": now}, {"kid": self._key_id}
            self._token = jwt.encode(claims, self._key, algorithm="ES256", headers=headers)
            self._made = now
        return self._token

    def refused(self) -> None:
        """Apple says that it is over: another one, but not sooner than Apple takes it."""
        if self._clock() - self._made >= TOKEN_AT_LEAST:
            self._token = ""


class ApnsPushes:
    """ports/push.PushProvider for Apple's devices. `clock` is Unix time in seconds.

    `hosts` and `tls` are others than Apple's in tests alone.
    """

    def __init__(
        self,
        token: ApnsToken,
        clock: Callable[[], float],
        *,
        hosts: dict[ApnsEnvironment, str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = PUSH_TIMEOUT,
    ) -> None:
        self._token, self._clock, self._timeout_s = token, clock, timeout_s
        self._hosts = hosts or HOSTS
        self._http = httpx.AsyncClient(
            http1=False,
            http2=True,
            verify=tls or ssl.create_default_context(),
            follow_redirects=False,
            timeout=timeout_s,
            limits=httpx.Limits(
                max_connections=PUSH_AT_ONCE, keepalive_expiry=PUSH_CONNECTION_IDLE
            ),
            headers={"User-Agent": AGENT},
        )

    async def wake(self, wake_up: WakeUp[Apns]) -> Outcome:
        """See PushProvider."""
        return await one_try(self._post(wake_up), self._timeout_s)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _post(self, wake_up: WakeUp[Apns]) -> Outcome:
        to, urgent = wake_up.to, wake_up.urgent
        headers = {
            "authorization": f"bearer {self._token.current()}",
            "apns-topic": to.topic,
            "apns-push-type": "alert" if urgent else "background",
            "apns-priority": "10" if urgent else "5",
            "apns-collapse-id": COLLAPSE_ID,
            "apns-expiration": str(int(self._clock()) + PUSH_KEPT),
        }
        url = f"{self._hosts[to.environment]}/3/device/{to.token}"
        body = _URGENT if urgent else _BACKGROUND
        answer, said = await asked(self._http, "POST", url, content=body, headers=headers)
        return self._outcome(answer, _reason(said))

    def _outcome(self, answer: httpx.Response, reason: str) -> Outcome:
        if answer.is_success:
            return Delivered()
        if answer.status_code == httpx.codes.GONE or reason in _GONE:
            return Gone()
        if reason in _OUR_TOKEN:
            self._token.refused()
        after = answer.headers.get("Retry-After", "")
        return refused(answer.status_code, after, self._clock(), reason)


def _reason(said: bytes) -> str:
    """Apple's name of a refusal, '' where there is none."""
    try:
        reason = json.loads(said)["reason"]
    except (ValueError, KeyError, TypeError):
        return ""
    return reason if isinstance(reason, str) and reason.isalnum() else ""
