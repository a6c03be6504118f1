"""What the parts of a router share: shards, people, the writer, links, clocks."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from signet.core.delivery import Receipt
from signet.core.errors import Code
from signet.core.ids import Epoch, Incarnation, Position, ShardId, UserId
from signet.core.link import Drop, NotOwner, Push, ToGateway
from signet.core.recipients import Recipients
from signet.core.shards import shard_of
from signet.ports.events import Events
from signet.ports.inbox import InboxStore
from signet.ports.links import Deliver
from signet.ports.peers import Peers
from signet.ports.presence import PresenceStore
from signet.ports.users import Users
from signet.router.people import Inbox, People, Session
from signet.router.sessions import Sessions
from signet.router.writer import Writer

if TYPE_CHECKING:
    from signet.router.hints import Hints


@dataclass(slots=True)
class OpenLink:
    """A gateway's link. Frames for it gather for one turn of the loop."""

    number: int
    gateway: str
    deliver: Deliver
    waiting: list[ToGateway] = field(default_factory=list)


@dataclass(slots=True)
class Context:
    """One router. `now_ms` is Unix time; `clock` is monotonic, in seconds."""

    incarnation: Incarnation
    shards: int
    store: InboxStore
    users: Users
    presence: PresenceStore
    events: Events
    peers: Peers
    now_ms: Callable[[], int]
    clock: Callable[[], float]
    soon: Callable[[Callable[[], None]], object]
    spawn: Callable[[Coroutine[None, None, None]], object]
    later: Callable[[float, Callable[[], None]], object]
    pause: Callable[[float], Awaitable[None]]
    recipients: Recipients
    people: People = field(init=False)
    pushed: Callable[[Inbox, Position, bytes, Receipt | None], None] = field(init=False)
    writer: Writer = field(init=False)
    hints: "Hints" = field(init=False)
    epochs: dict[ShardId, Epoch] = field(default_factory=dict)  # of the shards that are held
    leaving: set[ShardId] = field(default_factory=set)  # held, and being handed over
    owners: dict[ShardId, tuple[Incarnation | None, Epoch]] = field(default_factory=dict)  # others
    links: dict[int, OpenLink] = field(default_factory=dict)
    sessions: Sessions = field(default_factory=Sessions)
    attaching: dict[tuple[int, int], Session] = field(default_factory=dict)

    def shard(self, user: UserId) -> ShardId:
        return shard_of(user, self.shards)

    def serves(self, shard: ShardId) -> bool:
        """Whether frames for it are taken: it is held, and not being handed over."""
        return shard in self.epochs and shard not in self.leaving

    def not_owner(
        self, shard: ShardId, *, sessions: Sequence[int] = (), tickets: Sequence[int] = ()
    ) -> NotOwner:
        """What of a shard is not taken here, and who owns it by the row that was read (L7).

        Nobody is named for a shard that is being handed over, or was: its next owner says so
        itself, and whoever is sent back here would go round.
        """
        owner, epoch = self.owners.get(shard, (None, Epoch(0)))
        if owner == self.incarnation:  # as the row was before it was given away, or is adopted
            owner = None
        if shard in self.epochs:
            serving = shard not in self.leaving
            owner, epoch = self.incarnation if serving else None, self.epochs[shard]
        return NotOwner(shard, owner, epoch, tuple(sessions), tuple(tickets))

    def tell(self, link: int, frames: Sequence[ToGateway]) -> None:
        """Hand frames to a gateway with all others of this turn of the loop."""
        open_link = self.links.get(link)
        if open_link is None:
            return
        if not open_link.waiting:
            self.soon(lambda: self._flush(open_link))
        open_link.waiting.extend(frames)

    @staticmethod
    def _flush(link: OpenLink) -> None:
        frames, link.waiting = link.waiting, []
        link.deliver(frames)

    def push(self, session: Session, frame: bytes) -> None:
        self.tell(session.link, [Push(session.number, frame)])

    def drop(self, session: Session, code: Code, retry_after_s: float = 0.0) -> None:
        """End a session; its gateway closes the stream."""
        self.tell(session.link, [Drop(session.number, code, retry_after_s)])
        inbox = self.sessions.pop((session.link, session.number))
        if inbox is not None and inbox.session is session:
            inbox.session = None
