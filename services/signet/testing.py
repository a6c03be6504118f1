"""A server for other people's tests: in-process, on free ports, gone at the end.

    async with signet.testing.server() as signet:
        alice = await signet.register("alice")
        bob = await signet.register("bob", transport="grpc")
        async with alice, bob:
            message = await alice.send(bob.user_id, "hello")
            await alice.wait_sent(message.id)

It is the whole server (keys, gateway, router, SQLite, real sockets on the loopback), so what
passes here passes elsewhere.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from signet.client import Client
from signet.client.client import Transport
from signet.settings import Settings
from signet.standalone import Addresses, Standalone


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs. `folder` holds its data and the stores of those who register."""

    standalone: Standalone
    folder: Path

    @property
    def addresses(self) -> Addresses:
        """Where it listens."""
        return self.standalone.addresses

    async def register(self, name: str, *, transport: Transport = "websocket") -> Client:
        """Somebody new, not connected yet: `async with` connects.

        Raises:
            SignetError: USER_NAME_TAKEN, …
        """
        return await Client.register(
            server=self.addresses.rest,
            store=self.folder / f"{name}.store",
            user_name=name,
            transport=transport,
        )

    async def open(self, name: str, *, transport: Transport | None = None) -> Client:
        """Somebody who has registered here before, as after a restart of their app."""
        return await Client.open(store=self.folder / f"{name}.store", transport=transport)


@asynccontextmanager
async def server(folder: Path | None = None, **settings: Any) -> AsyncIterator[Server]:
    """Start one; stop it at the end.

    `folder` keeps the data for another start; None is a temporary one. `settings` are those of
    docs/settings.md: everybody is of one address here, so a test of more than 60 people raises
    `registrations_an_hour`, and one of many logins `logins_a_minute`.
    """
    with TemporaryDirectory(prefix="signet-") as temporary:
        place = folder or Path(temporary)
        free = dict.fromkeys(("websocket_port", "grpc_port", "rest_port", "admin_port"), 0)
        wanted: dict[str, Any] = {"data": place / "server", "drain_s": 0.0, **free, **settings}
        standalone = Standalone(Settings(**wanted))
        await standalone.start()
        try:
            yield Server(standalone, place)
        finally:
            await standalone.stop()
