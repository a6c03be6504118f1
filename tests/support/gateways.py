"""A gateway and a router of one process on real sockets, and clients that we did not write."""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.ids import UserId, show
from signet.gateway import Gateway, GatewayConfig
from signet.ports.inbox import InboxStore
from signet.ports.links import Routers
from signet.ports.members import Kind, Member, Members, State
from signet.router.in_process import InProcessRouters
from signet.router.router import Router
from tests.support.known_users import KnownUsers

SHARDS = 16
SERVER = "signet.test"
KID = "key-1"
ALICE, BOB, CAROL = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob", b"carol"))


@dataclass
class Keys:
    """Signs tokens as the keys service does, and publishes its key."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def get(self, kid: str) -> Ed25519PublicKey | None:
        return self.private.public_key() if kid == KID else None

    def claims(self, user: UserId, device: int = 1, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": SERVER, "aud": "signet", "iat": now, "exp": now + 3600}
        claims |= {"sub": show(user), "dev": device, "reg": 10 + device, "gen": 1}
        return claims | changed

    def token(self, user: UserId, device: int = 1, kid: str = KID, **changed: Any) -> str:
        claims = self.claims(user, device, **changed)
        return jwt.encode(claims, self.private, algorithm="EdDSA", headers={"kid": kid})


@dataclass
class World:
    """What a test of a gateway has at hand."""

    gateway: Gateway
    router: Router
    keys: Keys
    users: KnownUsers

    @property
    def url(self) -> str:
        host, port = self.gateway.websocket_address
        return f"ws://{host}:{port}/v1/connect"

    @property
    def target(self) -> str:
        host, port = self.gateway.grpc_address
        return f"{host}:{port}"

    @asynccontextmanager
    async def another_gateway(self, **config: Any) -> AsyncIterator["World"]:
        """A second gateway of the same cluster, before the same router."""
        gateway = make_gateway(self.router, self.keys, **{"name": "gateway-1", **config})
        await gateway.start()
        try:
            yield replace(self, gateway=gateway)
        finally:
            await gateway.stop()


def make_gateway(
    router: Router,
    keys: Keys,
    *,
    chance: Callable[[], float] = random.random,
    links: Routers | None = None,
    members: Members | None = None,
    **config: Any,
) -> Gateway:
    """Before a router of the same process, unless `links` leads elsewhere."""
    settings: dict[str, Any] = {"name": "gateway-0", "server_name": SERVER, "shards": SHARDS}
    settings |= {"resume_key": b"r" * 32, "tick": 0.02}
    links = links or InProcessRouters(router)
    made = GatewayConfig(**(settings | config))
    return Gateway(made, links, keys, members=members, chance=chance)


def record(name: str, state: State = State.ACTIVE, **fields: Any) -> Member:
    """What a gateway says of itself on the members' list."""
    return Member(Kind.GATEWAY, name, "", state, 1, name.encode(), **({"accepts": 1e3} | fields))


def router_record(name: str, address: str, state: State = State.ACTIVE) -> Member:
    """What a router says of itself."""
    return Member(Kind.ROUTER, name, address, state, 1, name.encode())


@asynccontextmanager
async def world(
    folder: Path, store: InboxStore | None = None, **config: Any
) -> AsyncIterator[World]:
    """A router on the inboxes of a folder, and a gateway beside it."""
    users, keys = KnownUsers(), Keys()
    for user in (ALICE, BOB, CAROL):
        users.add(user)
    store = store or open_inbox(folder / "inbox.sqlite", SHARDS)
    presence, events = MemoryPresence(boot_clock), MemoryEvents()
    router = Router(store, users, presence, events, shards=SHARDS, alone=True)
    await router.start()
    gateway = make_gateway(router, keys, **config)
    await gateway.start()
    try:
        yield World(gateway, router, keys, users)
    finally:
        await gateway.stop()
        await router.stop()
        await store.close()
