"""A whole server in this process, on free ports and the embedded defaults."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from signet.settings import Settings
from signet.standalone import Standalone


def settings(data: Path, **changes: Any) -> Settings:
    """Free ports, and no waiting at the end."""
    ports = dict.fromkeys(("websocket_port", "grpc_port", "rest_port", "admin_port"), 0)
    wanted: dict[str, Any] = {"data": data, "drain_s": 0.0, **ports, **changes}
    return Settings(**wanted)


@asynccontextmanager
async def server(data: Path, **changes: Any) -> AsyncIterator[Standalone]:
    """Started, and stopped at the end."""
    started = Standalone(settings(data, **changes))
    await started.start()
    try:
        yield started
    finally:
        await started.stop()
