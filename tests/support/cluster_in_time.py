"""A cluster in virtual time: real gateways' hubs and real routers on one store, and phones.

Only sockets and disks are left out: links and streams carry the same bytes and values, later,
until they are cut. Members fall off the list some seconds after they were killed.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.members_memory import MemoryMembers
from signet.adapters.presence_memory import MemoryPresence
from signet.core import limits
from signet.core.drain import Order
from signet.core.ids import Incarnation, ShardId, UserId
from signet.core.link import ToGateway, ToRouter
from signet.gateway.config import GatewayConfig
from signet.gateway.hub import Hub
from signet.ports.inbox import StoreUnavailable
from signet.ports.links import Deliver
from signet.ports.members import Kind, Member, State
from signet.ports.peers import OwnersItem
from signet.router.router import Router
from tests.support.bad_links import Life
from tests.support.gateways import SERVER, Keys
from tests.support.troubled_inbox import Rows, TroubledInbox
from tests.support.troubled_users import TroubledUsers

SHARDS = 8
USERS = [UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob", b"carol")]
DELAY = 0.002  # seconds on a link


class Way:
    """One direction of a stream: each thing arrives DELAY later, and after those before it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._last = loop, 0.0

    def carry(self, arrive: Callable[..., object], *what: object) -> None:
        self._last = max(self._loop.time() + DELAY, self._last + 1e-6)
        self._loop.call_at(self._last, arrive, *what)


@dataclass(eq=False)
class CutLink:
    """See ports/links.Link: frames arrive a little later, in order, until it is cut."""

    world: "Cluster"
    life: Life
    lost: Callable[[], None]
    number: int = 0
    over: bool = False

    def __post_init__(self) -> None:
        self._up, self._down = Way(self.world.loop), Way(self.world.loop)

    def submit(self, frames: Sequence[ToRouter]) -> None:
        self._up.carry(self._arrive, list(frames))

    def _arrive(self, frames: list[ToRouter]) -> None:
        if not self.over and not self.life.over:
            self.life.router.take(self.number, frames)

    def bring(self, deliver: Deliver, frames: Sequence[ToGateway]) -> None:
        def arrive() -> None:
            if not self.over and not self.life.over:
                deliver(frames)

        self._down.carry(arrive)

    @property
    def pending(self) -> int:
        return 0

    def cut(self) -> None:
        """Both ends find out, each at its own time."""
        if not self.over:
            self.over = True
            for end in (self.lost, self._close):
                self.world.loop.call_later(self.world.chance.uniform(0, 1.0), end)

    def _close(self) -> None:
        if not self.life.over:
            self.life.router.close(self.number)

    async def close(self) -> None:
        if not self.over:
            self.over = True
            self._close()


@dataclass
class Links:
    """See ports/links.Routers, by the name of the router."""

    world: "Cluster"

    async def open(
        self, address: str, gateway: str, deliver: Deliver, lost: Callable[[], None]
    ) -> CutLink:
        await asyncio.sleep(DELAY)
        life = self.world.routers.get(address)
        if life is None or life.over:
            raise ConnectionError(address)
        link = CutLink(self.world, life, lost)
        link.number = life.router.open(gateway, lambda frames: link.bring(deliver, frames))
        self.world.links.append(link)
        return link


@dataclass
class Neighbours:
    """See ports/peers.Peers: everybody is asked in turn."""

    world: "Cluster"

    async def deliver(self, shard: ShardId, items: Sequence[OwnersItem]) -> None:
        for life in list(self.world.routers.values()):
            await asyncio.sleep(DELAY)
            if life.over or self.world.chance.random() < 0.1 * self.world.trouble:
                continue
            try:
                if not await asyncio.wait_for(life.router.deliver(items), limits.PEER_TIMEOUT):
                    return
            except TimeoutError:
                raise StoreUnavailable("the owner does not answer") from None
        raise StoreUnavailable(f"nobody owns shard {shard}")

    async def offer(self, taker: Incarnation, shards: Sequence[ShardId]) -> None:
        for life in self.world.routers.values():
            if not life.over and life.router.incarnation == taker:
                self.world.loop.call_later(DELAY, life.router.offered, shards)

    async def close(self) -> None:
        return


@dataclass
class Cluster:
    """Routers by name, and gateways' hubs."""

    chance: random.Random
    rows: Rows = field(default_factory=Rows)
    keys: Keys = field(default_factory=Keys)
    members: MemoryMembers = field(default_factory=MemoryMembers)
    routers: dict[str, Life] = field(default_factory=dict)
    every_life: list[Life] = field(default_factory=list)
    links: list[CutLink] = field(default_factory=list)
    hubs: list[Hub] = field(default_factory=list)
    trouble: float = 0.0
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    draining: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.users = TroubledUsers(self.chance)
        for user in USERS:
            self.users.add(user)
        self.users.written |= {(one, other) for one in USERS for other in USERS}

    async def up(self, names: Sequence[str], gateways: int) -> None:
        for name in names:
            await self.start(name)
        for number in range(gateways):
            config = GatewayConfig(
                name=f"gateway-{number}",
                server_name=SERVER,
                resume_key=b"r" * 32,
                shards=SHARDS,
                send_burst=1000,
                send_rate=1000,
                frame_burst=1000,
                frame_rate=1000,
                admit_burst=1000,
                admit_rate=1000,
            )
            hub = Hub(config, Links(self), self.keys, self.loop.time)
            hub.start()
            hub.owners.follow(names)
            self.hubs.append(hub)

    async def start(self, name: str) -> None:
        """A new life of a router; a store in trouble lets it start later."""
        store = TroubledInbox(self.rows, self.chance, SHARDS)
        store.trouble = self.trouble
        while True:
            life = self._life(name, store)
            try:
                await life.router.start()
            except StoreUnavailable:
                life.kill()
                store = TroubledInbox(self.rows, self.chance, SHARDS)
                continue
            break
        self.routers[name] = life
        await self.members.put(self._member(name, life))

    def _life(self, name: str, store: TroubledInbox) -> Life:
        def lost() -> None:
            self.loop.call_soon(self.kill, name, life)

        router = Router(
            store,
            self.users,
            MemoryPresence(self.loop.time),
            MemoryEvents(),
            name=name,
            members=self.members,
            peers=Neighbours(self),
            shards=SHARDS,
            lost=lost,
            now_ms=lambda: 1_700_000_000_000 + int(self.loop.time() * 1000),
            clock=self.loop.time,
            incarnation=Incarnation(self.chance.randbytes(16)),
        )
        life = Life(router, store)
        self.every_life.append(life)
        return life

    def _member(self, name: str, life: Life, state: State = State.ACTIVE) -> Member:
        return Member(Kind.ROUTER, name, name, state, 0, life.router.incarnation)

    def _say(self, name: str, life: Life, state: State) -> None:
        """What a pod writes among the members; others see it a while later."""
        record = self._member(name, life, state)
        late = self.chance.uniform(0.0, 2.0)
        self.loop.call_later(late, lambda: self._spawn(self._put(record)))

    async def _put(self, record: Member) -> None:
        if not self.routers[record.name].over:
            await self.members.put(record)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self.tasks.add(self.loop.create_task(work))

    # --- what happens -------------------------------------------------------------------------

    def set_trouble(self, trouble: float) -> None:
        self.trouble = self.users.trouble = trouble
        for life in self.every_life:
            life.store.trouble = trouble

    def kill(self, name: str, life: Life | None = None) -> None:
        """As kill -9; another life of that name starts a few seconds later."""
        life = life or self.routers[name]
        if life.over:
            return
        life.kill()
        self.draining.pop(name, None)
        for link in self.links:
            if link.life is life:
                link.cut()
        self.loop.call_later(self.chance.uniform(0.5, 12.0), self._start_again, name)

    def _start_again(self, name: str) -> None:
        self._spawn(self.start(name))

    def drain(self, name: str) -> None:
        """Hand everything over; it stays, empty, until `undrain`."""
        life = self.routers[name]
        if not life.over and name not in self.draining:
            self._say(name, life, State.DRAINING)
            order = Order(deadline=float("inf"))
            self.draining[name] = self.loop.create_task(life.router.drain(order))

    async def undrain(self, name: str) -> None:
        task = self.draining.pop(name, None)
        if task is not None:
            await self.routers[name].router.undrain()
            self._say(name, self.routers[name], State.ACTIVE)

    def cut_a_link(self) -> None:
        open_links = [link for link in self.links if not link.over]
        if open_links:
            self.chance.choice(open_links).cut()

    def down(self) -> None:
        for hub in self.hubs:
            hub.stop()
        for life in self.every_life:
            life.kill()

    @property
    def epochs_held(self) -> dict[ShardId, int]:
        """By how many living routers each shard is served."""
        count = dict.fromkeys(map(ShardId, range(SHARDS)), 0)
        for life in self.routers.values():
            for shard in () if life.over else life.router._context.epochs:
                count[shard] += 1
        return count
