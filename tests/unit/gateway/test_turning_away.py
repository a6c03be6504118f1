"""Who finds all handshakes taken by clients that do not finish them is told when to come (T2)."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from signet.client.transports import websocket
from signet.client.transports.stream import TurnedAway
from signet.core.drain import Order
from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_TELLING
from signet.gateway.kernel_queue import KernelQueue
from signet.gateway.turning_away import TurningAway
from tests.support.certificates import Authority
from tests.support.gateways import World, world
from tests.support.raw_websocket import RawWebSocket

SILENT = 2  # connections that say nothing, and hold all handshakes
PATIENCE = 30.0


@dataclass
class FullHouse:
    """A gateway whose handshakes are all held by strangers that say nothing."""

    here: World
    secure: ssl.SSLContext | None
    strangers: AsyncExitStack

    async def comes(self, said: bytes = b"") -> dict[str, str]:
        """The answer to one that says no more than this: the status, and its headers."""
        address = self.here.gateway.websocket_address
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(*address, ssl=self.secure)
            writer.write(said)
            head, *lines = (await reader.read()).decode().split("\r\n")
            writer.close()
        pairs = [line.split(": ") for line in lines if line]
        return {"status": head.split()[1], **{name.lower(): value for name, value in pairs}}


@asynccontextmanager
async def full_house(folder: Path, *, tls: bool, **config: Any) -> AsyncIterator[FullHouse]:
    authority, secure = Authority(), None
    config.setdefault("hello_timeout", 20.0)  # a tenth of it is how long others wait for them
    if tls:
        config |= {"tls_certificate": folder / "chain.pem", "tls_key": folder / "key.pem"}
        authority.sign().write(config["tls_certificate"], config["tls_key"])
        secure = ssl.create_default_context(cadata=authority.certificate.decode())
    async with (
        world(folder, max_handshakes=SILENT, **config) as here,
        AsyncExitStack() as strangers,
    ):
        for _ in range(SILENT):
            _, writer = await asyncio.open_connection(*here.gateway.websocket_address)
            strangers.callback(writer.close)
        yield FullHouse(here, secure, strangers)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def turned_away(told: str) -> float:
    return counted("signet_gateway_turned_away_total", told=told)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_each_is_told_a_time_of_its_own_before_the_upgrade(tmp_path: Path, tls: bool) -> None:
    before = turned_away("yes")
    async with full_house(tmp_path, tls=tls, admit_rate=2.0) as house:
        answers = [await house.comes(b"GET /v1/connect HTTP/1.1\r\n\r\n") for _ in range(4)]
    assert {answer["status"] for answer in answers} == {"503"}
    assert {answer["signet-code"] for answer in answers} == {"OVERLOADED"}
    times = [int(answer["retry-after-ms"]) for answer in answers]
    assert times == sorted(set(times))  # one after the other, as they will be admitted
    seconds = [int(answer["retry-after"]) for answer in answers]
    assert all(0 <= s * 1000 - ms < 1000 for s, ms in zip(seconds, times, strict=True))
    assert turned_away("yes") - before == 4


async def test_who_has_not_asked_yet_is_told_too(tmp_path: Path) -> None:
    """It may be slow; the answer is there when it looks, also when it has sent its request."""
    async with full_house(tmp_path, tls=False) as house:
        assert (await house.comes())["signet-code"] == "OVERLOADED"


async def test_a_request_that_comes_after_the_answer_does_not_destroy_it(tmp_path: Path) -> None:
    async with full_house(tmp_path, tls=False) as house:
        await house.comes()  # now nobody is waited for any more

        def slowly() -> bytes:
            with socket.create_connection(house.here.gateway.websocket_address) as slow:
                slow.settimeout(PATIENCE)
                first = slow.recv(1)
                slow.sendall(b"GET /v1/connect HTTP/1.1\r\n\r\n")
                return first + slow.recv(4096)

        assert (await asyncio.to_thread(slowly)).startswith(b"HTTP/1.1 503 ")


async def test_a_gateway_that_drains_says_so_and_names_no_time(tmp_path: Path) -> None:
    async with full_house(tmp_path, tls=False) as house:
        await house.here.gateway.drain(Order(time.monotonic()))
        answer = await house.comes()
        assert answer["signet-code"] == "NO_SURVIVOR"
        assert "retry-after" not in answer


async def test_the_sdk_hears_when_to_come(tmp_path: Path) -> None:
    async with full_house(tmp_path, tls=False) as house:
        with pytest.raises(TurnedAway) as told:
            await websocket.dial(house.here.url)
        assert told.value.code is Code.OVERLOADED
        assert told.value.retry_after >= 1.0


async def test_who_is_not_turned_away_yet_waits_in_the_kernel_and_is_counted_there(
    tmp_path: Path,
) -> None:
    async with full_house(tmp_path, tls=False, hello_timeout=4000.0) as house:
        with crowd(house.here.gateway.websocket_address, 3):
            await until(lambda: counted("signet_gateway_accept_waiting") == 3)


# --- what it is made of ---------------------------------------------------------------------------


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.01)


@contextmanager
def crowd(address: tuple[str, int], count: int) -> Iterator[None]:
    """Some who connect, and are not asked whether they could."""
    with ExitStack() as stack:
        for _ in range(count):
            comer = stack.enter_context(socket.socket())
            comer.setblocking(False)
            comer.connect_ex(address)
        yield


async def test_what_the_kernel_drops_from_a_full_queue_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listening:
        queue, drops = KernelQueue(listening), list[int]()
        assert queue.look() == (0, 0)
        with crowd(listening.getsockname(), 8):
            await until(lambda: queue.look()[0] == 2 and queue.look()[1] >= 1)
            drops += [queue.look()[1], queue.look()[1]]
        assert drops == sorted(drops)


async def test_who_gave_up_while_it_waited_costs_no_handshake(tmp_path: Path) -> None:
    before = counted("signet_gateway_accept_left_total"), turned_away("yes")
    async with full_house(tmp_path, tls=False, hello_timeout=4000.0) as house:
        address = house.here.gateway.websocket_address
        with crowd(address, 3):
            await until(lambda: counted("signet_gateway_accept_waiting") == 3)
        await house.strangers.aclose()
        async with RawWebSocket(*address) as behind:
            assert behind.status == 101
    assert counted("signet_gateway_accept_left_total") - before[0] == 3
    assert turned_away("yes") == before[1]


async def tls_of(folder: Path) -> ssl.SSLContext:
    Authority().sign().write(folder / "chain.pem", folder / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


async def test_those_who_are_told_over_tls_are_bounded_and_one_that_says_nothing_is_let_go(
    tmp_path: Path,
) -> None:
    ended, before = asyncio.Event(), turned_away("no")
    why = SignetError(Code.OVERLOADED, retry_after_s=1.0)
    away = TurningAway(await tls_of(tmp_path), lambda: why, ended.set, most=1)
    ours, stranger = socket.socketpair()
    ours.setblocking(False)
    away.tell(ours)
    room = [away.room]
    await in_time(ended.wait)
    assert [*room, away.room] == [False, True]
    assert turned_away("no") - before == 1
    stranger.close()
    await away.stop()


async def test_only_so_many_wait_until_they_have_read_and_the_first_of_them_goes_first() -> None:
    why = SignetError(Code.OVERLOADED, retry_after_s=1.0)
    away = TurningAway(None, lambda: why, lambda: None, lingering=2)
    pairs = [socket.socketpair() for _ in range(3)]
    for ours, _ in pairs:
        away.tell(ours)
    assert [theirs.recv(12) for _, theirs in pairs] == [b"HTTP/1.1 503"] * 3
    assert [ours.fileno() == -1 for ours, _ in pairs] == [True, False, False]
    away.sweep(asyncio.get_running_loop().time() + 60.0)
    assert [ours.fileno() for ours, _ in pairs] == [-1] * 3
    for _, theirs in pairs:
        theirs.close()


async def in_time(wait: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE):
        await wait()


async def test_one_that_is_gone_before_it_is_told_is_counted_as_such() -> None:
    why, before = SignetError(Code.OVERLOADED), turned_away("no")
    away = TurningAway(None, lambda: why, lambda: None, most=MAX_TELLING)
    ours, theirs = socket.socketpair()
    theirs.close()
    away.tell(ours)
    assert turned_away("no") - before == 1
    assert ours.fileno() == -1
