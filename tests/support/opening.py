"""Fixtures of tests that speak the public protocol; a package's conftest names those it takes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from tests.support.gateways import World, world
from tests.support.streams import GrpcStream, Stream, WebSocketStream

Open = Callable[[World], Stream]
OPEN: dict[str, Open] = {
    "websocket": lambda at: WebSocketStream(at.url),
    "grpc": lambda at: GrpcStream(at.target),
}


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What the servers run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["websocket", "grpc"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_stream(transport: str) -> Open:
    return OPEN[transport]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made
