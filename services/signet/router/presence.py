"""Presence of the users of this router's shards, and who watches them (design.md §5, P8).

A user is online while a session of theirs is attached; gateways end sessions that miss their
heartbeats. Watchers may be attached anywhere: they are known by link and session.
"""

from collections import defaultdict
from collections.abc import Set

from signet.core import limits
from signet.core.grouped import Grouped
from signet.core.ids import ShardId, UserId
from signet.core.link import Push, SetStatus, WatchUsers
from signet.core.visibility import may_see
from signet.internal.v1.stored import presence_frame
from signet.ports.inbox import StoreUnavailable
from signet.ports.presence import Seen, Status
from signet.ports.users import User
from signet.router.context import Context
from signet.router.last_seen import LastSeen

Watcher = tuple[int, int, ShardId]  # link, session, whose users of this shard it watches


class Presences:
    """See the module's text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last_seen = LastSeen(context.users, context.clock, context.later, context.spawn)
        self._watchers: defaultdict[UserId, set[Watcher]] = defaultdict(set)
        self._watched: dict[Watcher, tuple[UserId, frozenset[UserId]]] = {}
        self._by_shard: Grouped[Watcher, ShardId] = Grouped(lambda watcher: watcher[2])
        self._watching: defaultdict[tuple[int, int], set[ShardId]] = defaultdict(set)
        self._told: dict[Watcher, dict[UserId, tuple[Status, int]]] = {}
        self._dirty: set[UserId] = set()

    # --- whose presence changes ---------------------------------------------------------------

    def changed(self, user: UserId) -> None:
        """Sessions of the user came, went, or said something else."""
        if not self._dirty:
            self._context.soon(self._publish)
        self._dirty.add(user)

    def set_status(self, link: int, frame: SetStatus) -> None:
        """Online or away, as one session says."""
        inbox = self._context.sessions.get((link, frame.session))
        if inbox is not None and inbox.session is not None:
            inbox.session.status = frame.status
            self.changed(inbox.device.user)

    def status(self, user: UserId) -> Status:
        """Online if any session is, away if all are away."""
        person = self._context.people.known(user)
        said = [i.session.status for i in person.attached if i.session] if person else []
        if not said:
            return Status.OFFLINE
        return Status.AWAY if all(status == Status.AWAY for status in said) else Status.ONLINE

    def _publish(self) -> None:
        dirty, self._dirty = self._dirty, set()
        statuses = {user: self.status(user) for user in dirty}
        for user, status in statuses.items():
            if status is Status.OFFLINE:
                self._last_seen.gone(user, self._context.now_ms())
        self._context.spawn(self._write(statuses))
        for user in dirty:
            for watcher in list(self._watchers.get(user, ())):
                viewer = self._watched[watcher][0]
                self._context.spawn(self._tell(watcher, viewer, [user]))

    async def _write(self, statuses: dict[UserId, Status]) -> None:
        now_ms = self._context.now_ms()
        seen = [
            Seen(user, status, now_ms, self._gateway(user))
            for user, status in statuses.items()
            if not self._is_gone(user)
        ]
        await self._context.presence.put(seen, self._ttl_s(statuses))

    def _is_gone(self, user: UserId) -> bool:
        """Deleted: of whom nothing is kept."""
        person = self._context.people.known(user)
        return person is not None and person.user is None

    def _gateway(self, user: UserId) -> str:
        person = self._context.people.known(user)
        for inbox in person.attached if person else ():
            assert inbox.session is not None
            link = self._context.links.get(inbox.session.link)
            return link.gateway if link else ""
        return ""

    def _ttl_s(self, users: dict[UserId, Status]) -> float:
        """Two of the longest heartbeat among them; rewritten by `refresh`."""
        longest = 30
        for user in users:
            person = self._context.people.known(user)
            for inbox in person.attached if person else ():
                assert inbox.session is not None
                longest = max(longest, inbox.session.heartbeat_s)
        return 2.0 * longest

    async def refresh(self) -> None:
        """Rewrite the records of all who are attached, so that they live on."""
        users = list({inbox.device.user for inbox in self._context.sessions.values()})
        for first in range(0, len(users), limits.PRESENCE_AT_ONCE):
            part = users[first : first + limits.PRESENCE_AT_ONCE]
            await self._write({user: self.status(user) for user in part})

    async def stop(self) -> None:
        """Whoever is still attached was last seen now."""
        for user in {inbox.device.user for inbox in self._context.sessions.values()}:
            self._last_seen.gone(user, self._context.now_ms())
        await self._last_seen.note(at_once=True)

    # --- who watches --------------------------------------------------------------------------

    def watch(self, link: int, shard: ShardId, frame: WatchUsers) -> None:
        """Replace what a session watches of a shard; it is told what it may know now."""
        watcher = (link, frame.session, shard)
        self._forget(watcher)
        if not frame.users:
            return
        viewer = frame.watcher.device.user
        self._watched[watcher] = (viewer, frozenset(frame.users))
        self._watching[link, frame.session].add(shard)
        self._by_shard.add(watcher)
        for user in frame.users:
            self._watchers[user].add(watcher)
        self._context.spawn(self._tell(watcher, viewer, list(frame.users)))

    def forget(self, link: int, session: int) -> None:
        """The session is gone."""
        for shard in list(self._watching.get((link, session), ())):
            self._forget((link, session, shard))

    def _forget(self, watcher: Watcher) -> None:
        _, users = self._watched.pop(watcher, (None, frozenset()))
        self._told.pop(watcher, None)
        self._by_shard.discard(watcher)
        if shards := self._watching.get(watcher[:2]):
            shards.discard(watcher[2])
            if not shards:
                del self._watching[watcher[:2]]
        for user in users:
            self._watchers[user].discard(watcher)
            if not self._watchers[user]:
                del self._watchers[user]

    def forget_link(self, link: int) -> None:
        for session in [key[1] for key in self._watching if key[0] == link]:
            self.forget(link, session)

    def forget_shards(self, shards: Set[ShardId]) -> None:
        """They are given away: who watches their users watches them at the next owner."""
        gone = {user for user in self._dirty if self._context.shard(user) in shards}
        self._dirty -= gone
        for watcher in self._by_shard.take(shards):
            self._forget(watcher)

    async def _tell(self, watcher: Watcher, viewer: UserId, users: list[UserId]) -> None:
        try:
            loaded = await self._context.users.load([*users, viewer])
            written = await self._context.users.have_written([(user, viewer) for user in users])
            seen = await self._context.presence.get(users)
        except StoreUnavailable:
            return  # presence may be late (P8); the next change tells
        if watcher not in self._watched:
            return
        told = self._told.setdefault(watcher, {})
        for user in users:
            may = user in loaded and viewer in loaded
            may = may and visible(loaded[user], loaded[viewer], (user, viewer) in written)
            status, last_seen_ms = Status.OFFLINE, 0
            if may:
                status = self.status(user)
                last_seen_ms = max(loaded[user].last_seen_ms, self._last_seen.of(user))
                if user in seen:
                    last_seen_ms = max(last_seen_ms, seen[user].last_seen_ms)
            # Whoever may not see, and who looks at nobody, is told "offline" once and never more:
            # a frame at each change would tell that something changed.
            if may or told.get(user) != (status, last_seen_ms):
                told[user] = (status, last_seen_ms)
                frame = presence_frame(user, status, last_seen_ms)
                self._context.tell(watcher[0], [Push(watcher[1], frame)])


def visible(user: User, viewer: User, written_to_viewer: bool) -> bool:
    """May `viewer` see the presence of `user`?"""
    return may_see(
        audience=user.presence,
        viewer_audience=viewer.presence,
        blocked=user.blocked,
        viewer=viewer.id,
        written_to_viewer=written_to_viewer,
    )
