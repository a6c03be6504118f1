"""The groups that an owner has in memory: their members, their logs, what waits for members.

A group is read when it is first needed: what its log still holds goes to the members again, oldest
first (G1 of docs/durability.md), then changes that are not in its order yet are put there (G2), and
only then is anything judged by it. It is read again after USER_TTL, and whenever keys says so.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

import structlog

from signet.core import limits
from signet.core.groups import Devices, GroupCopy, GroupId, devices_digest, group_of, log_of
from signet.core.ids import Epoch, ShardId, UserId
from signet.internal.v1.stored_groups import Logged, read_entry
from signet.ports.groups import Groups, GroupView, Step
from signet.ports.inbox import Entry, Head, StoreUnavailable
from signet.router.context import Context
from signet.router.people import Inbox

log = structlog.get_logger()


@dataclass(slots=True)
class Waiting:
    """An entry that some shards have not confirmed yet."""

    copy: GroupCopy
    left: dict[ShardId, frozenset[UserId]]  # and who of its members is in them


@dataclass(slots=True)
class GroupLog:
    """`view` None: there is no such group. `applied` is the last change that is in the order."""

    id: GroupId
    shard: ShardId
    epoch: Epoch
    inbox: Inbox
    view: GroupView | None = None
    devices: Devices = field(default_factory=dict)
    digest: bytes = b""
    applied: int = 0
    loaded_at: float = 0.0
    waiting: deque[Waiting] = field(default_factory=deque)
    waiting_bytes: int = 0
    split: tuple[tuple[UserId, ...], dict[ShardId, frozenset[UserId]]] = ((), {})  # see FanOut
    gone: bool = False  # its shard is given away: nothing of it goes on here

    def is_idle(self) -> bool:
        """Nothing of it is under way."""
        return not self.waiting and self.inbox.last == self.inbox.durable


Then = Callable[[GroupLog | None], None]


class Logs:
    """`restored` gets what a log held when it was read, `steps` puts changes into the order."""

    def __init__(
        self,
        context: Context,
        groups: Groups,
        restored: Callable[[GroupLog, Sequence[Logged]], None],
        steps: Callable[[GroupLog, Sequence[Step]], None],
        most: int = limits.REMEMBERED_GROUPS,
    ) -> None:
        self._context, self._groups = context, groups
        self._restored, self._steps = restored, steps
        self._known: dict[GroupId, GroupLog] = {}
        self._by_shard: defaultdict[ShardId, set[GroupId]] = defaultdict(set)
        self._waiting: dict[GroupId, list[Then]] = {}
        self._loading: set[GroupId] = set()
        self._most = most

    def __len__(self) -> int:
        return len(self._known)

    def shard(self, group: GroupId) -> ShardId:
        return self._context.shard(UserId(group))

    def with_log(self, group: GroupId, then: Then, *, fresh: bool = False) -> None:
        """Call `then` with the group: at once if it is here, else when it was read.

        With None: its shard is another's. `fresh` reads it again in any case.
        """
        known = self._known.get(group)
        queued = group in self._waiting or group in self._loading
        if known is not None and not fresh and not queued and self._young(known):
            then(known)
            return
        self._waiting.setdefault(group, []).append(then)
        if group not in self._loading:
            self._loading.add(group)
            self._context.spawn(self._load(group))

    def _young(self, known: GroupLog) -> bool:
        ttl = limits.USER_TTL if known.view is not None else limits.UNKNOWN_USER_TTL
        return self._context.clock() - known.loaded_at < ttl

    # --- loading ------------------------------------------------------------------------------

    async def _load(self, group: GroupId) -> None:
        try:
            while waiting := self._waiting.pop(group, []):
                here = await self._again(group)
                for then in waiting:
                    self._call(then, here)
        finally:
            self._loading.discard(group)
        self._forget()

    @staticmethod
    def _call(then: Then, here: GroupLog | None) -> None:
        try:
            then(here)
        except Exception:  # a bug there must not silence those that wait behind it
            log.exception("what waited for a group failed")

    async def _again(self, group: GroupId) -> GroupLog | None:
        """Until it is read, or its shard is not served any more."""
        wait = limits.PEER_RETRY / 4
        shard = self.shard(group)
        while self._context.serves(shard):
            try:
                return await self._read(group, shard, self._context.epochs[shard])
            except StoreUnavailable:
                pass
            except Exception:  # what waits must not wait for ever
                log.exception("a group could not be read; it is tried again")
            await self._context.pause(wait)
            wait = min(2 * wait, 1.0)
        return None

    async def _read(self, group: GroupId, shard: ShardId, epoch: Epoch) -> GroupLog | None:
        view = (await self._groups.views([group])).get(group)
        users = await self._context.users.load(view.members) if view is not None else {}
        known = self._known.get(group)
        head: Head | None = None
        entries: list[Entry] = []
        if known is None:
            (head,) = await self._context.store.heads([log_of(group)])
            entries = await self._entries(head)
        if self._context.epochs.get(shard) != epoch or not self._context.serves(shard):
            raise StoreUnavailable("the shard was given away")
        if head is not None:
            known = self._known[group] = GroupLog(group, shard, epoch, Inbox.of(head))
            self._by_shard[shard].add(group)
            logged = [read_entry(group, e.position, e.accepted_ms, e.body) for e in entries]
            self._restored(known, logged)
        assert known is not None
        self._see(
            known, view, {user: dict(known_user.devices) for user, known_user in users.items()}
        )
        return known

    async def _entries(self, head: Head) -> list[Entry]:
        """All that the log holds."""
        entries: list[Entry] = []
        after, more = head.acknowledged, True
        while more:
            page = await self._context.store.read(
                head.device, after, limits.READ_ITEMS, limits.READ_BYTES, 0
            )
            entries += page.entries
            more = page.more and bool(page.entries)
            after = entries[-1].position if entries else after
        return entries

    def _see(self, known: GroupLog, view: GroupView | None, devices: Devices) -> None:
        """What the directory says now: changes take effect in the order, then it is the group."""
        if view is not None:
            new = [s for s in view.steps if known.applied < s.version <= view.version]
            self._steps(known, new)
            known.applied = max(known.applied, view.version)
            devices = {user: devices.get(user, {}) for user in view.members}
        known.view, known.devices = view, devices
        known.digest = devices_digest(devices)
        known.loaded_at = self._context.clock()

    # --- taking and giving away -----------------------------------------------------------------

    async def recover(self, shards: Set[ShardId]) -> None:
        """Shards were taken: read the groups whose members still wait for something.

        One whose inboxes cannot be read yet holds up none of the others.
        """
        wait = limits.PEER_RETRY / 4
        while left := {shard for shard in shards if self._context.serves(shard)}:
            try:
                found = await self._context.store.logs(sorted(left))
            except StoreUnavailable:
                if len(left) > 1:
                    for shard in left:
                        self._context.spawn(self.recover({shard}))
                    return
                await self._context.pause(wait)
                wait = min(2 * wait, 1.0)
            else:
                for device in found:
                    self.with_log(group_of(device), lambda _: None)
                return

    def forget_shards(self, shards: Set[ShardId]) -> list[GroupLog]:
        """They are given away: returns the groups that were in memory, which are gone."""
        groups = [group for shard in shards for group in self._by_shard.pop(shard, ())]
        gone = [self._known.pop(group) for group in groups]
        for each in gone:
            each.gone = True
        return gone

    def _forget(self) -> None:
        """Keep memory bounded: groups of which nothing is under way go."""
        if len(self._known) <= self._most:
            return
        for known in list(self._known.values()):
            if len(self._known) <= self._most * 9 // 10:
                break
            if known.is_idle() and known.id not in self._loading:
                del self._known[known.id]
                self._by_shard[known.shard].discard(known.id)
