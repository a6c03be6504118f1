"""The users that an owner has in memory: their devices, their inboxes, who is attached.

Loaded together and in batches, on first use and again after USER_TTL; what needs somebody who is
not here yet waits for them in order.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from signet.core import limits
from signet.core.delivery import Delivery
from signet.core.ids import START, DeviceAddress, DeviceId, Position, UserId
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
    user: User | None
    loaded_at: float
    inboxes: dict[int, Inbox] = field(default_factory=dict)

    @property
    def attached(self) -> list[Inbox]:
        return [inbox for inbox in self.inboxes.values() if inbox.session is not None]


Then = Callable[[Person], None]


class People:
    """See the module's text. `clock` is monotonic, in seconds; `restore` gets what is stored."""

    def __init__(
        self,
        users: Users,
        store: InboxStore,
        clock: Callable[[], float],
        restore: Callable[[DeviceId, Sequence[Entry]], None],
    ) -> None:
        self._users = users
        self._restore = restore
        self._store = store
        self._clock = clock
        self._known: dict[UserId, Person] = {}
        self._waiting: dict[UserId, list[Then]] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._known)

    def known(self, user: UserId) -> Person | None:
        """Somebody in memory, whatever their age."""
        return self._known.get(user)

    def with_person(self, user: UserId, then: Then, *, fresh: bool = False) -> None:
        """Call `then` with the person: at once if they are here, else when they are loaded.

        `fresh` asks the directory again in any case.
        """
        person = self._known.get(user)
        queued = user in self._waiting
        if person and not fresh and not queued and self._young(person):
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
            try:
                users = await self._users.load(wanted)
                await self._heads(users)
            except StoreUnavailable as error:
                log.warning("people cannot be loaded; what needs them waits", reason=str(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
                continue
            for user in wanted:
                self._loaded(user, users.get(user))
        self._forget()

    async def _heads(self, users: dict[UserId, User]) -> None:
        """Bring the inboxes of devices that are not in memory."""
        missing = [
            DeviceId(user.id, device)
            for user in users.values()
            for device in user.devices
            if user.id not in self._known or device not in self._known[user.id].inboxes
        ]
        for head in await self._store.heads(missing) if missing else ():
            person = self._known.setdefault(head.device.user, Person(head.device.user, None, -1e9))
            person.inboxes.setdefault(head.device.device, Inbox.of(head))
            if head.items:  # what an earlier life took (O2)
                newest = await self._store.newest(head.device, limits.READ_ITEMS, limits.READ_BYTES)
                self._restore(head.device, newest)

    def _loaded(self, user_id: UserId, user: User | None) -> None:
        person = self._known.setdefault(user_id, Person(user_id, None, 0.0))
        person.user, person.loaded_at = user, self._clock()
        for then in self._waiting.pop(user_id, ()):
            try:
                then(person)
            except Exception:  # a bug there must not silence those that wait behind it
                log.exception("what waited for a person failed")

    def _forget(self) -> None:
        """Keep memory bounded: those whom nobody is attached for, and who owe nothing, go first."""
        if len(self._known) <= limits.REMEMBERED_USERS:
            return
        for person in list(self._known.values()):
            if len(self._known) <= limits.REMEMBERED_USERS * 9 // 10:
                return
            idle = all(
                inbox.session is None and inbox.last == inbox.durable
                for inbox in person.inboxes.values()
            )
            if idle and person.id not in self._waiting:
                del self._known[person.id]

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
