"""The webhook against a real HTTP server that answers in every way."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from signet.adapters import open as adapters
from signet.adapters.push_http import retry_after
from signet.adapters.push_log import LogPush
from signet.adapters.push_webhook import WebhookPush, signature
from signet.ports.push import Delivered, Gone, Outcome, RetryAfter, UserToken, WakeUp
from tests.support.lanes import free_port
from tests.support.push_receiver import OK, Receiver, receiving

SECRET = os.urandom(32)
WAKE_UP = WakeUp(UserToken("ab" * 32), urgent=True, at_ms=1_763_999_999_123)
NOW = 1_764_000_000.7
SHORT = 0.3  # a time-out that a test waits for
LONG = 30.0


@asynccontextmanager
async def webhook(url: str, timeout_s: float = LONG) -> AsyncIterator[WebhookPush]:
    push = WebhookPush(url, SECRET, lambda: NOW, timeout_s)
    try:
        yield push
    finally:
        await push.close()


async def outcome_of(answer: bytes | None, timeout_s: float = LONG) -> Outcome:
    receiver = Receiver(lambda _: answer)
    async with receiving(receiver), webhook(receiver.url, timeout_s) as push:
        return await push.wake(WAKE_UP)


def status(line: str, *headers: str, body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {line}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def test_a_wake_up_is_a_signed_post_that_says_no_more_than_it_must() -> None:
    async with receiving(Receiver()) as receiver, webhook(receiver.url) as push:
        assert await push.wake(WAKE_UP) == Delivered()
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/wake?app=chat")
    assert request.fields == {
        "type": "NEW_MESSAGE",
        "token": "ab" * 32,
        "urgent": True,
        "at_ms": 1_763_999_999_123,
    }
    assert request.headers["signet-timestamp"] == "1764000000"
    assert request.headers["content-type"] == "application/json"
    assert request.is_signed(SECRET)
    assert not request.is_signed(os.urandom(32))


def test_the_signature_covers_time_and_body() -> None:
    """Known answer: printf '1.{}' | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk."""
    key = b"k" * 32
    known = "533ff6d088ebbd8b8eda578fab6866516503044a5a167b1cb03ecce1c2b8a844"
    assert signature(key, "1", b"{}") == known
    assert (
        len({signature(key, "1", b"{}"), signature(key, "2", b"{}"), signature(key, "1", b"")}) == 3
    )


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (status("200 OK", body=b'{"ok":true}'), Delivered()),
        (status("202 Accepted"), Delivered()),
        (status("410 Gone"), Gone()),
        (status("404 Not Found"), RetryAfter(0.0, "status 404")),
        (status("401 Unauthorized"), RetryAfter(0.0, "status 401")),
        (status("500 Internal Server Error"), RetryAfter(0.0, "status 500")),
        (status("503 Service Unavailable", "Retry-After: 17"), RetryAfter(17.0, "status 503")),
        (status("429 Too Many Requests", "Retry-After: soon"), RetryAfter(0.0, "status 429")),
    ],
)
async def test_a_status_becomes_an_outcome(answer: bytes, outcome: Outcome) -> None:
    assert await outcome_of(answer) == outcome


async def test_a_redirect_is_not_followed() -> None:
    async with receiving(Receiver()) as elsewhere:
        moved = status("307 Temporary Redirect", f"Location: {elsewhere.url}")
        assert await outcome_of(moved) == RetryAfter(0.0, "status 307")
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    ],
    ids=["silent", "half a head", "half a body"],
)
async def test_a_receiver_that_hangs_costs_a_bounded_time(answer: bytes | None) -> None:
    def part(_: object) -> bytes | None:
        return answer

    began = time.monotonic()
    receiver = Receiver(part)
    async with receiving(receiver), webhook(receiver.url, SHORT) as push:
        assert await push.wake(WAKE_UP) == RetryAfter(0.0, "timeout")
    assert time.monotonic() - began < LONG


async def test_a_receiver_that_trickles_costs_a_bounded_time() -> None:
    """Each byte would start a time-out of the socket anew."""

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(SHORT / 10)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, webhook(url, SHORT) as push:
        assert await push.wake(WAKE_UP) == RetryAfter(0.0, "timeout")


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + bytes(64 * 1024)
    assert await outcome_of(endless) == Delivered()


async def test_what_is_no_http_and_what_nobody_answers_is_tried_again() -> None:
    assert isinstance(await outcome_of(b"SSH-2.0-OpenSSH_9\r\n\r\n"), RetryAfter)
    async with webhook(f"http://127.0.0.1:{free_port()}/") as push:
        assert await push.wake(WAKE_UP) == RetryAfter(0.0, "ConnectError")


async def test_calls_do_not_wait_for_one_that_hangs_and_connections_serve_again() -> None:
    def answer(request: object) -> bytes | None:
        return None if b'"urgent":false' in request.body else OK  # type: ignore[attr-defined]

    async with receiving(Receiver(answer)) as receiver, webhook(receiver.url) as push:
        hanging = asyncio.create_task(
            push.wake(WakeUp(UserToken("00" * 32), urgent=False, at_ms=0))
        )
        await receiver.arrived.wait()
        for _ in range(20):
            assert await push.wake(WAKE_UP) == Delivered()
        assert not hanging.done()
        assert receiver.connections == 2
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging


async def test_a_certificate_of_nobody_is_refused(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiving(receiver, _own_certificate(tmp_path)), webhook(receiver.url) as push:
        assert await push.wake(WAKE_UP) == RetryAfter(0.0, "ConnectError")
    assert receiver.requests == []


def _own_certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(hours=1))
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = folder / "own.pem"
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("9" * 400, 9_999_999_999.0),
        ("-5", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("²", 0.0),
        (format_datetime(datetime.fromtimestamp(NOW + 90.3, UTC), usegmt=True), 90.3),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == pytest.approx(seconds, abs=1.0)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/wake", "https"),
        ("http://127.0.0.1.example.org/wake", "https"),
        ("http://localhost.example.org/", "https"),
        ("ftp://127.0.0.1/", "https URL"),
        ("https:///wake", "host"),
        ("https://user:password@example.org/", "no user"),
        ("https://example.org/#part", "no fragment"),
        ("https://example.org:port/", "port"),
    ],
)
def test_a_url_that_cannot_be_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WebhookPush(url, SECRET, time.time)


@pytest.mark.parametrize("url", ["https://example.org/w", "http://[::1]:1/", "http://localhost/"])
async def test_https_anywhere_and_http_on_loopback_are_taken(url: str) -> None:
    await WebhookPush(url, SECRET, time.time).close()


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        WebhookPush("https://example.org/", bytes(31), time.time)


async def test_the_url_of_the_setting_names_address_and_secret(tmp_path: Path) -> None:
    secret_file = tmp_path / "a secret"
    secret_file.write_text(SECRET.hex() + "\n")
    async with receiving(Receiver()) as receiver:
        push = adapters.open_push(f"webhook:{receiver.url}&secret_file={tmp_path}/a%20secret")
        assert await push.by_user["webhook"].wake(WAKE_UP) == Delivered()
        await push.close()
    (request,) = receiver.requests
    assert request.path == "/wake?app=chat"
    assert request.is_signed(SECRET.hex().encode())


def test_a_webhook_without_a_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="secret_file"):
        adapters.open_push("webhook:https://example.org/")
    with pytest.raises(FileNotFoundError):
        adapters.open_push(f"webhook:https://example.org/?secret_file={tmp_path}/none")


async def test_the_log_holds_no_token(capsys: pytest.CaptureFixture[str]) -> None:
    push = adapters.open_push("log:", lambda: NOW).by_user["log"]
    assert isinstance(push, LogPush)
    assert await push.wake(WAKE_UP) == Delivered()
    said = capsys.readouterr().out
    assert "would be woken" in said
    assert WAKE_UP.to not in said
