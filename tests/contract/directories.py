"""The directory's adapters, for the suites of tests/contract/test_directory*.py."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from signet.adapters.directory_sql import SqlDirectory, open_directory
from tests.support.lanes import Server
from tests.support.lanes.postgres import dsn

every_adapter = pytest.mark.parametrize(
    "directory",
    ["sqlite", pytest.param("postgres", marks=pytest.mark.lane("postgres"))],
    indirect=True,
)


@pytest.fixture
async def directory(request: pytest.FixtureRequest) -> AsyncIterator[SqlDirectory]:
    find_url: Callable[[], Awaitable[str]] = request.getfixturevalue(
        f"{request.param}_directory_url"
    )
    opened = await open_directory(await find_url())
    yield opened
    await opened.close()


@pytest.fixture
def sqlite_directory_url(tmp_path: Path) -> Callable[[], Awaitable[str]]:
    async def url() -> str:
        return f"sqlite:///{tmp_path / 'directory.db'}"

    return url


@pytest.fixture
def postgres_directory_url(postgres_server: Server) -> Callable[[], Awaitable[str]]:
    async def url() -> str:
        """An empty database of one test's own."""
        name = f"test_{uuid4().hex}"
        connection = await asyncpg.connect(dsn(postgres_server))
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        return f"{dsn(postgres_server).rpartition('/')[0]}/{name}"

    return url
