"""What push providers over HTTP share: a try and an answer with an end, `Retry-After`."""

import asyncio
import ssl
from collections.abc import AsyncIterable, Coroutine, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpcore
import httpx

from signet.core.limits import PUSH_ANSWER
from signet.ports.push import Outcome, RetryAfter

AGENT = "signet-push"


async def one_try(asking: Coroutine[None, None, Outcome], timeout_s: float) -> Outcome:
    """What came of it; whatever fails on the way is asked for again."""
    try:
        async with asyncio.timeout(timeout_s):
            return await asking
    except TimeoutError:
        return RetryAfter(reason="timeout")
    except (
        httpx.HTTPError,
        httpcore.NetworkError,
        httpcore.TimeoutException,
        httpcore.ProtocolError,
        ssl.SSLError,
        OSError,
    ) as error:
        return RetryAfter(reason=type(error).__name__)


async def asked(
    http: httpx.AsyncClient, method: str, url: str, *, content: bytes, headers: Mapping[str, str]
) -> tuple[httpx.Response, bytes]:
    """The answer, and the beginning of its body. Raises httpx.HTTPError, OSError."""
    async with http.stream(method, url, content=content, headers=headers) as answer:
        return answer, await beginning(answer.aiter_raw())


async def beginning(parts: AsyncIterable[bytes]) -> bytes:
    """PUSH_ANSWER bytes at most; a connection whose answer was read whole serves again."""
    read = b""
    async for part in parts:
        read += part
        if len(read) > PUSH_ANSWER:
            break
    return read[:PUSH_ANSWER]


def refused(status: int, value: str, now: float, reason: str = "") -> RetryAfter:
    """An answer by which nobody was woken. `value` is that of `Retry-After`, `now` Unix time."""
    return RetryAfter(retry_after(value, now), reason or f"status {status}")


def retry_after(value: str, now: float) -> float:
    """Seconds from now (Unix time) by a `Retry-After`; 0 where it says nothing that is understood.

    RFC 9110, 10.2.3: seconds in digits, or a date.
    """
    if value.isascii() and value.isdigit():
        return float(value[:10])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now)
