"""The embedded default of media: the folder's blobs are put and got at the address of REST.

With S3 clients go to S3, and there is no such door.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from signet.adapters.blobs_filesystem import FilesystemBlobs
from signet.adapters.blobs_http import BlobsApp
from signet.adapters.open import BLOBS_PATH
from signet.ports.blobs import Blobs
from signet.telemetry.metrics import REQUESTS

_Scope = MutableMapping[str, Any]
_Send = Callable[[_Scope], Awaitable[None]]
_Asgi = Callable[[_Scope, Any, _Send], Awaitable[None]]


def _counted(send: _Send) -> _Send:
    async def counting(message: _Scope) -> None:
        if message["type"] == "http.response.start":
            REQUESTS.labels(f"{BLOBS_PATH}/{{name}}", str(int(message["status"]))).inc()
        await send(message)

    return counting


def with_door(app: _Asgi, blobs: Blobs | None) -> _Asgi:
    """The application, and beside it the signed URLs of a folder of blobs, where there is one.

    Beside, not inside: a blob's body is larger than any of a request, and is read in pieces.
    """
    if not isinstance(blobs, FilesystemBlobs):
        return app
    door = BlobsApp(blobs, blobs.key)

    async def either(scope: _Scope, receive: Any, send: _Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{BLOBS_PATH}/"):
            await door({**scope, "root_path": BLOBS_PATH}, receive, _counted(send))
        else:
            await app(scope, receive, send)

    return either
