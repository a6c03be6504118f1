"""Many come back at once: what is accepted, who is told when to come, what it may cost (T2, P6)."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from signet.core.errors import Code
from signet.core.ids import UserId
from tests.support.certificates import Authority
from tests.support.gateways import World, world
from tests.support.known_users import KnownUsers
from tests.support.opening import Open
from tests.support.raw_websocket import BINARY, RawWebSocket, frame
from tests.support.streams import code_of, hello

STORM = 160
UPGRADE = (
    b"GET /v1/connect HTTP/1.1\r\nHost: signet.test\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: signet.v1\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def crowd(users: KnownUsers, count: int) -> list[UserId]:
    found = [UserId(b"storm" + number.to_bytes(11, "big")) for number in range(count)]
    for user in found:
        users.add(user)
    return found


class Comer:
    """Comes, and comes again when it is told to, as a client does."""

    def __init__(self, here: World, user: UserId) -> None:
        self._here, self._user = here, user
        self.told: list[float] = []

    async def come(self) -> None:
        """Until it is welcome."""
        while True:
            async with RawWebSocket(*self._here.gateway.websocket_address) as stream:
                greeting = hello(self._here.keys.token(self._user), len(self.told) + 1)
                stream.write(frame(BINARY, greeting.SerializeToString()))
                answer = await stream.next()
                if answer.HasField("welcome"):
                    return
                assert code_of(answer.close) is Code.OVERLOADED
                self.told.append(answer.close.retry_after_ms / 1000)
            await asyncio.sleep(self.told[-1])


async def test_a_storm_is_let_in_at_the_rate_and_nobody_comes_more_than_a_few_times(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, admit_burst=40, admit_rate=20.0) as here:
        comers = [Comer(here, user) for user in crowd(here.users, STORM)]
        async with asyncio.timeout(50):
            await asyncio.gather(*(comer.come() for comer in comers))
        told = [comer.told for comer in comers if comer.told]
        assert len(told) > STORM / 5
        first = sorted(times[0] for times in told)
        assert first[-1] - first[0] > 1.0  # not all at once
        assert max(map(len, told)) <= 6


async def test_who_is_not_admitted_costs_no_stream_and_others_are_sent_elsewhere(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, admit_burst=1, admit_rate=0.1) as here:
        (alice,) = crowd(here.users, 1)
        assert here.gateway.accepts() > 0
        await Comer(here, alice).come()
        async with RawWebSocket(*here.gateway.websocket_address) as stream:
            assert code_of((await stream.end())[0]) is Code.OVERLOADED
        assert here.gateway.load() <= 1
        assert here.gateway.accepts() == 0.0


async def test_who_resumes_after_its_gateway_was_lost_costs_no_read_of_the_directory(
    here: World, open_stream: Open
) -> None:
    users = crowd(here.users, 8)
    async with AsyncExitStack() as streams:
        async with here.another_gateway() as lost:
            tokens = []
            for user in users:
                stream = await streams.enter_async_context(open_stream(lost))
                await stream.send(hello(here.keys.token(user)))
                tokens.append((await stream.until("welcome")).welcome.resume_token)
        before = here.users.reads.copy()
        for token in tokens:
            stream = await streams.enter_async_context(open_stream(here))
            await stream.send(hello("", 2, resume_token=token))
            assert (await stream.until("welcome")).welcome.resumed
        assert here.users.reads == before


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_connections_that_say_nothing_are_bounded(tmp_path: Path, tls: bool) -> None:
    config, secure = dict[str, Any](), None
    if tls:
        authority, config = (
            Authority(),
            {"tls_certificate": tmp_path / "c", "tls_key": tmp_path / "k"},
        )
        authority.sign().write(config["tls_certificate"], config["tls_key"])
        secure = ssl.create_default_context(cadata=authority.certificate.decode())
    async with world(tmp_path, max_handshakes=2, **config) as here, AsyncExitStack() as stack:
        address = here.gateway.websocket_address
        assert await is_served(address, secure)
        for _ in range(2):
            _, writer = await asyncio.open_connection(*address, ssl=secure)
            stack.callback(writer.close)
        assert not await is_served(address, secure)
        assert here.gateway.load() <= 1


async def test_who_comes_while_all_handshakes_are_taken_waits_for_one_of_them(
    tmp_path: Path,
) -> None:
    """And is not closed without a word, which would not say when to come."""
    async with world(tmp_path, max_handshakes=1, hello_timeout=400.0) as here:
        address = here.gateway.websocket_address
        reader, writer = await asyncio.open_connection(*address)
        behind = asyncio.create_task(is_served(address, None))
        await asyncio.wait({behind}, timeout=0.2)  # so that it meets the full house, mostly
        writer.write(UPGRADE)
        assert b"101" in await reader.readline()
        assert await behind
        writer.close()


async def is_served(address: tuple[str, int], secure: ssl.SSLContext | None) -> bool:
    """Whether a connection is upgraded, and not closed at once."""
    try:
        reader, writer = await asyncio.open_connection(*address, ssl=secure)
        writer.write(UPGRADE)
        async with asyncio.timeout(30):
            return b"101" in await reader.readline()
    except ConnectionError:
        return False
