"""What a reconnect costs: with a token, with a resume token, with TLS, with a TLS ticket.

Run by hand: `python -m tests.bench.bench_reconnects`. CPU of the thread that has the gateway and
the router, for a connection from its TCP handshake to its Welcome and end; the clients are blocking
sockets on a thread of their own. Compare the ratios.
"""

import asyncio
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import thread_time
from typing import Any

import uvloop

from signet.core.ids import UserId
from signet.v1 import messaging_pb2 as pb
from tests.support.certificates import LOOPBACK, Authority
from tests.support.gateways import World, world
from tests.support.raw_websocket import BINARY, frame
from tests.support.streams import hello

RECONNECTS = 400  # of each kind and round
ROUNDS = 3
UPGRADE = (
    b"GET /v1/connect HTTP/1.1\r\nHost: signet.test\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: signet.v1\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
Address = tuple[str, int]


@dataclass
class Way:
    """One way to come back. `context` None: no TLS."""

    resume: bool
    context: ssl.SSLContext | None = None
    ticket: bool = False


class Comer:
    """A blocking client that comes, hears its Welcome, and goes."""

    def __init__(self, address: Address, way: Way, token: Callable[[], str]) -> None:
        self._address, self._way, self._token = address, way, token
        self._resume, self._counter = b"", 0
        self._session: ssl.SSLSession | None = None

    @contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        context = self._way.context
        with socket.create_connection(self._address) as raw:
            if context is None:
                yield raw
                return
            session = self._session if self._way.ticket else None
            with context.wrap_socket(raw, server_hostname=LOOPBACK, session=session) as secure:
                yield secure
                self._session = secure.session

    def come(self) -> None:
        self._counter += 1
        resume = self._resume if self._way.resume else b""
        said = hello("" if resume else self._token(), self._counter, resume_token=resume)
        with self._socket() as open_socket:
            open_socket.sendall(UPGRADE)
            self._read_until(open_socket, b"\r\n\r\n")
            open_socket.sendall(frame(BINARY, said.SerializeToString()))
            self._resume = self._welcome(open_socket).resume_token

    @staticmethod
    def _read_until(open_socket: socket.socket, end: bytes) -> None:
        seen = b""
        while not seen.endswith(end):
            seen += open_socket.recv(1)

    @staticmethod
    def _welcome(open_socket: socket.socket) -> pb.Welcome:
        size = open_socket.recv(2)[1]
        if size == 126:
            size = int.from_bytes(open_socket.recv(2), "big")
        data = b""
        while len(data) < size:
            data += open_socket.recv(size - len(data))
        answer = pb.ServerFrame.FromString(data)
        assert answer.HasField("welcome"), answer
        return answer.welcome


async def cost(here: World, way: Way) -> float:
    """CPU seconds of this thread for one reconnect."""
    user = UserId(os.urandom(16))
    here.users.add(user)
    token = partial(here.keys.token, user)
    comer = Comer(here.gateway.websocket_address, way, token)
    await asyncio.to_thread(comer.come)  # the first has no resume token and no ticket

    def come_again() -> None:
        for _ in range(RECONNECTS):
            comer.come()

    began = thread_time()
    await asyncio.to_thread(come_again)
    return (thread_time() - began) / RECONNECTS


async def measure() -> None:
    """Print the best of some rounds for each way, and its ratio to the cheapest."""
    authority = Authority()
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain, key = folder / "chain.pem", folder / "key.pem"
        authority.sign().write(chain, key)
        plain = {"resume token": Way(resume=True), "token": Way(resume=False)}
        secure = {
            "TLS ticket and resume token": Way(True, client, ticket=True),
            "TLS and resume token": Way(True, client),
            "TLS and token": Way(False, client),
        }
        tls: dict[str, Any] = {"tls_certificate": chain, "tls_key": key}
        for ways, config in ((plain, {}), (secure, tls)):
            inner = folder / f"inbox-{len(ways)}"
            inner.mkdir()
            async with world(inner, **config) as here:
                for _ in range(ROUNDS):
                    for what, way in ways.items():
                        found[what] = min(found.get(what, 1.0), await cost(here, way))
    cheapest = min(found.values())
    for what, seconds in found.items():
        print(f"{what:30} {seconds * 1e6:6.0f} us   {seconds / cheapest:4.2f}")


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure())


if __name__ == "__main__":
    main()
