"""A cluster in virtual time: real gateways' hubs and real routers on one store, and phones.

Only sockets and disks are left out: links and streams carry the same bytes and values, later,
until they are cut. A link may stand still, and lose frames, repeat them, let them be overtaken.
Members fall off the list some seconds after they were killed.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.members_memory import MemoryMembers
from signet.adapters.presence_memory import MemoryPresence
from signet.core import limits
from signet.core.drain import Order
from signet.core.groups import GroupCopy
from signet.core.ids import Incarnation, ShardId, UserId
from signet.core.link import (
    Acked,
    Answered,
    Holding,
    Push,
    ReadAfter,
    SetStatus,
    Submit,
    ToGateway,
    ToRouter,
    WatchUsers,
)
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
from tests.support.troubled_users import TroubledGroups, TroubledUsers

SHARDS = 8
USERS = [UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob", b"carol")]
DELAY = 0.002  # seconds on a link
SHARE = 0.1  # of the frames that are troubled
# An attachment, its answer and its end are lost with their link alone.
TROUBLED = (Submit, Acked, ReadAfter, SetStatus, WatchUsers, Answered, Push, Holding)


class Bad(Enum):
    """What a link does to some frames that no link does (tests/faults/chaos/links.py does it)."""

    DROP = 0
    REPEAT = 1
    REORDER = 2


F = TypeVar("F", ToRouter, ToGateway)


class Way:
    """One direction of a stream: each thing arrives DELAY later, and after those before it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._last, self._still = loop, 0.0, 0.0

    def carry(self, arrive: Callable[..., object], *what: object) -> None:
        self._last = max(self._loop.time() + DELAY, self._last + 1e-6, self._still)
        self._loop.call_at(self._last, arrive, *what)

    def stand_still(self, seconds: float) -> None:
        """What comes now arrives when it is over."""
        self._still = self._loop.time() + seconds


@dataclass(eq=False)
class CutLink:
    """See ports/links.Link: frames arrive a little later, in order, until it is cut."""

    world: "Cluster"
    life: Life
    lost: Callable[[], None]
    hub: str = ""
    number: int = 0
    over: bool = False
    bad: Bad | None = None

    def __post_init__(self) -> None:
        self._up, self._down = Way(self.world.loop), Way(self.world.loop)

    def submit(self, frames: Sequence[ToRouter]) -> None:
        self._up.carry(self._arrive, self._break(frames))

    def _arrive(self, frames: list[ToRouter]) -> None:
        if not self.over and not self.life.over:
            self.life.router.take(self.number, frames)

    def bring(self, deliver: Deliver, frames: Sequence[ToGateway]) -> None:
        def arrive() -> None:
            if not self.over and not self.life.over:
                deliver(frames)

        frames = self._break(frames)
        self._down.carry(arrive)

    def _break(self, frames: Sequence[F]) -> list[F]:
        kept: list[F] = []
        late: list[F] = []
        for frame in frames:
            body = frame.body if isinstance(frame, ToRouter) else frame
            troubled = self.bad is not None and isinstance(body, TROUBLED)
            if not troubled or self.world.chance.random() > SHARE:
                kept.append(frame)
            elif self.bad is Bad.REPEAT:
                kept += [frame, frame]
            elif self.bad is Bad.REORDER:
                late.append(frame)  # overtaken by the rest of its batch
        return kept + late

    def stand_still(self, seconds: float) -> None:
        """Nothing passes meanwhile, either way; nobody is told."""
        self._up.stand_still(seconds)
        self._down.stand_still(seconds)

    @property
    def pending(self) -> int:
        return 0

    @property
    def outdated(self) -> bool:
        return False

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
        link = CutLink(self.world, life, lost, hub=gateway)
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

    async def fan_out(self, shard: ShardId, copies: Sequence[GroupCopy]) -> None:
        for life in list(self.world.routers.values()):
            await asyncio.sleep(DELAY)
            if life.over or self.world.chance.random() < 0.1 * self.world.trouble:
                continue
            taking = life.router.fan_out(copies)
            try:
                refused, later = await asyncio.wait_for(taking, limits.PEER_TIMEOUT)
            except TimeoutError:
                raise StoreUnavailable("the owner does not answer") from None
            if later or self.world.chance.random() < 0.1 * self.world.trouble:
                raise StoreUnavailable("the owner has not taken it, or its answer is lost")
            if not refused:
                return
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
        self.groups = TroubledGroups(self.users)
        self.users.written |= {(one, other) for one in USERS for other in USERS}

    async def up(self, names: Sequence[str], gateways: int) -> None:
        for name in names:
            await self.start(name)
        self.hubs = [self._gateway(f"gateway-{number}", names) for number in range(gateways)]

    def _gateway(self, name: str, routers: Sequence[str]) -> Hub:
        config = GatewayConfig(
            name=name,
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
        hub.owners.follow(routers)
        return hub

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
            groups=self.groups,
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

    def trouble_links(self, name: str, bad: Bad, seconds: float) -> None:
        """Those of a router lose, repeat or mix up frames; then they break, as links do that lose
        any.
        """
        links = [link for link in self.links if link.life is self.routers[name] and not link.over]
        for link in links:
            link.bad = bad
            self.loop.call_later(seconds, link.cut)

    def stall_a_link(self, seconds: float) -> None:
        open_links = [link for link in self.links if not link.over]
        if open_links:
            self.chance.choice(open_links).stand_still(seconds)

    def kill_gateway(self, number: int) -> Hub:
        """As kill -9; another life of it is there at once. Returns the dead one."""
        dead = self.hubs[number]
        dead.stop()
        for uplink in dead.owners._uplinks.values():
            uplink.stop()
        for link in self.links:
            if link.hub == dead.config.name:
                link.cut()
        self.hubs[number] = self._gateway(dead.config.name, list(self.routers))
        return dead

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
