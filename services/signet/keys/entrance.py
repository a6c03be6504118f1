"""Where clients are told to open their streams (GetServer): the entrance of all gateways.

The settings say it, where there is a load balancer or a name for all. Where they do not, it is a
gateway that is there now, and another one as soon as that one goes: a cluster on one machine.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from signet.ports.members import Kind, Member, Members, State


class Announces(Protocol):
    """The keys service, as far as it is told here."""

    websocket: str
    grpc: str

    def announce(self, websocket: str, grpc: str) -> None:
        """What GetServer answers from now on."""
        ...


class Entrance:
    """Tells `keys` what to announce. `websocket` and `grpc` are the settings', '' for none."""

    def __init__(self, keys: Announces, members: Members, websocket: str, grpc: str) -> None:
        self._keys, self._members = keys, members
        self._websocket, self._grpc = websocket, grpc
        self._gateway = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def announced(self) -> dict[str, str]:
        return {"websocket": self._keys.websocket, "grpc": self._keys.grpc}

    def start(self) -> None:
        """Announce, from now on."""
        self._keys.announce(self._websocket, self._grpc)
        if not (self._websocket and self._grpc):
            self._task = asyncio.create_task(self._follow(), name="keys-entrance")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async for members in self._members.watch():
            self.see(members)

    def see(self, members: Sequence[Member]) -> None:
        """The list has changed. The gateway that is announced stays it while it is active."""
        active = {
            member.name: member.public
            for member in members
            if member.kind is Kind.GATEWAY and member.state is State.ACTIVE and member.public
        }
        if active and self._gateway not in active:
            self._gateway = next(iter(active))
        if self._gateway in active:
            words = active[self._gateway].split()
            websocket = next((word for word in words if "://" in word), "")
            grpc = next((word for word in words if "://" not in word), "")
            tls = "grpcs://" if grpc and websocket.startswith("wss:") else ""
            self._keys.announce(self._websocket or websocket, self._grpc or tls + grpc)
