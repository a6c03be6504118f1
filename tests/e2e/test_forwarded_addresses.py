"""Limits by address, behind a proxy and without one, over REST and gRPC."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from grpc import aio

from signet.keys.server import KeysServer
from signet.v1 import keys_pb2 as pb
from signet.v1 import keys_pb2_grpc
from tests.support.keys_service import generous, keys_service

Ask = Callable[[str], Awaitable[str]]
"""Ask for a nonce with this X-Forwarded-For; the code of the answer, OK or a refusal."""


@asynccontextmanager
async def asking(folder: Path, transport: str, proxies: str) -> AsyncIterator[Ask]:
    """A server where an address logs in once a minute."""
    async with keys_service(folder, generous(logins_a_minute=1)) as service:
        server = KeysServer(service.keys, proxies=proxies)
        await server.start()
        ways = {"rest": over_rest, "grpc": over_grpc}
        async with ways[transport](server) as ask:
            yield ask
        await server.stop()


@asynccontextmanager
async def over_rest(server: KeysServer) -> AsyncIterator[Ask]:
    who = {"user_id": "00000000-0000-0000-0000-000000000000", "device_id": 1}
    async with httpx.AsyncClient(base_url=f"http://{server.rest}") as http:

        async def ask(forwarded: str) -> str:
            headers = {"X-Forwarded-For": forwarded}
            answer = await http.post("/v1/login/nonce", json=who, headers=headers)
            return "OK" if answer.is_success else str(answer.json()["code"])

        yield ask


@asynccontextmanager
async def over_grpc(server: KeysServer) -> AsyncIterator[Ask]:
    who = pb.GetNonceRequest(user_id=bytes(16), device_id=1)
    async with aio.insecure_channel(str(server.grpc)) as channel:
        stub = keys_pb2_grpc.KeysStub(channel)

        async def ask(forwarded: str) -> str:
            try:
                await stub.GetNonce(who, metadata=(("x-forwarded-for", forwarded),))
            except aio.AioRpcError as error:
                return str(dict(error.trailing_metadata() or ())["signet-code"])
            return "OK"

        yield ask


over_both = pytest.mark.parametrize("transport", ["rest", "grpc"])


@over_both
async def test_nobody_passes_a_limit_by_saying_where_they_come_from(
    tmp_path: Path, transport: str
) -> None:
    async with asking(tmp_path, transport, proxies="") as ask:
        said = [await ask(forwarded) for forwarded in ("1.1.1.1", "2.2.2.2", "127.0.0.1")]
    assert said == ["OK", "RATE_LIMITED", "RATE_LIMITED"]


@over_both
async def test_behind_a_proxy_each_caller_has_a_limit(tmp_path: Path, transport: str) -> None:
    async with asking(tmp_path, transport, proxies="127.0.0.1, ::1") as ask:
        said = [await ask(forwarded) for forwarded in ("1.1.1.1", "2.2.2.2", "3.3.3.3, 1.1.1.1")]
    assert said == ["OK", "OK", "RATE_LIMITED"]
