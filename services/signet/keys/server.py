"""The keys service on the network: REST by uvicorn and gRPC, in the running event loop."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn
from grpc import aio

from signet.core.addresses import Proxies
from signet.core.limits import MAX_BODY
from signet.keys.grpc_groups import add_groups
from signet.keys.grpc_media import add_media
from signet.keys.grpc_push import add_push
from signet.keys.grpc_server import add_keys
from signet.keys.media_door import with_door
from signet.keys.proxies import behind
from signet.keys.rest import create_app
from signet.keys.service import Keys
from signet.telemetry.listening import listen

# A port that is taken is an error, not shared; a message is as large as a body of REST.
_GRPC_OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_BODY))
_STOP_S = 2.0  # how long a stop waits for requests that are open


@dataclass(frozen=True, slots=True)
class Address:
    """Where it is bound."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class _Uvicorn(uvicorn.Server):
    """Signals are the process's own business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class KeysServer:
    """`grpc` is a server to add the service to, before it is started; None makes one of its own.

    `proxies` are addresses and networks whose X-Forwarded-For is believed, with commas between;
    for anybody else the address of the peer counts. ValueError: one is none.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        host: str = "127.0.0.1",
        rest_port: int = 0,
        grpc: aio.Server | None = None,
        grpc_port: int = 0,
        proxies: str = "",
    ) -> None:
        self._keys, self._host, self._proxies = keys, host, Proxies.named(proxies)
        self._rest_port, self._grpc_port = rest_port, grpc_port
        self._own_grpc = grpc is None
        self._grpc_server = aio.server(options=_GRPC_OPTIONS) if grpc is None else grpc
        self._rest: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None
        self._running: list[asyncio.Task[None]] = []
        self.rest = Address(host, rest_port)
        self.grpc: Address | None = None
        add_keys(self._grpc_server, keys, self._proxies)
        add_media(self._grpc_server, keys)
        add_groups(self._grpc_server, keys)
        add_push(self._grpc_server, keys)

    async def start(self) -> None:
        """Read the signing keys, then listen; `rest` and `grpc` then say where.

        What routers were not told yet is told from then on (keys/outbox).

        `grpc` stays None where the server is another's.

        Raises:
            OSError: a port is taken.
            SignetError: STORE_UNAVAILABLE.
        """
        await self._keys.ready()
        listening = listen(self._host, self._rest_port, backlog=512)
        bound = listening.getsockname()
        self.rest = Address(bound[0], bound[1])
        config = uvicorn.Config(
            with_door(behind(self._proxies, create_app(self._keys)), self._keys.media.blobs),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,  # behind() is the same for gRPC
            timeout_graceful_shutdown=int(_STOP_S),
        )
        self._rest = _Uvicorn(config)
        self._serving = asyncio.create_task(self._rest.serve([listening]), name="keys-rest")
        if self._own_grpc:
            await self._start_grpc()
        self._running = [
            asyncio.create_task(self._keys.outbox.run(), name="keys-outbox"),
            asyncio.create_task(self._keys.group_outbox.run(), name="keys-group-outbox"),
            asyncio.create_task(self._keys.devices.run(), name="keys-idle-devices"),
            asyncio.create_task(self._keys.media.run(), name="keys-media"),
        ]

    async def _start_grpc(self) -> None:
        try:
            port = self._grpc_server.add_insecure_port(str(Address(self._host, self._grpc_port)))
        except RuntimeError as error:
            await self.stop()
            raise OSError(f"cannot listen on port {self._grpc_port} for gRPC") from error
        await self._grpc_server.start()
        self.grpc = Address(self._host, port)

    async def stop(self) -> None:
        """Stop listening; open requests have a moment to end."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._own_grpc:
            await self._grpc_server.stop(_STOP_S)
        if self._rest is not None and self._serving is not None:
            self._rest.should_exit = True
            await self._serving
            self._rest = self._serving = None
