"""A gateway's hub on scripted routers and in the test's own time: no socket, no waiting."""

from typing import Any

from signet.core.errors import Code
from signet.core.ids import Position, ShardId, UserId
from signet.core.link import Attach
from signet.core.shards import shard_of
from signet.gateway import GatewayConfig
from signet.gateway.hub import Hub
from signet.gateway.session import Session
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, SERVER, Keys
from tests.support.scripted_routers import ScriptedRouters, turns
from tests.support.streams import hello

SHARDS = 64


class Edge:
    """A transport that takes everything at once."""

    def __init__(self) -> None:
        self.frames: list[pb.ServerFrame] = []
        self.pending = 0

    def write(self, frame: bytes) -> None:
        self.frames.append(pb.ServerFrame.FromString(frame))

    def finish(self, frame: bytes, code: Code, retry_after_s: float) -> None:
        self.write(frame)

    @property
    def kinds(self) -> list[str | None]:
        return [frame.WhichOneof("body") for frame in self.frames]

    def of(self, kind: str) -> list[Any]:
        """The bodies of one kind."""
        return [getattr(frame, kind) for frame in self.frames if frame.HasField(kind)]  # type: ignore[arg-type]


class Place:
    """A hub with two routers, and Alice on it."""

    def __init__(self, **config: Any) -> None:
        self.now = 1000.0
        self.keys, self.routers = Keys(), ScriptedRouters()
        settings = {"name": "gateway-0", "server_name": SERVER, "resume_key": b"r" * 32}
        made = GatewayConfig(**({"shards": SHARDS} | settings | config))
        self.hub = Hub(made, self.routers, self.keys, lambda: self.now)
        self.edge = Edge()
        self.session = self.hub.open(self.edge, "websocket")

    async def start(self, *addresses: str) -> None:
        self.hub.owners.follow(addresses)
        await turns()

    async def say(self, frame: pb.ClientFrame, session: Session | None = None) -> None:
        (session or self.session).receive(frame.SerializeToString())
        await turns()

    async def greet(self) -> None:
        await self.say(hello(self.keys.token(ALICE)))

    def stream_of(self, user: UserId, transport: str = "websocket", **hello_fields: Any) -> Edge:
        """A stream that says Hello, attached at once whoever the owner is."""
        edge = Edge()
        self.greeted(self.hub.open(edge, transport), user, **hello_fields)
        return edge

    def greeted(self, session: Session, user: UserId, **hello_fields: Any) -> None:
        """An open stream says Hello, and is attached at once."""
        session.receive(hello(self.keys.token(user), **hello_fields).SerializeToString())
        session.attached(Position(0, 0))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.hub.tick()


def shards_of(*users: UserId) -> list[ShardId]:
    return [shard_of(user, SHARDS) for user in users]


def attaches(bodies: list[Any]) -> list[Attach]:
    return [body for body in bodies if isinstance(body, Attach)]
