"""The SDK waits where the keys service asks for a little patience, in virtual time."""

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest

from signet.client.account import Keys
from signet.client.environment import Environment
from signet.client.errors import RateLimited
from signet.client.rest import Rest
from signet.client.store.settings import Account
from signet.core.limits import RATE_PATIENCE, RATE_RETRIES
from tests.support.virtual_time import in_virtual_time

ACCOUNT = Account(
    b"a" * 16, 1, 11, "ann", "http://small.test", "small.test", "websocket", b"i" * 32, b"l" * 32
)


@dataclass
class Busy:
    """Refuses so many calls, and notes when each came."""

    refusals: int
    retry_after_ms: int
    came_at: list[float] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.came_at.append(asyncio.get_running_loop().time())
        if len(self.came_at) > self.refusals:
            return httpx.Response(200, json={"user_id": "a", "devices": []})
        problem = {"code": "RATE_LIMITED", "retry_after_ms": self.retry_after_ms, "detail": ""}
        return httpx.Response(429, json=problem)


async def ask(busy: Busy) -> None:
    transport = httpx.MockTransport(busy.answer)
    async with Rest("http://small.test", transport) as rest:
        keys = Keys(rest, ACCOUNT, Environment(now=lambda: 0.0))
        keys.use("token", 10_000.0)
        await keys.account()


@in_virtual_time
async def test_a_call_comes_again_when_it_may_and_not_before() -> None:
    busy = Busy(2, 1_500)
    await ask(busy)
    assert busy.came_at == [0.0, 1.5, 3.0]


@in_virtual_time
async def test_a_long_wait_is_the_applications_business() -> None:
    busy = Busy(1, int(RATE_PATIENCE * 1000) + 1)
    with pytest.raises(RateLimited) as refused:
        await ask(busy)
    assert refused.value.retry_after_s > RATE_PATIENCE
    assert len(busy.came_at) == 1


@in_virtual_time
async def test_patience_ends() -> None:
    busy = Busy(100, 1_000)
    with pytest.raises(RateLimited):
        await ask(busy)
    assert len(busy.came_at) == RATE_RETRIES + 1
