"""From a group's log to the owners of its members' shards: in order, again and again (G1).

Each shard has a lane of what it has not confirmed, from all groups of this router, oldest first;
one call at a time brings the next of it. So a shard that is slow holds up its own members and
nobody else. When all shards have confirmed an entry, and all before it, the log is trimmed up to
there.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import structlog

from signet.core import limits
from signet.core.groups import GroupCopy
from signet.core.ids import Position, ShardId, UserId
from signet.ports.inbox import Acknowledged, StoreUnavailable
from signet.router.context import Context
from signet.router.groups.logs import GroupLog, Waiting
from signet.router.writer import Write

log = structlog.get_logger()

Take = Callable[[Sequence[GroupCopy]], Awaitable[None]]


@dataclass(slots=True)
class _Part:
    """What one shard is to confirm of an entry."""

    group: GroupLog
    entry: Waiting
    users: frozenset[UserId]


Parts = dict[ShardId, list[_Part]]


@dataclass(slots=True)
class _Lane:
    parts: deque[_Part] = field(default_factory=deque)
    busy: bool = False
    wait: float = limits.PEER_RETRY  # after a call that failed

    def next(self) -> list[_Part]:
        """What the next call brings."""
        found: list[_Part] = []
        size = 0
        for part in self.parts:
            if len(found) == limits.GROUP_COPIES or size > limits.READ_BYTES:
                break
            if not part.group.gone:
                found.append(part)
                size += part.entry.copy.size
        return found

    def brought(self, parts: Sequence[_Part]) -> None:
        """They are confirmed; what is before them is of groups that are gone."""
        while self.parts and parts and self.parts.popleft() is not parts[-1]:
            pass


class FanOut:
    """`take` is for shards that are served here: durable in their inboxes when it returns."""

    def __init__(self, context: Context, take: Take) -> None:
        self._context, self._take = context, take
        self._lanes: dict[ShardId, _Lane] = {}
        self._ready: dict[ShardId, None] = {}  # lanes that a call may begin for
        self._pumping = False
        self._confirmed: dict[int, tuple[GroupLog, Position]] = {}  # to be trimmed
        self.waiting_bytes = 0

    def is_full(self, group: GroupLog) -> bool:
        """Whether too much of it, or of all groups, waits for members (P7)."""
        return (
            len(group.waiting) >= limits.GROUP_WAITING
            or group.waiting_bytes >= limits.GROUP_WAITING_BYTES
            or self.waiting_bytes >= limits.GROUPS_WAITING_BYTES
        )

    def expects(self, group: GroupLog, copy: GroupCopy) -> Waiting:
        """The next of the group was numbered; `add` it when it is durable."""
        entry = Waiting(copy, dict(self._split(group, copy.to)))
        group.waiting.append(entry)
        group.waiting_bytes += copy.size
        self.waiting_bytes += copy.size
        return entry

    def _split(self, group: GroupLog, to: tuple[UserId, ...]) -> dict[ShardId, frozenset[UserId]]:
        """Users by their shards; the same members as those before are looked at once."""
        if group.split[0] is not to:
            by_shard: dict[ShardId, set[UserId]] = {}
            for user in to:
                by_shard.setdefault(self._context.shard(user), set()).add(user)
            group.split = to, {shard: frozenset(users) for shard, users in by_shard.items()}
        return group.split[1]

    def add(self, group: GroupLog, entry: Waiting) -> None:
        """The next entry of the group's log is durable: bring it to all its members."""
        for shard, users in entry.left.items():
            lane = self._lanes.setdefault(shard, _Lane())
            lane.parts.append(_Part(group, entry, users))
            self._may_begin(shard, lane)
        self._done(group)

    def _may_begin(self, shard: ShardId, lane: _Lane) -> None:
        if lane.busy:
            return
        self._ready[shard] = None
        if not self._pumping:
            self._pumping = True
            self._context.soon(self._pump)

    def _pump(self) -> None:
        """Begin a call for each lane that has none.

        Those whose members are all in memory here share one; who has to be read first, or is
        another owner's, holds up nobody else.
        """
        self._pumping = False
        ready, self._ready = self._ready, {}
        shared: Parts = {}
        count = 0
        for shard in ready:
            lane = self._lanes[shard]
            parts = lane.next()
            if not parts:  # all of it is of groups that are gone
                del self._lanes[shard]
                continue
            lane.busy = True
            if not self._context.serves(shard):
                self._context.spawn(self._bring({shard: parts}, self._away(shard)))
            elif self._in_memory(parts):
                shared[shard] = parts
                count += len(parts)
                if count >= limits.SHARED_COPIES:
                    self._context.spawn(self._bring(shared, self._take))
                    shared, count = {}, 0
            else:
                self._context.spawn(self._bring({shard: parts}, self._take))
        if shared:
            self._context.spawn(self._bring(shared, self._take))

    def _in_memory(self, parts: Sequence[_Part]) -> bool:
        known = self._context.people.known
        return all(known(user) is not None for part in parts for user in part.users)

    def _away(self, shard: ShardId) -> Take:
        return lambda copies: self._context.peers.fan_out(shard, copies)

    async def _bring(self, parts: Parts, take: Take) -> None:
        """One call for these lanes; then they go on, at once or after a while."""
        lanes = {shard: self._lanes[shard] for shard in parts}
        brought = await self._try(parts, take)
        if not brought:
            await self._context.pause(max(lane.wait for lane in lanes.values()))
        for shard, lane in lanes.items():
            lane.busy = False
            lane.wait = limits.PEER_RETRY if brought else min(2 * lane.wait, 1.0)
            if brought:
                self._confirm(shard, lane, parts[shard])
            if lane.parts and lane.next():
                self._may_begin(shard, lane)
            else:
                del self._lanes[shard]

    async def _try(self, parts: Parts, take: Take) -> bool:
        try:
            await take(_copies(part for those in parts.values() for part in those))
        except StoreUnavailable:
            return False
        except Exception:  # a bug there must not keep what members wait for for ever
            log.exception("what members of groups have to get could not be brought")
            return False
        return True

    def _confirm(self, shard: ShardId, lane: _Lane, parts: Sequence[_Part]) -> None:
        lane.brought(parts)
        for part in parts:
            part.entry.left.pop(shard, None)
            if not part.group.gone:
                self._done(part.group)

    # --- trimming -----------------------------------------------------------------------------

    def _done(self, group: GroupLog) -> None:
        """Trim what all have confirmed, without a gap."""
        up_to: Position | None = None
        while (
            group.waiting
            and not group.waiting[0].left
            and group.waiting[0].copy.at <= group.inbox.durable
        ):
            copy = group.waiting.popleft().copy
            group.waiting_bytes -= copy.size
            self.waiting_bytes -= copy.size
            up_to = copy.at
        if up_to is None:
            return
        if not self._confirmed:
            self._context.later(limits.RECEIPT_DELAY, self.flush)
        self._confirmed[id(group)] = group, up_to

    def flush(self) -> None:
        """Write what was confirmed: logs are trimmed (G1)."""
        confirmed, self._confirmed = self._confirmed, {}
        trimmed = []
        for group, up_to in confirmed.values():
            if not group.gone and self._context.serves(group.shard):
                group.inbox.acknowledged = up_to
                trimmed.append((group.shard, Acknowledged(group.inbox.device, up_to)))
        if trimmed:
            self._context.writer.add(Write(acknowledged=trimmed))

    def forget(self, group: GroupLog) -> None:
        """Its shard is given away: the next owner goes on with what its log holds."""
        self.waiting_bytes -= group.waiting_bytes
        group.waiting.clear()
        group.waiting_bytes = 0


def _copies(parts: Iterable[_Part]) -> list[GroupCopy]:
    """One copy of each entry, for all who are to get it now; each group's in its order."""
    users: dict[int, set[UserId]] = {}
    entries: dict[int, GroupCopy] = {}
    for part in parts:
        entries[id(part.entry)] = part.entry.copy
        users.setdefault(id(part.entry), set()).update(part.users)
    return sorted((copy.only(users[key]) for key, copy in entries.items()), key=attrgetter("at"))
