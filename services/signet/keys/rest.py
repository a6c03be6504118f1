"""The keys service over REST. `/openapi.json` is exact: lengths, ranges, every answer."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_BODY
from signet.keys.rest_groups import group_routes
from signet.keys.rest_life import life_routes
from signet.keys.rest_linking import linking_routes
from signet.keys.rest_media import media_routes
from signet.keys.rest_models import Problem
from signet.keys.rest_problems import handle_problems, problem
from signet.keys.rest_profiles import profile_routes
from signet.keys.rest_push import push_routes
from signet.keys.rest_routes import routes
from signet.keys.service import Keys
from signet.telemetry.metrics import REQUESTS

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_DESCRIPTION = """Accounts, devices and pre-keys of Signet.

The same service is spoken over gRPC (`signet.v1.Keys`): same names, same rules, same codes. Bytes
are base64, ids are UUIDs. A refusal is problem+json with the protocol's `code`."""


def create_app(keys: Keys) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(
        title="Signet keys",
        version=keys.version,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redirect_slashes=False,
        redoc_url=None,
    )
    app.include_router(routes(keys))
    app.include_router(linking_routes(keys))
    app.include_router(profile_routes(keys))
    app.include_router(life_routes(keys))
    app.include_router(media_routes(keys))
    app.include_router(group_routes(keys))
    app.include_router(push_routes(keys))
    handle_problems(app)
    app.add_middleware(_Outermost)
    _leave_out_what_is_never_answered(app)
    return app


class _Outermost:
    """Bounds the body before anything reads it (MAX_BODY), and counts requests."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path_format", "other")
                REQUESTS.labels(route, str(message["status"])).inc()
            await send(message)

        body = await _whole_body(scope, receive)
        if body is None:
            too_large = problem(SignetError(Code.PAYLOAD_TOO_LARGE))
            await too_large(scope, receive, counting)
            return
        await self._app(scope, _once(body, receive), counting)


async def _whole_body(scope: Scope, receive: Receive) -> bytes | None:
    """None: it says, or turns out, to be over MAX_BODY."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length) > MAX_BODY:
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _once(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


def _leave_out_what_is_never_answered(app: FastAPI) -> None:
    """FastAPI documents a 422 of its own for every route; ours is a problem of status 400."""
    document = app.openapi()
    for path in document["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "HTTPValidationError" in str(content):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
