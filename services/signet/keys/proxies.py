"""REST behind proxies: X-Forwarded-For of known ones says where a caller comes from."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from signet.core.addresses import FORWARDED, Proxies

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Asgi = Callable[[_Message, _Receive, _Send], Awaitable[None]]


def behind(proxies: Proxies, app: _Asgi) -> _Asgi:
    """The application, told its callers' addresses instead of those of the proxies."""

    async def forwarded(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http" and scope.get("client"):
            name = FORWARDED.encode()
            values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
            host, port = scope["client"]
            scope = {**scope, "client": (proxies.caller(host, values), port)}
        await app(scope, receive, send)

    return forwarded
