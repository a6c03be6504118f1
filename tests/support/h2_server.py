"""A real HTTP/2 server over TLS, that remembers its requests and answers as it is told.

The protocol is that of the library `h2`, on the server's side.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

CHUNK = 64 * 1024


@dataclass(slots=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class H2Server:
    """`answer` is called for each whole request; None: it is never answered."""

    answer: Callable[[Request], Answer | None] = lambda _: Answer()
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        open_streams: dict[int, Request] = {}
        try:
            writer.write(http.data_to_send())
            while data := await reader.read(CHUNK):
                for event in http.receive_data(data):
                    self._take(http, open_streams, event)
                writer.write(http.data_to_send())
                await writer.drain()
        except (ConnectionError, ProtocolError):
            pass
        finally:
            writer.close()

    def _take(self, http: H2Connection, open_streams: dict[int, Request], event: Event) -> None:
        match event:
            case RequestReceived(stream_id=stream, headers=pairs):
                headers = {str(name): str(value) for name, value in pairs}
                method, path = headers.pop(":method"), headers.pop(":path")
                open_streams[stream] = Request(method, path, headers)
            case DataReceived(stream_id=stream, data=data):
                open_streams[stream].body += data
                http.acknowledge_received_data(len(data), stream)
            case StreamEnded(stream_id=stream):
                self._answer(http, stream, open_streams.pop(stream))
            case _:
                pass

    def _answer(self, http: H2Connection, stream: int, request: Request) -> None:
        self.requests.append(request)
        answer = self.answer(request)
        if answer is None:
            return
        headers = [(":status", str(answer.status)), *answer.headers.items()]
        http.send_headers(stream, headers, end_stream=not answer.body)
        if answer.body:
            http.send_data(stream, answer.body, end_stream=True)


@asynccontextmanager
async def serving_h2(server: H2Server, tls: ssl.SSLContext) -> AsyncIterator[H2Server]:
    """On a free port of loopback, for the name `localhost`; `server.url` says where."""
    tls.set_alpn_protocols(["h2"])
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"https://localhost:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
