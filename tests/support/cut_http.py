"""Real HTTP whose transfers of media break, or stand still, where a test says."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import httpx

Hook = Callable[[], Awaitable[None]]


@dataclass
class CutHttp(httpx.AsyncBaseTransport):
    """`http` of an Environment.

    The next transfers of each kind break after so many bytes (`puts`, `gets`). While `gate` is
    closed, bodies of PUT stand still after their first piece. `hooks` are called once, before a
    request to a path.
    """

    puts: deque[int] = field(default_factory=deque)
    gets: deque[int] = field(default_factory=deque)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    stands: asyncio.Event = field(default_factory=asyncio.Event)  # a body does
    hooks: dict[str, Hook] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._real = httpx.AsyncHTTPTransport()
        self.gate.set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, path = request.method, request.url.path
        if hook := self.hooks.pop(path, None):
            await hook()
        is_blob = b"ignature=" in request.url.query
        if is_blob:
            self.asked.append((method, path, request.headers.get("range", "")))
        if is_blob and method == "PUT":
            most = self.puts.popleft() if self.puts else None
            request.stream = _Body(self._through(request.stream, most, httpx.WriteError))
        response = await self._real.handle_async_request(request)
        if is_blob and method == "GET" and self.gets:
            most = self.gets.popleft()
            response.stream = _Body(self._through(response.stream, most, httpx.ReadError))
        return response

    async def aclose(self) -> None:
        await self._real.aclose()

    async def _through(
        self,
        body: object,
        most: int | None,
        error: type[httpx.TransportError],
    ) -> AsyncIterator[bytes]:
        assert isinstance(body, httpx.AsyncByteStream)
        async for piece in body:
            yield piece if most is None else piece[:most]
            if error is httpx.WriteError and not self.gate.is_set():
                self.stands.set()
                await self.gate.wait()
            if most is not None:
                most -= len(piece)
                if most <= 0:
                    raise error("cut by a test")
        await body.aclose()


@dataclass
class _Body(httpx.AsyncByteStream):
    pieces: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.pieces
