"""Firebase Cloud Messaging, HTTP v1, with the access token of a service account (RFC 7523).

Google sees the registration token, the priority and the words NEW_MESSAGE: a data message, which
the app's own code gets.
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from signet.adapters.push_http import AGENT, asked, one_try, refused
from signet.core.limits import PUSH_AT_ONCE, PUSH_CONNECTION_IDLE, PUSH_KEPT, PUSH_TIMEOUT
from signet.ports.push import Delivered, Gone, Outcome, WakeUp
from signet.ports.push_registrations import Fcm

HOST = "https://fcm.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE = 3600
COLLAPSE_KEY = "new-message"
_BEFORE_ITS_END = 300  # seconds; an access token is not used longer
_ACCESS_TOKEN = 60  # a token for less than this is none
_CODE = 64  # characters of a name that is logged
# Nothing will ever come to this registration token from this project.
_GONE = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})


class ServiceAccount:
    """What the JSON file of a service account says.

    Raises:
        ValueError: it is no such file; says what is missing, and shows none of it.
    """

    def __init__(self, file: bytes) -> None:
        try:
            said = json.loads(file)
            key = load_pem_private_key(said["private_key"].encode(), None)
            self.email, self.project = str(said["client_email"]), str(said["project_id"])
            self.token_uri, self._key_id = str(said["token_uri"]), str(said["private_key_id"])
        except KeyError as error:
            raise ValueError(f"a service account has {error.args[0]}") from None
        except (ValueError, TypeError, AttributeError):
            raise ValueError("this is not the JSON file of a service account") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("a service account's key is of RSA")
        if urlsplit(self.token_uri).scheme != "https":
            raise ValueError("token_uri is https")
        self._key = key

    def assertion(self, now: int) -> str:
        """What an access token is asked for with (RFC 7523)."""
        claims = {
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + ASSERTION_LIFE,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})


class FcmPushes:
    """ports/push.PushProvider for Android, and others by Firebase. `clock` is Unix time in seconds.

    `host` and `tls` are others than Google's in tests alone.
    """

    def __init__(
        self,
        account: ServiceAccount,
        clock: Callable[[], float],
        *,
        host: str = HOST,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = PUSH_TIMEOUT,
    ) -> None:
        self._account, self._clock, self._timeout_s = account, clock, timeout_s
        self._url = f"{host}/v1/projects/{account.project}/messages:send"
        self._access, self._until = "", 0.0
        self._asking = asyncio.Lock()
        self._http = httpx.AsyncClient(
            http2=True,
            verify=tls or ssl.create_default_context(),
            follow_redirects=False,
            timeout=timeout_s,
            limits=httpx.Limits(
                max_connections=PUSH_AT_ONCE, keepalive_expiry=PUSH_CONNECTION_IDLE
            ),
            headers={"User-Agent": AGENT},
        )

    async def wake(self, wake_up: WakeUp[Fcm]) -> Outcome:
        """See PushProvider."""
        return await one_try(self._wake(wake_up), self._timeout_s)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _wake(self, wake_up: WakeUp[Fcm]) -> Outcome:
        async with self._asking:  # one asks for all who wait
            if self._clock() >= self._until and (failed := await self._log_in()) is not None:
                return failed
            access = self._access
        headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}
        body = _message(wake_up)
        answer, said = await asked(self._http, "POST", self._url, content=body, headers=headers)
        if answer.status_code == httpx.codes.UNAUTHORIZED and access == self._access:
            self._until = 0.0  # withdrawn before its end
        return self._outcome(answer, said)

    async def _log_in(self) -> Outcome | None:
        """Get an access token. What it is refused with, where it is."""
        grant = {"grant_type": GRANT, "assertion": self._account.assertion(int(self._clock()))}
        answer, said = await asked(
            self._http,
            "POST",
            self._account.token_uri,
            content=urlencode(grant).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        found = _json(said)
        access, seconds = found.get("access_token"), found.get("expires_in")
        if not answer.is_success or not isinstance(access, str) or not isinstance(seconds, int):
            after = answer.headers.get("Retry-After", "")
            reason = f"login: status {answer.status_code}"
            return refused(answer.status_code, after, self._clock(), reason)
        lasts = max(seconds - _BEFORE_ITS_END, _ACCESS_TOKEN)
        self._access, self._until = access, self._clock() + lasts
        return None

    def _outcome(self, answer: httpx.Response, said: bytes) -> Outcome:
        if answer.is_success:
            return Delivered()
        error = _json(said).get("error")
        code = _error_code(error if isinstance(error, dict) else {})
        if code in _GONE:
            return Gone()
        after = answer.headers.get("Retry-After", "")
        return refused(answer.status_code, after, self._clock(), code)


def _message(wake_up: WakeUp[Fcm]) -> bytes:
    android = {
        "collapse_key": COLLAPSE_KEY,
        "priority": "HIGH" if wake_up.urgent else "NORMAL",
        "ttl": f"{PUSH_KEPT}s",
    }
    message = {"token": wake_up.to.token, "data": {"type": "NEW_MESSAGE"}, "android": android}
    return json.dumps({"message": message}, separators=(",", ":")).encode()


def _error_code(error: dict[str, Any]) -> str:
    """FCM's own code, in the details of Google's error; else Google's status."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        code = detail.get("errorCode") if isinstance(detail, dict) else None
        if isinstance(code, str):
            return code[:_CODE]
    return str(error.get("status") or "")[:_CODE]


def _json(said: bytes) -> dict[str, Any]:
    try:
        value = json.loads(said)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
