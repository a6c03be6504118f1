"""The directory's adapters, for the suites of tests/contract/test_directory*.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.adapters.directory_sql import SqlDirectory, open_directory

every_adapter = pytest.mark.parametrize("directory", ["sqlite"], indirect=True)


@pytest.fixture
async def directory(request: pytest.FixtureRequest) -> AsyncIterator[SqlDirectory]:
    url: str = request.getfixturevalue(f"{request.param}_directory_url")
    opened = await open_directory(url)
    yield opened
    await opened.close()


@pytest.fixture
def sqlite_directory_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'directory.db'}"
