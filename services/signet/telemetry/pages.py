"""The pages of a process: /metrics, /healthz, /readyz, on a port of their own.

`/healthz` says that the event loop turns; `/readyz` asks the process itself whether it wants
work (a draining one does not), and answers 503 with the reason. Below `/v1/` is what the process
itself answers (pod/admin.py).
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from signet.telemetry.listening import listen

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
SendEvent = Callable[[MutableMapping[str, Any]], Awaitable[None]]
NotReady = Callable[[], str]

Answer = tuple[int, str, bytes]
"""Status, content type, body."""
Api = Callable[[str, str, bytes], Awaitable[Answer | None]]
"""Method, path and body of a request below /v1/; None: there is no such page."""

TEXT = "text/plain; charset=utf-8"
MAX_BODY = 64 * 1024


class EmbeddedServer(uvicorn.Server):
    """uvicorn inside a process that handles its signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Pages:
    """`not_ready` says why the process wants no work, '' when it does.

    `api` answers what is below /v1/. `tls` is uvicorn's ssl_context_factory.
    """

    def __init__(
        self,
        not_ready: NotReady,
        registry: CollectorRegistry = REGISTRY,
        *,
        api: Api | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._not_ready = not_ready
        self._registry = registry
        self._api, self._tls = api, tls
        self._server: EmbeddedServer | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the bound address.

        Raises:
            OSError: the port is taken.
        """
        listening = listen(host, port)
        tls = self._tls
        config = uvicorn.Config(
            self,
            log_config=None,
            lifespan="off",
            access_log=False,
            ws="none",
            ssl_context_factory=(lambda _config, _default: tls) if tls is not None else None,
        )
        self._server = EmbeddedServer(config)
        self._serving = asyncio.create_task(self._server.serve([listening]), name="pages")
        bound: tuple[str, int] = listening.getsockname()[:2]
        return bound

    async def stop(self) -> None:
        """Stop listening; open requests are cut after a moment."""
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = True
        self._server.force_exit = True
        await self._serving

    async def __call__(self, scope: Scope, receive: Receive, send: SendEvent) -> None:
        """ASGI."""
        status, kind, body = await self._answer(scope, receive)
        headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if self._api is not None and scope["path"].startswith("/v1/"):
            body = await _body(receive)
            if body is None:
                return 413, TEXT, b"too large\n"
            answer = await self._api(scope["method"], scope["path"], body)
            if answer is not None:
                return answer
        return self._page(scope)

    def _page(self, scope: Scope) -> Answer:
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, TEXT, b"GET only\n"
        match scope["path"]:
            case "/metrics":
                accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
                encode, kind = choose_encoder(accept)
                return 200, kind, encode(self._registry)
            case "/healthz":
                return 200, TEXT, b"ok\n"
            case "/readyz":
                why = self._not_ready()
                return (503, TEXT, f"{why}\n".encode()) if why else (200, TEXT, b"ready\n")
            case _:
                return 404, TEXT, b"/metrics /healthz /readyz\n"


async def _body(receive: Receive) -> bytes | None:
    """All of it; None: more than MAX_BODY."""
    body, more = b"", True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body if len(body) <= MAX_BODY else None
