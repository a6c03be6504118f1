"""A whole server in this process, on free ports and the embedded defaults."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from signet import testing
from signet.standalone import Standalone


@asynccontextmanager
async def server(data: Path, **settings: Any) -> AsyncIterator[Standalone]:
    """Started, and stopped at the end."""
    async with testing.server(data, **settings) as started:
        yield started.standalone
