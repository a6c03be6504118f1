"""The users that an owner has in memory: their devices, their inboxes, who is attached.

Loaded together and in batches, on first use and again after USER_TTL; what needs somebody who is
not here yet waits for them in order. Where the inboxes of a batch cannot be read, each of its
shards goes on by itself: one that is being recovered (R3) holds up nobody of another. Of shards
that are not held nothing stays in memory: what was read in an earlier epoch may be old.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import structlog

from signet.core import limits
from signet.core.delivery import Delivery
from signet.core.ids import START, DeviceAddress, DeviceId, Epoch, Position, ShardId, UserId
from signet.ports.inbox import Entry, Head, InboxStore, StoreUnavailable
from signet.ports.users import User, Users

log = structlog.get_logger()
T = TypeVar("T")

_FIRST_WAIT = 0.05  # seconds until a load that failed is tried again


@dataclass(slots=True)
class Session:
    """One attachment: a device's stream on one link."""

    link: int
    number: int
    address: DeviceAddress
    counter: int
    capabilities: frozenset[int]
    heartbeat_s: int
    delivery: Delivery
    status: int = 2  # ONLINE
    claimed: Position = START  # acknowledged before Attached could be said
    again: bool = False  # a stream that comes again may acknowledge what it was brought before
    still: tuple[Position, float] = (START, 0.0)  # acknowledged up to there, and since when
    patience: float = limits.REDELIVER

    def is_of(self, link: int, number: int) -> bool:
        """Whether this is the attachment that a gateway calls so."""
        return (self.link, self.number) == (link, number)


@dataclass(slots=True)
class Inbox:
    """What is known of one device's inbox. `last` was given, `durable` is confirmed."""

    device: DeviceId
    last: Position
    durable: Position
    acknowledged: Position
    counter: int
    resumable: tuple[int, ...]
    items: int
    bytes: int
    session: Session | None = None
    connecting: int = 0  # connections that are written, and not durable yet
    streams: set[tuple[int, int]] = field(default_factory=set)  # see sessions.py

    @classmethod
    def of(cls, head: Head) -> "Inbox":
        return cls(
            head.device,
            head.last,
            head.last,
            head.acknowledged,
            head.counter,
            head.resumable,
            head.items,
            head.bytes,
        )

    def number(self, epoch: int, size: int) -> Position:
        """The next position in this epoch (P3), for an item of so many bytes; it is counted."""
        self.items += 1
        self.bytes += size
        same = self.last.epoch == epoch
        self.last = Position(epoch, self.last.seq + 1 if same else 1)
        return self.last


@dataclass(slots=True)
class Person:
    """`user` None: there is nobody of that id."""

    id: UserId
    shard: ShardId
    user: User | None
    loaded_at: float
    inboxes: dict[int, Inbox] = field(default_factory=dict)

    @property
    def attached(self) -> list[Inbox]:
        return [inbox for inbox in self.inboxes.values() if inbox.session is not None]


Then = Callable[[Person], None]
Stored = tuple[Head, Sequence[Entry]]  # an inbox, and its last items


class People:
    """See the module's text. `clock` is monotonic, in seconds; `restore` gets what is stored."""

    def __init__(
        self,
        users: Users,
        store: InboxStore,
        clock: Callable[[], float],
        restore: Callable[[DeviceId, Sequence[Entry]], None],
        shard: Callable[[UserId], ShardId],
        epochs: Mapping[ShardId, Epoch],
        most: int = limits.REMEMBERED_USERS,
    ) -> None:
        self._users = users
        self._restore = restore
        self._shard, self._epochs = shard, epochs
        self._store = store
        self._clock = clock
        self._known: dict[UserId, Person] = {}
        self._by_shard: defaultdict[ShardId, dict[UserId, Person]] = defaultdict(dict)  # the same
        self._waiting: dict[UserId, list[Then]] = {}
        self._loading: dict[UserId, list[Then]] = {}  # what waits for a load that has begun
        self._troubled: dict[ShardId, int] = {}  # whose inboxes were not read; how many loads wait
        self._apart: set[asyncio.Task[None]] = set()
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None
        self._most = self._forget_above = most

    def __len__(self) -> int:
        return len(self._known)

    def known(self, user: UserId) -> Person | None:
        """Somebody in memory, whatever their age."""
        return self._known.get(user)

    def with_person(
        self, user: UserId, then: Then, *, fresh: bool = False, aged: bool = False
    ) -> None:
        """Call `then` with the person: at once if they are here, else when they are loaded.

        `fresh` asks the directory again in any case; `aged` takes who is here, whatever their age.
        """
        person = self._known.get(user)
        queued = user in self._waiting or user in self._loading
        if person and not fresh and not queued and (aged or self._young(person)):
            then(person)
        elif user in self._loading and user not in self._waiting and not fresh:
            self._loading[user].append(then)
        else:
            self._waiting.setdefault(user, []).append(then)
            self._wake()

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._load(), name="router-load")

    def _young(self, person: Person) -> bool:
        ttl = limits.USER_TTL if person.user else limits.UNKNOWN_USER_TTL
        return self._clock() - person.loaded_at < ttl

    # --- loading ------------------------------------------------------------------------------

    async def _load(self) -> None:
        while wanted := self._wanted():
            epochs = {user: self._epoch(user) for user in wanted}
            for user in wanted:
                self._loading[user] = self._waiting.pop(user)
            users = await self._again(lambda: self._users.load(wanted))
            well, troubled = self._divided(wanted)
            try:
                heads = await self._heads(users, well)
            except Exception as error:
                self._failed(error)
                troubled = self._divided(wanted, apart=True)[1]
            else:
                self._all_loaded(well, epochs, users, heads)
            for shard, group in troubled.items():
                self._load_apart(shard, group, epochs, users)
        self._forget()

    def _wanted(self) -> list[UserId]:
        """The next to be loaded; who is loaded now is loaded again after that."""
        free = (user for user in self._waiting if user not in self._loading)
        return list(islice(free, limits.LOAD_USERS))

    def _divided(
        self, users: Sequence[UserId], *, apart: bool = False
    ) -> tuple[list[UserId], dict[ShardId, list[UserId]]]:
        """Whose inboxes are read together, and those that are read apart, by their shards."""
        together: list[UserId] = []
        troubled: defaultdict[ShardId, list[UserId]] = defaultdict(list)
        for user in users:
            shard = self._shard(user)
            (troubled[shard] if apart or shard in self._troubled else together).append(user)
        return together, troubled

    def _load_apart(
        self,
        shard: ShardId,
        group: Sequence[UserId],
        epochs: Mapping[UserId, Epoch | None],
        users: dict[UserId, User],
    ) -> None:
        """The inboxes of one shard, however long it takes."""

        async def load() -> None:
            heads = await self._again(lambda: self._heads(users, group), wait=_FIRST_WAIT)
            self._all_loaded(group, epochs, users, heads)

        def done(task: asyncio.Task[None]) -> None:
            self._apart.discard(task)
            self._troubled[shard] -= 1
            if not self._troubled[shard]:
                del self._troubled[shard]

        self._troubled[shard] = self._troubled.get(shard, 0) + 1
        task = asyncio.create_task(load(), name="router-load-apart")
        self._apart.add(task)
        task.add_done_callback(done)

    async def _again(self, call: Callable[[], Awaitable[T]], *, wait: float = 0.0) -> T:
        """What it brings, when it does."""
        while True:
            await asyncio.sleep(wait)
            try:
                return await call()
            except Exception as error:
                self._failed(error)
            wait = min(wait * 2, 1.0) or _FIRST_WAIT

    def _failed(self, error: Exception) -> None:
        """Said once, until some are loaded again."""
        if not isinstance(error, StoreUnavailable):  # what waits must not wait for ever
            log.error("people could not be loaded; it is tried again", exc_info=error)
        elif not self._is_failing:
            log.warning("people cannot be loaded; what needs them waits", reason=str(error))
            self._is_failing = True

    def _epoch(self, user: UserId) -> Epoch | None:
        return self._epochs.get(self._shard(user))

    async def _heads(
        self, users: Mapping[UserId, User], of: Sequence[UserId]
    ) -> dict[UserId, list[Stored]]:
        """Bring the inboxes of devices that are not in memory, of shards that are held."""
        missing = [
            DeviceId(user, device)
            for user in of
            if user in users and self._epoch(user) is not None
            for device in users[user].devices
            if user not in self._known or device not in self._known[user].inboxes
        ]
        heads = await self._store.heads(missing) if missing else ()
        reading = asyncio.Semaphore(limits.NEWEST_AT_ONCE)

        async def newest(head: Head) -> Sequence[Entry]:
            if not head.items:
                return ()
            async with reading:  # what an earlier life took (O2)
                return await self._store.newest(head.device, limits.READ_ITEMS, limits.READ_BYTES)

        found: dict[UserId, list[Stored]] = {}
        for head, last in zip(heads, await asyncio.gather(*map(newest, heads)), strict=True):
            found.setdefault(head.device.user, []).append((head, last))
        return found

    def _all_loaded(
        self,
        wanted: Sequence[UserId],
        epochs: Mapping[UserId, Epoch | None],
        users: Mapping[UserId, User],
        heads: Mapping[UserId, Sequence[Stored]],
    ) -> None:
        for user in wanted:
            waiting = self._loading.pop(user, [])
            if epochs[user] == self._epoch(user):
                self._loaded(user, users.get(user), heads.get(user, ()), waiting)
            else:  # it was given away, and came back; in order, what came since is behind
                self._waiting[user] = waiting + self._waiting.pop(user, [])
            if user in self._waiting:
                self._wake()
        self._is_failing = False

    def _loaded(
        self, user_id: UserId, user: User | None, heads: Sequence[Stored], waiting: Sequence[Then]
    ) -> None:
        person = self._known.get(user_id) or Person(user_id, self._shard(user_id), None, 0.0)
        if self._epoch(user_id) is not None:
            self._known[user_id] = self._by_shard[person.shard][user_id] = person
        person.user, person.loaded_at = user, self._clock()
        for head, newest in heads:
            if head.device.device not in person.inboxes:
                person.inboxes[head.device.device] = Inbox.of(head)
                try:
                    self._restore(head.device, newest)
                except Exception:  # a kindness (O2)
                    log.exception("what an earlier life took cannot be read")
        for then in waiting:
            try:
                then(person)
            except Exception:  # a bug there must not silence those that wait behind it
                log.exception("what waited for a person failed")

    # --- forgetting ---------------------------------------------------------------------------

    def forget_shards(self, shards: Set[ShardId]) -> list[Person]:
        """They are given away: returns whom they held, who are not in memory any more."""
        gone = [person for shard in shards for person in self._by_shard.pop(shard, {}).values()]
        for person in gone:
            del self._known[person.id]
        return gone

    def _forget(self) -> None:
        """Keep memory bounded: those whom nobody is attached for, and who owe nothing, go.

        Where most are attached, the next look is when a tenth more have come.
        """
        if len(self._known) <= self._forget_above:
            return
        for person in list(self._known.values()):
            if len(self._known) <= self._most * 9 // 10:
                break
            if self._is_idle(person):
                del self._known[person.id]
                del self._by_shard[person.shard][person.id]
        self._forget_above = max(self._most, len(self._known) * 11 // 10)

    def _is_idle(self, person: Person) -> bool:
        awaited = person.id in self._waiting or person.id in self._loading
        return not awaited and all(
            inbox.session is None and not inbox.connecting and inbox.last == inbox.durable
            for inbox in person.inboxes.values()
        )

    async def stop(self) -> None:
        tasks = [*self._apart, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
