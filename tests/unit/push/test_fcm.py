"""FCM against a server with both of its parts: tokens for a service account, and messages."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signet.adapters.push_fcm import GRANT, SCOPE, FcmPushes, ServiceAccount
from signet.core.limits import PUSH_KEPT
from signet.ports.push import Delivered, Gone, Outcome, RetryAfter, WakeUp
from signet.ports.push_registrations import Fcm
from tests.support.h2_server import Answer, H2Server, Request, serving_h2
from tests.support.push_tls import PushTls

KEY = rsa.generate_private_key(65537, 2048)
NOW = 1_764_000_000
PHONE = Fcm("token:of-a_phone")
SEND = "/v1/projects/chat-app/messages:send"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def account_file(**changes: object) -> bytes:
    fields = {
        "type": "service_account",
        "project_id": "chat-app",
        "private_key_id": "key-1",
        "private_key": pem(KEY),
        "client_email": "push@chat-app.example",
        "token_uri": "https://localhost/token",
    }
    return json.dumps({**fields, **changes}).encode()


class Google:
    """Grants access tokens and takes messages; each as it is told."""

    def __init__(self) -> None:
        self.logins: list[Request] = []
        self.messages: list[Request] = []
        self.login: Callable[[], Answer | None] = self.grant
        self.message: Callable[[Request], Answer | None] = lambda _: Answer(200, b"{}")

    def grant(self) -> Answer:
        granted = {"access_token": f"access-{len(self.logins)}", "expires_in": 3600}
        return Answer(200, json.dumps(granted).encode())

    def __call__(self, request: Request) -> Answer | None:
        if request.path == "/token":
            self.logins.append(request)
            return self.login()
        assert request.path == SEND
        self.messages.append(request)
        return self.message(request)


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tls(tmp_path: Path) -> PushTls:
    return PushTls(tmp_path)


@asynccontextmanager
async def pushing(
    tls: PushTls, google: Google, clock: Callable[[], float] = lambda: NOW
) -> AsyncIterator[FcmPushes]:
    async with serving_h2(H2Server(google), tls.server()) as server:
        account = ServiceAccount(account_file(token_uri=f"{server.url}/token"))
        push = FcmPushes(account, clock, host=server.url, tls=tls.client())
        try:
            yield push
        finally:
            await push.close()


def refusal(status: int, name: str, code: str = "", **headers: str) -> Answer:
    kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
    details = [{"@type": kind, "errorCode": code}] if code else []
    error = {"code": status, "status": name, "details": details}
    return Answer(status, json.dumps({"error": error}).encode(), headers)


async def test_a_message_says_that_there_is_one_and_how_urgent(tls: PushTls) -> None:
    google = Google()
    async with pushing(tls, google) as push:
        assert await push.wake(WakeUp(PHONE, True, 0)) == Delivered()
        assert await push.wake(WakeUp(PHONE, False, 0)) == Delivered()
    urgent, background = (request.fields["message"] for request in google.messages)
    assert urgent == {
        "token": "token:of-a_phone",
        "data": {"type": "NEW_MESSAGE"},
        "android": {"collapse_key": "new-message", "priority": "HIGH", "ttl": f"{PUSH_KEPT}s"},
    }
    assert background["android"]["priority"] == "NORMAL"


async def test_the_service_account_gets_an_access_token_and_uses_it_to_near_its_end(
    tls: PushTls,
) -> None:
    """RFC 7523: the assertion is verified by PyJWT with the account's public key."""
    google, clock = Google(), Clock()
    async with pushing(tls, google, clock) as push:
        for after in (0, 3299, 1):
            clock.now += after
            await push.wake(WakeUp(PHONE, True, 0))
    first, second = (parse_qs(request.body.decode()) for request in google.logins)
    assert first["grant_type"] == second["grant_type"] == [GRANT]
    claims = jwt.decode(
        first["assertion"][0],
        KEY.public_key(),
        algorithms=["RS256"],
        options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
    )
    assert (claims["iss"], claims["scope"]) == ("push@chat-app.example", SCOPE)
    assert claims["aud"].endswith("/token")
    assert (claims["iat"], claims["exp"]) == (NOW, NOW + 3600)
    bearers = [request.headers["authorization"] for request in google.messages]
    assert bearers == ["Bearer access-1", "Bearer access-1", "Bearer access-2"]


async def test_many_at_once_ask_for_one_access_token(tls: PushTls) -> None:
    google = Google()
    async with pushing(tls, google) as push:
        woken = await asyncio.gather(*(push.wake(WakeUp(PHONE, True, 0)) for _ in range(20)))
    assert woken == [Delivered()] * 20
    assert len(google.logins) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal(404, "NOT_FOUND", "UNREGISTERED"), Gone()),
        (refusal(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Gone()),
        (refusal(404, "NOT_FOUND"), RetryAfter(0.0, "NOT_FOUND")),
        (
            refusal(429, "X", "QUOTA_EXCEEDED", **{"retry-after": "60"}),
            RetryAfter(60.0, "QUOTA_EXCEEDED"),
        ),
        (refusal(503, "UNAVAILABLE"), RetryAfter(0.0, "UNAVAILABLE")),
        (Answer(502, b"<html>"), RetryAfter(0.0, "status 502")),
        (Answer(400, b"[]"), RetryAfter(0.0, "status 400")),
        (Answer(400, b'{"error":{"details":[1]}}'), RetryAfter(0.0, "status 400")),
    ],
)
async def test_a_refusal_becomes_an_outcome(tls: PushTls, answer: Answer, outcome: Outcome) -> None:
    google = Google()
    google.message = lambda _: answer
    async with pushing(tls, google) as push:
        assert await push.wake(WakeUp(PHONE, True, 0)) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(503, headers={"retry-after": "30"}), RetryAfter(30.0, "login: status 503")),
        (Answer(400, b'{"error":"invalid_grant"}'), RetryAfter(0.0, "login: status 400")),
        (Answer(200, b"{}"), RetryAfter(0.0, "login: status 200")),
    ],
)
async def test_without_an_access_token_nothing_is_sent(
    tls: PushTls, answer: Answer, outcome: Outcome
) -> None:
    google = Google()
    google.login = lambda: answer
    async with pushing(tls, google) as push:
        assert await push.wake(WakeUp(PHONE, True, 0)) == outcome
        google.login = google.grant
        assert await push.wake(WakeUp(PHONE, True, 0)) == Delivered()
    assert len(google.messages) == 1


async def test_an_access_token_that_is_withdrawn_is_asked_for_anew(tls: PushTls) -> None:
    google = Google()
    google.message = lambda request: (
        Answer(401) if request.headers["authorization"] == "Bearer access-1" else Answer()
    )
    async with pushing(tls, google) as push:
        assert await push.wake(WakeUp(PHONE, True, 0)) == RetryAfter(0.0, "status 401")
        assert await push.wake(WakeUp(PHONE, True, 0)) == Delivered()


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"{", "JSON"),
        (b"[]", "JSON"),
        (b"{}", "private_key"),
        (account_file(private_key="no key"), "JSON"),
        (account_file(private_key=7), "JSON"),
        (account_file(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "RSA"),
        (account_file(token_uri="http://localhost/token"), "https"),
    ],
)
def test_what_is_no_service_account_is_refused_without_being_shown(file: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        ServiceAccount(file)
    assert "BEGIN" not in str(refused.value)
