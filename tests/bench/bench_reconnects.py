"""What a reconnect costs: bare, with a token, with a resume token, with TLS, with a TLS ticket.

Run by hand: `python -m tests.bench.bench_reconnects [--reconnects 400]`. CPU of the thread that has
the gateway and the router, for a connection from its TCP handshake to its Welcome and end (bare: to
its upgrade; turned away: to the answer that says when to come); the clients are blocking sockets on
a thread of their own. Compare the ratios.
"""

import argparse
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

ROUNDS = 3
UPGRADE = (
    b"GET /v1/connect HTTP/1.1\r\nHost: signet.test\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: signet.v1\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
OPEN: dict[str, Any] = {"admit_burst": 1e6, "admit_rate": 1e6}
Address = tuple[str, int]


@dataclass
class Way:
    """One way to come back. `context` None: no TLS. `answer`: how the upgrade is answered."""

    resume: bool = False
    context: ssl.SSLContext | None = None
    ticket: bool = False
    bare: bool = False
    answer: bytes = b"HTTP/1.1 101 "


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
        if self._way.bare:
            with self._socket() as open_socket:
                self._ask(open_socket)
            return
        self._counter += 1
        resume = self._resume if self._way.resume else b""
        said = hello("" if resume else self._token(), self._counter, resume_token=resume)
        with self._socket() as open_socket:
            self._ask(open_socket)
            open_socket.sendall(frame(BINARY, said.SerializeToString()))
            self._resume = self._welcome(open_socket).resume_token

    def _ask(self, open_socket: socket.socket) -> None:
        open_socket.sendall(UPGRADE)
        seen = b""
        while not seen.endswith(b"\r\n\r\n"):
            seen += open_socket.recv(1)
        assert seen.startswith(self._way.answer), seen

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


async def cost(here: World, way: Way, times: int) -> float:
    """CPU seconds of this thread for one reconnect."""
    user = UserId(os.urandom(16))
    here.users.add(user)
    token = partial(here.keys.token, user)
    comer = Comer(here.gateway.websocket_address, way, token)
    await asyncio.to_thread(comer.come)  # the first has no resume token and no ticket

    def come_again() -> None:
        for _ in range(times):
            comer.come()

    began = thread_time()
    await asyncio.to_thread(come_again)
    return (thread_time() - began) / times


async def measure(times: int) -> None:
    """Print the best of some rounds for each way, and its ratio to the cheapest."""
    authority = Authority()
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain, key = folder / "chain.pem", folder / "key.pem"
        authority.sign().write(chain, key)
        plain = {"bare": Way(bare=True), "resume token": Way(True), "token": Way()}
        secure = {
            "TLS ticket, bare": Way(context=client, ticket=True, bare=True),
            "TLS, bare": Way(context=client, bare=True),
            "TLS ticket and resume token": Way(True, client, ticket=True),
            "TLS and resume token": Way(True, client),
            "TLS and token": Way(context=client),
        }
        told = b"HTTP/1.1 503 "
        away = {"turned away": Way(bare=True, answer=told)}
        away_secure = {"TLS, turned away": Way(context=client, bare=True, answer=told)}
        tls: dict[str, Any] = {"tls_certificate": chain, "tls_key": key}
        full: dict[str, Any] = {"max_handshakes": 0}
        worlds: list[tuple[dict[str, Way], dict[str, Any]]] = [
            (plain, {}),
            (secure, tls),
            (away, full),
            (away_secure, full | tls),
        ]
        for number, (ways, config) in enumerate(worlds):
            inner = folder / f"inbox-{number}"
            inner.mkdir()
            async with world(inner, **OPEN, **config) as here:
                for _ in range(ROUNDS):
                    for what, way in ways.items():
                        found[what] = min(found.get(what, 1.0), await cost(here, way, times))
    cheapest = min(found.values())
    for what, seconds in found.items():
        print(f"{what:30} {seconds * 1e6:6.0f} us   {seconds / cheapest:4.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reconnects", type=int, default=400, help="of each kind and round")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(arguments.reconnects))


if __name__ == "__main__":
    main()
