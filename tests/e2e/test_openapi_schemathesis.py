"""The OpenAPI document is exact: whatever Schemathesis sends, answers are those it names.

A real server in a thread of its own; requests carry a real token. No 500, no answer that the
document does not have, valid bodies are not refused as invalid, invalid ones are.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from signet.adapters.directory_engine import make_engine
from signet.adapters.directory_sql import SqlDirectory
from signet.adapters.rate_limits import MemoryRateLimits
from signet.keys.rest import create_app
from signet.keys.server import KeysServer
from signet.keys.service import Keys
from signet.ports.push_registrations import PushKind
from tests.support.identities import NewPerson
from tests.support.keys_service import Told, generous, keys_service

REMOVES = "DELETE /v1/account/devices/{device_id}"
EXAMPLES = 15  # of each operation, beside those that cover each limit of the document
# What a body that fits the document may still meet: of an invalid one it is 400.
REFUSALS = ["401", "403", "404", "409", "413", "422", "423", "429"]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """A keys service in a thread; its URL."""
    ready, addresses = threading.Event(), []
    stop: asyncio.Event
    loop: asyncio.AbstractEventLoop

    async def serve() -> None:
        nonlocal stop, loop
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with keys_service(folder, generous(push_kinds=tuple(PushKind))) as service:
            server = KeysServer(service.keys)
            await server.start()
            addresses.append(f"http://{server.rest}")
            ready.set()
            await stop.wait()
            await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield addresses[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("keys")) as address:
        yield address


def document() -> Any:
    """What the server says of itself; the same for every server, so it is made without one."""
    directory = SqlDirectory(make_engine("sqlite+aiosqlite:///never-opened.db"))
    told = Told()
    keys = Keys(directory, MemoryRateLimits(), told, told, generous())
    return create_app(keys).openapi()


CONFIG = SchemathesisConfig.from_dict(
    {"checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", *REFUSALS]}}}
)
_turns = itertools.count()
schema = schemathesis.openapi.from_dict(document(), config=CONFIG)


@cache
def register(url: str, operation: str, turn: int = 0) -> str:
    """The token of an account that one operation has for itself."""
    answer = httpx.post(f"{url}/v1/register", json=NewPerson().register_json())
    token: str = answer.json()["token"]["token"]
    return token


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@pytest.mark.timeout(180)
def test_every_answer_is_one_of_the_document(case: Any, url: str) -> None:
    label = case.operation.label
    turn = next(_turns) if label == REMOVES else 0  # it may remove the very device that asks
    token = register(url, label, turn)
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {token}"})
