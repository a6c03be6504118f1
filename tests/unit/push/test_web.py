"""Web push against a real push service: TLS, HTTP, a subscription that another library reads."""

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from signet.adapters.push_vapid import VAPID_LIFE, Vapid, made_or_read, p256_key, public_key
from signet.adapters.push_web import WebPushes
from signet.core.limits import PUSH_KEPT
from signet.ports.push import Delivered, Gone, Outcome, RetryAfter, WakeUp
from tests.support.push_receiver import Receiver, Request, receiving
from tests.support.push_tls import Browser, PushTls

KEY = ec.generate_private_key(ec.SECP256R1())
SUBJECT = "mailto:ops@example.org"
NOW = 1_764_000_000
AT_MS = 1_763_999_999_123
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
SHORT, LONG = 0.3, 30.0
REFUSED = RetryAfter(0.0, "AddressRefused")


@pytest.fixture
def tls(tmp_path: Path) -> PushTls:
    return PushTls(tmp_path)


@asynccontextmanager
async def pushing(
    tls: PushTls, *, hosts: Sequence[str] = ("localhost",), timeout_s: float = LONG
) -> AsyncIterator[WebPushes]:
    vapid = Vapid(KEY, SUBJECT, lambda: NOW)
    made = WebPushes(
        vapid, lambda: NOW, loopback_hosts=hosts, tls=tls.client(), timeout_s=timeout_s
    )
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def service(
    tls: PushTls, answer: Callable[[Request], bytes | None] = lambda _: CREATED
) -> AsyncIterator[tuple[Receiver, str]]:
    async with receiving(Receiver(answer), tls.server()) as receiver:
        yield receiver, receiver.url.replace("127.0.0.1", "localhost")


async def outcome_of(tls: PushTls, answer: bytes | None, timeout_s: float = LONG) -> Outcome:
    async with (
        service(tls, lambda _: answer) as (_, url),
        pushing(tls, timeout_s=timeout_s) as push,
    ):
        return await push.wake(WakeUp(Browser().subscription(url), True, AT_MS))


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", "Content-Length: 0", *headers]).encode() + b"\r\n\r\n"


async def test_the_browser_reads_the_wake_up_and_the_push_service_cannot(tls: PushTls) -> None:
    browser = Browser()
    async with service(tls) as (receiver, url), pushing(tls) as push:
        assert await push.wake(WakeUp(browser.subscription(url), True, AT_MS)) == Delivered()
    (request,) = receiver.requests
    plaintext = json.loads(browser.decrypted(request.body))
    assert plaintext == {"type": "NEW_MESSAGE", "urgent": True, "at_ms": AT_MS}
    assert b"NEW_MESSAGE" not in request.body
    headers = request.headers
    assert (headers["content-encoding"], headers["ttl"]) == ("aes128gcm", str(PUSH_KEPT))
    assert (headers["urgency"], headers["topic"]) == ("high", "new-message")
    assert request.method == "POST"
    assert request.path == "/wake?app=chat"


async def test_who_asks_is_signed_as_vapid_has_it(tls: PushTls) -> None:
    """RFC 8292, verified by PyJWT with the key that the header names."""
    async with service(tls) as (receiver, url), pushing(tls) as push:
        for urgent in (True, False):
            await push.wake(WakeUp(Browser().subscription(url), urgent, AT_MS))
    first, second = receiver.requests
    scheme, _, rest = first.headers["authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    assert scheme == "vapid"
    assert parts["k"] == public_key(KEY)
    origin = url.removesuffix("/wake?app=chat")
    claims = jwt.decode(
        parts["t"],
        KEY.public_key(),
        algorithms=["ES256"],
        audience=origin,
        options={"verify_exp": False},
    )
    assert claims == {"aud": origin, "exp": NOW + VAPID_LIFE, "sub": SUBJECT}
    assert second.headers["authorization"] == first.headers["authorization"]
    assert second.headers["urgency"] == "normal"
    assert receiver.connections == 1


def test_a_token_of_vapid_is_made_anew_in_time() -> None:
    now = NOW
    vapid = Vapid(KEY, SUBJECT, lambda: now)
    first = vapid.authorization("https://push.example/a")
    assert vapid.authorization("https://push.example/b") == first
    assert vapid.authorization("https://other.example/a") != first
    now += VAPID_LIFE // 2
    assert vapid.authorization("https://push.example/a") != first


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (status("201 Created"), Delivered()),
        (status("202 Accepted"), Delivered()),
        (status("404 Not Found"), Gone()),
        (status("410 Gone"), Gone()),
        (status("429 Too Many Requests", "Retry-After: 90"), RetryAfter(90.0, "status 429")),
        (status("503 Service Unavailable"), RetryAfter(0.0, "status 503")),
        (status("403 Forbidden"), RetryAfter(0.0, "status 403")),
    ],
)
async def test_a_status_becomes_an_outcome(tls: PushTls, answer: bytes, outcome: Outcome) -> None:
    assert await outcome_of(tls, answer) == outcome


async def test_a_redirect_is_not_followed(tls: PushTls) -> None:
    async with service(tls) as (elsewhere, url):
        moved = status("307 Temporary Redirect", f"Location: {url}")
        assert await outcome_of(tls, moved) == RetryAfter(0.0, "status 307")
        assert elsewhere.requests == []


async def test_a_name_on_loopback_is_refused_where_it_is_not_one_of_a_tests(tls: PushTls) -> None:
    async with service(tls) as (receiver, url), pushing(tls, hosts=()) as push:
        outcome = await push.wake(WakeUp(Browser().subscription(url), True, AT_MS))
        assert outcome == REFUSED
        assert receiver.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.1.2.3", "[fd00:ec2::254]", "2130706433"]
)
async def test_an_address_instead_of_a_name_is_looked_at_as_well(tls: PushTls, host: str) -> None:
    async with pushing(tls) as push:
        subscription = Browser().subscription(f"https://{host}/push")
        assert await push.wake(WakeUp(subscription, True, AT_MS)) == RetryAfter(
            0.0, "AddressRefused"
        )


class Names:
    """A resolver of a test's own. The system's knows no name that ends in `.test`."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return [self.address] if host == "push.test" else []


async def test_what_was_looked_at_is_where_it_goes_and_the_certificate_is_of_the_name(
    tmp_path: Path,
) -> None:
    """Nobody resolves the name again: a name that rebinds meanwhile leads nowhere else."""
    tls, names, browser = PushTls(tmp_path, "push.test"), Names("127.0.0.1"), Browser()
    vapid = Vapid(KEY, SUBJECT, lambda: NOW)
    async with service(tls) as (receiver, url):
        at = browser.subscription(url.replace("localhost", "push.test"))
        for address, outcome in (("127.0.0.1", Delivered()), ("10.0.0.1", REFUSED)):
            names.address = address
            push = WebPushes(
                vapid,
                lambda: NOW,
                resolve=names,
                loopback_hosts=["push.test"],
                tls=tls.client(),
            )
            assert await push.wake(WakeUp(at, True, AT_MS)) == outcome
            await push.close()
    (request,) = receiver.requests
    assert request.headers["host"].startswith("push.test:")


async def test_a_certificate_of_another_name_is_refused(tls: PushTls) -> None:
    names = Names("127.0.0.1")
    vapid = Vapid(KEY, SUBJECT, lambda: NOW)
    async with service(tls) as (receiver, url):
        push = WebPushes(
            vapid, lambda: NOW, resolve=names, loopback_hosts=["push.test"], tls=tls.client()
        )
        at = Browser().subscription(url.replace("localhost", "push.test"))
        assert isinstance(await push.wake(WakeUp(at, True, AT_MS)), RetryAfter)
        await push.close()
    assert receiver.requests == []


async def test_plain_http_is_never_spoken(tls: PushTls) -> None:
    async with receiving(Receiver()) as receiver, pushing(tls) as push:
        url = receiver.url.replace("127.0.0.1", "localhost")
        outcome = await push.wake(WakeUp(Browser().subscription(url), True, AT_MS))
        assert outcome == RetryAfter(0.0, "not https")
        assert receiver.connections == 0


async def test_a_certificate_of_nobody_we_know_is_refused(tls: PushTls, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with service(PushTls(other)) as (receiver, url), pushing(tls) as push:
        outcome = await push.wake(WakeUp(Browser().subscription(url), True, AT_MS))
        assert isinstance(outcome, RetryAfter)
        assert receiver.requests == []


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 201 Cre", b"not http at all\r\n\r\n"])
async def test_a_service_that_hangs_or_babbles_costs_a_bounded_time(
    tls: PushTls, answer: bytes | None
) -> None:
    began = time.monotonic()
    assert isinstance(await outcome_of(tls, answer, SHORT), RetryAfter)
    assert time.monotonic() - began < LONG


def test_keys_and_subjects_that_cannot_be_are_refused() -> None:
    def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, secret: bytes = b"") -> bytes:
        closed = BestAvailableEncryption(secret) if secret else NoEncryption()
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, closed)

    assert public_key(p256_key(pem(KEY))) == public_key(KEY)
    for wrong in (
        b"no key",
        pem(KEY, b"secret"),
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.generate_private_key(ec.SECP384R1())),
    ):
        with pytest.raises(ValueError, match=r"."):
            p256_key(wrong)
    with pytest.raises(ValueError, match="subject"):
        Vapid(KEY, "ops@example.org", lambda: NOW)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "vapid.pem"
    public = made_or_read(file)
    assert len(public) == 87
    assert made_or_read(file) == public
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("something else")
    with pytest.raises(ValueError, match=r"."):
        made_or_read(file)
