"""Every adapter of blobs, with real servers where its URLs lead."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from signet.adapters.blobs_filesystem import FilesystemBlobs
from signet.adapters.blobs_http import BlobsApp, Receive, Scope, Send
from signet.adapters.blobs_s3 import S3Blobs
from signet.telemetry.pages import EmbeddedServer
from tests.support.lanes import Server, s3

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
MOUNT = "/v1/blobs"

every_adapter = pytest.mark.parametrize(
    "blobs", ["filesystem", pytest.param("s3", marks=pytest.mark.lane("s3"))], indirect=True
)


def s3_blobs(server: Server, **more: Any) -> S3Blobs:
    where = {"region": s3.REGION, "endpoint": f"http://{server.url}"} | more
    return S3Blobs(s3.BUCKET, access_key=s3.ACCESS, secret_key=s3.SECRET, **where)


@asynccontextmanager
async def served_folder(
    folder: Path, served: Callable[[FilesystemBlobs], Asgi] | None = None
) -> AsyncIterator[FilesystemBlobs]:
    """Blobs in a folder whose URLs are answered on loopback, mounted as keys would."""
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    blobs = FilesystemBlobs(folder, public=f"http://{host}:{port}{MOUNT}")
    outer = FastAPI()
    outer.mount(MOUNT, served(blobs) if served else BlobsApp(blobs, blobs.key))
    config = uvicorn.Config(outer, log_config=None, access_log=False, lifespan="off", ws="none")
    server = EmbeddedServer(config)
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield blobs
    finally:
        server.should_exit = server.force_exit = True
        await serving
        await blobs.close()
