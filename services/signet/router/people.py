"""The users that an owner has in memory: their devices, their inboxes, who is attached.

Loaded together and in batches, on first use and again after USER_TTL; what needs somebody who is
not here yet waits for them in order. Of shards that are not held nothing stays in memory: what was
read in an earlier epoch may be old.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import structlog

from signet.core import limits
from signet.core.delivery import Delivery
from signet.core.ids import START, DeviceAddress, DeviceId, Epoch, Position, ShardId, UserId
from signet.ports.inbox import Entry, Head, InboxStore, StoreUnavailable
from signet.ports.users import User, Users

log = structlog.get_logger()


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
        self._waiting: dict[UserId, list[Then]] = {}
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
        queued = user in self._waiting
        if person and not fresh and not queued and (aged or self._young(person)):
            then(person)
            return
        self._waiting.setdefault(user, []).append(then)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._load(), name="router-load")

    def _young(self, person: Person) -> bool:
        ttl = limits.USER_TTL if person.user else limits.UNKNOWN_USER_TTL
        return self._clock() - person.loaded_at < ttl

    async def _load(self) -> None:
        wait = 0.05
        while self._waiting:
            wanted = list(self._waiting)[: limits.LOAD_USERS]
            epochs = {user: self._epoch(user) for user in wanted}
            try:
                users = await self._users.load(wanted)
                heads = await self._heads(users)
            except Exception as error:
                if isinstance(error, StoreUnavailable):
                    log.warning("people cannot be loaded; what needs them waits", reason=str(error))
                else:  # what waits must not wait for ever
                    log.exception("people could not be loaded; it is tried again")
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
                continue
            for user in wanted:
                if epochs[user] == self._epoch(user):  # else it was given away, and came back
                    self._loaded(user, users.get(user), heads.get(user, ()))
        self._forget()

    def _epoch(self, user: UserId) -> Epoch | None:
        return self._epochs.get(self._shard(user))

    async def _heads(self, users: dict[UserId, User]) -> dict[UserId, list[Stored]]:
        """Bring the inboxes of devices that are not in memory, of shards that are held."""
        missing = [
            DeviceId(user.id, device)
            for user in users.values()
            for device in user.devices
            if self._epoch(user.id) is not None
            and (user.id not in self._known or device not in self._known[user.id].inboxes)
        ]
        found: dict[UserId, list[Stored]] = {}
        for head in await self._store.heads(missing) if missing else ():
            newest: Sequence[Entry] = ()
            if head.items:  # what an earlier life took (O2)
                newest = await self._store.newest(head.device, limits.READ_ITEMS, limits.READ_BYTES)
            found.setdefault(head.device.user, []).append((head, newest))
        return found

    def _loaded(self, user_id: UserId, user: User | None, heads: Sequence[Stored]) -> None:
        held = self._epoch(user_id) is not None
        person = self._known.get(user_id) or Person(user_id, self._shard(user_id), None, 0.0)
        if held:
            self._known[user_id] = person
        person.user, person.loaded_at = user, self._clock()
        for head, newest in heads:
            if head.device.device not in person.inboxes:
                person.inboxes[head.device.device] = Inbox.of(head)
                try:
                    self._restore(head.device, newest)
                except Exception:  # a kindness (O2)
                    log.exception("what an earlier life took cannot be read")
        for then in self._waiting.pop(user_id, ()):
            try:
                then(person)
            except Exception:  # a bug there must not silence those that wait behind it
                log.exception("what waited for a person failed")

    def forget_shards(self, shards: Set[ShardId]) -> list[Person]:
        """They are given away: returns whom they held, who are not in memory any more."""
        gone = [person for person in self._known.values() if person.shard in shards]
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
        self._forget_above = max(self._most, len(self._known) * 11 // 10)

    def _is_idle(self, person: Person) -> bool:
        return person.id not in self._waiting and all(
            inbox.session is None and not inbox.connecting and inbox.last == inbox.durable
            for inbox in person.inboxes.values()
        )

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
