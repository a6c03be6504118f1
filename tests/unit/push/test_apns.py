"""APNs against a server that speaks real HTTP/2 over TLS."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from signet.adapters.push_apns import TOKEN_AT_LEAST, TOKEN_LIFE, ApnsPushes, ApnsToken
from signet.core.limits import PUSH_KEPT
from signet.ports.push import Delivered, Gone, Outcome, RetryAfter, WakeUp
from signet.ports.push_registrations import Apns, ApnsEnvironment
from tests.support.h2_server import Answer, H2Server, Request, serving_h2
from tests.support.push_tls import PushTls

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = 1_764_000_000
DEVICE = Apns("ab" * 32, "org.example.chat")
SHORT, LONG = 0.3, 30.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tls(tmp_path: Path) -> PushTls:
    return PushTls(tmp_path)


@asynccontextmanager
async def apple(
    tls: PushTls,
    answer: Callable[[Request], Answer | None] = lambda _: Answer(),
    clock: Callable[[], float] = lambda: NOW,
    timeout_s: float = LONG,
) -> AsyncIterator[tuple[H2Server, ApnsPushes]]:
    async with serving_h2(H2Server(answer), tls.server()) as server:
        hosts = dict.fromkeys(ApnsEnvironment, server.url)
        token = ApnsToken(KEY, "KEYID12345", "TEAMID1234", clock)
        push = ApnsPushes(token, clock, hosts=hosts, tls=tls.client(), timeout_s=timeout_s)
        try:
            yield server, push
        finally:
            await push.close()


def refusal(status: int, reason: str, **headers: str) -> Answer:
    return Answer(status, json.dumps({"reason": reason}).encode(), headers)


async def test_an_urgent_wake_up_is_an_alert_without_content(tls: PushTls) -> None:
    async with apple(tls) as (server, push):
        assert await push.wake(WakeUp(DEVICE, True, 0)) == Delivered()
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"/3/device/{'ab' * 32}")
    said = {name: value for name, value in request.headers.items() if name.startswith("apns-")}
    assert said == {
        "apns-topic": "org.example.chat",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-collapse-id": "new-message",
        "apns-expiration": str(NOW + PUSH_KEPT),
    }
    assert request.fields == {
        "aps": {"alert": {"loc-key": "NEW_MESSAGE"}, "sound": "default", "mutable-content": 1}
    }


async def test_another_one_is_a_background_notification(tls: PushTls) -> None:
    """Apple wants priority 5 and `content-available` alone."""
    async with apple(tls) as (server, push):
        assert await push.wake(WakeUp(DEVICE, False, 0)) == Delivered()
    (request,) = server.requests
    headers = request.headers
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")
    assert request.fields == {"aps": {"content-available": 1}}


async def test_who_asks_is_signed_by_the_teams_key_and_made_anew_in_time(tls: PushTls) -> None:
    clock = Clock()
    async with apple(tls, clock=clock) as (server, push):
        for after in (0, TOKEN_LIFE - 1, 1):
            clock.now += after
            await push.wake(WakeUp(DEVICE, True, 0))
    tokens = [
        request.headers["authorization"].removeprefix("bearer ") for request in server.requests
    ]
    assert tokens[0] == tokens[1] != tokens[2]
    assert jwt.get_unverified_header(tokens[2]) == {
        "alg": "ES256",
        "kid": "KEYID12345",
        "typ": "JWT",
    }
    claims = jwt.decode(
        tokens[2], KEY.public_key(), algorithms=["ES256"], options={"verify_iat": False}
    )
    assert claims == {"iss": "TEAMID1234", "iat": NOW + TOKEN_LIFE}
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal(410, "Unregistered"), Gone()),
        (refusal(410, "ExpiredToken"), Gone()),
        (refusal(400, "BadDeviceToken"), Gone()),
        (refusal(400, "DeviceTokenNotForTopic"), Gone()),
        (refusal(400, "BadTopic"), RetryAfter(0.0, "BadTopic")),
        (refusal(403, "InvalidProviderToken"), RetryAfter(0.0, "InvalidProviderToken")),
        (
            refusal(429, "TooManyRequests", **{"retry-after": "9"}),
            RetryAfter(9.0, "TooManyRequests"),
        ),
        (refusal(503, "Shutdown"), RetryAfter(0.0, "Shutdown")),
        (Answer(500, b"<html>"), RetryAfter(0.0, "status 500")),
        (Answer(302, headers={"location": "https://localhost/"}), RetryAfter(0.0, "status 302")),
    ],
)
async def test_a_refusal_becomes_an_outcome(tls: PushTls, answer: Answer, outcome: Outcome) -> None:
    async with apple(tls, lambda _: answer) as (_, push):
        assert await push.wake(WakeUp(DEVICE, True, 0)) == outcome


async def test_a_token_that_apple_calls_expired_is_made_anew_but_not_too_soon(tls: PushTls) -> None:
    clock = Clock()
    async with apple(tls, lambda _: refusal(403, "ExpiredProviderToken"), clock) as (server, push):
        for after in (0, TOKEN_AT_LEAST, 0):
            clock.now += after
            await push.wake(WakeUp(DEVICE, True, 0))
    tokens = [request.headers["authorization"] for request in server.requests]
    assert tokens[0] == tokens[1] != tokens[2]


async def test_each_environment_has_its_own_host(tls: PushTls) -> None:
    async with (
        serving_h2(H2Server(), tls.server()) as first,
        serving_h2(H2Server(), tls.server()) as second,
    ):
        hosts = {ApnsEnvironment.PRODUCTION: first.url, ApnsEnvironment.SANDBOX: second.url}
        token = ApnsToken(KEY, "KEYID12345", "TEAMID1234", lambda: NOW)
        push = ApnsPushes(token, lambda: NOW, hosts=hosts, tls=tls.client())
        sandbox = Apns("cd" * 32, "org.example.chat", ApnsEnvironment.SANDBOX)
        await push.wake(WakeUp(sandbox, True, 0))
        await push.close()
    assert (len(first.requests), len(second.requests)) == (0, 1)


async def test_one_that_is_never_answered_keeps_no_other_waiting(tls: PushTls) -> None:
    """Both are streams of one connection."""
    slow = Apns("00" * 32, "org.example.chat")

    def answer(request: Request) -> Answer | None:
        return None if "00" * 32 in request.path else Answer()

    async with apple(tls, answer, timeout_s=SHORT) as (server, push):
        hanging = asyncio.create_task(push.wake(WakeUp(slow, True, 0)))
        while not server.requests:
            await asyncio.sleep(0)
        assert await push.wake(WakeUp(DEVICE, True, 0)) == Delivered()
        assert await hanging == RetryAfter(0.0, "timeout")
