"""Limits by account and by address, over every transport: a code, and the time to come back."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import websockets
from grpc import aio

from signet.core.errors import Code
from signet.keys.server import KeysServer
from signet.v1 import keys_pb2 as pb
from signet.v1 import keys_pb2_grpc
from signet.v1.messaging_pb2 import Close, ServerFrame
from tests.support.gateways import World, world
from tests.support.identities import NewPerson
from tests.support.keys_service import generous, keys_service

FAR, OTHER = "203.0.113.7", "203.0.113.8"
CONNECT = "/signet.v1.Messaging/Connect"
Refusal = tuple[Code, float]  # and seconds


# --- keys -----------------------------------------------------------------------------------------


async def rest_refusal(server: KeysServer, token: str, forwarded: str) -> Refusal | None:
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": forwarded}
    async with httpx.AsyncClient(base_url=f"http://{server.rest}") as http:
        answer = await http.get("/v1/account", headers=headers)
    if answer.is_success:
        return None
    problem = answer.json()
    assert answer.status_code == 429
    assert 0 < problem["retry_after_ms"] <= int(answer.headers["Retry-After"]) * 1000
    return Code[problem["code"]], problem["retry_after_ms"] / 1000


async def grpc_refusal(server: KeysServer, token: str, forwarded: str) -> Refusal | None:
    metadata = (("authorization", f"Bearer {token}"), ("x-forwarded-for", forwarded))
    async with aio.insecure_channel(str(server.grpc)) as channel:
        try:
            stub = keys_pb2_grpc.KeysStub(channel)
            await stub.GetAccount(pb.GetAccountRequest(), metadata=metadata)
        except aio.AioRpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            status = error.code()
            wait = float(trailing["retry-after-ms"]) / 1000
            return_value = Code[str(trailing["signet-code"])], wait
        else:
            return None
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    return return_value


Ask = Callable[[KeysServer, str, str], Awaitable[Refusal | None]]
both_ways = pytest.mark.parametrize("ask", [rest_refusal, grpc_refusal])


@both_ways
async def test_an_account_asks_so_often_a_minute_wherever_it_comes_from(
    tmp_path: Path, ask: Ask
) -> None:
    async with keys_service(tmp_path, generous(requests_a_minute=2)) as service:
        server = KeysServer(service.keys, proxies="127.0.0.1")
        await server.start()
        ann = await service.register(NewPerson())
        bob = await service.register(NewPerson())
        for address in (FAR, OTHER):
            assert await ask(server, ann.token.token, address) is None
        refused = await ask(server, ann.token.token, FAR)
        assert refused is not None
        assert refused[0] is Code.RATE_LIMITED
        assert 0 < refused[1] <= 60
        assert await ask(server, bob.token.token, FAR) is None
        await server.stop()


@both_ways
async def test_an_address_asks_so_often_a_minute_whoever_it_is(tmp_path: Path, ask: Ask) -> None:
    async with keys_service(tmp_path, generous(address_requests_a_minute=2)) as service:
        server = KeysServer(service.keys, proxies="127.0.0.1")
        await server.start()
        tokens = [(await service.register(NewPerson())).token.token for _ in range(3)]
        for token in tokens[:2]:
            assert await ask(server, token, FAR) is None
        refused = await ask(server, tokens[2], FAR)
        assert refused is not None
        assert refused[0] is Code.RATE_LIMITED
        assert await ask(server, tokens[2], OTHER) is None
        await server.stop()


# --- streams --------------------------------------------------------------------------------------


async def websocket_close(at: World, forwarded: str, stack: AsyncExitStack) -> Close | None:
    """None: the stream is let in, and stays until the stack ends."""
    stream = await stack.enter_async_context(
        websockets.connect(
            at.url,
            subprotocols=[websockets.Subprotocol("signet.v1")],
            compression=None,
            additional_headers={"X-Forwarded-For": forwarded},
        )
    )
    try:
        frame = await asyncio.wait_for(stream.recv(), 1.0)
    except TimeoutError:
        return None
    assert isinstance(frame, bytes)
    return ServerFrame.FromString(frame).close


async def grpc_close(at: World, forwarded: str, stack: AsyncExitStack) -> Close | None:
    channel = await stack.enter_async_context(aio.insecure_channel(at.target))
    metadata = (("x-forwarded-for", forwarded),)
    call: Any = channel.stream_stream(CONNECT)(metadata=metadata)
    stack.callback(call.cancel)
    try:
        frame = await asyncio.wait_for(call.read(), 1.0)
    except (TimeoutError, asyncio.CancelledError):
        return None
    assert isinstance(frame, bytes)
    return ServerFrame.FromString(frame).close


Open = Callable[[World, str, AsyncExitStack], Awaitable[Close | None]]
both_transports = pytest.mark.parametrize("opens", [websocket_close, grpc_close])


@both_transports
async def test_new_streams_of_one_address_are_told_when_to_come(
    tmp_path: Path, opens: Open
) -> None:
    config: dict[str, Any] = {
        "proxies": "127.0.0.1",
        "address_streams_burst": 1,
        "address_streams_rate": 0.05,
    }
    async with world(tmp_path, **config) as at, AsyncExitStack() as stack:
        assert await opens(at, FAR, stack) is None
        close = await opens(at, FAR, stack)
        assert close is not None
        assert Code(close.code) is Code.RATE_LIMITED
        assert 0 < close.retry_after_ms <= 20_000
        assert await opens(at, OTHER, stack) is None


@both_transports
async def test_without_a_named_proxy_nobody_is_believed(tmp_path: Path, opens: Open) -> None:
    """And what comes from this machine is not counted."""
    config: dict[str, Any] = {"address_streams_burst": 1, "address_streams_rate": 0.05}
    async with world(tmp_path, **config) as at, AsyncExitStack() as stack:
        for _ in range(2):
            assert await opens(at, FAR, stack) is None
