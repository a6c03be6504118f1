"""What one router does for groups: those of its shards, and members of others' groups in them."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

import structlog

from signet.core import limits
from signet.core.groups import GroupCopy, GroupId
from signet.core.ids import DeviceAddress, DeviceId, ShardId, UserId
from signet.core.link import GroupSend, NotOwner
from signet.ports.groups import Groups
from signet.ports.inbox import Entry, StoreUnavailable
from signet.router.context import Context
from signet.router.groups.copies import Copies
from signet.router.groups.fan_out import FanOut
from signet.router.groups.logs import GroupLog
from signet.router.groups.sends import GroupSends
from signet.router.sends import Reply
from signet.router.writer import Write

log = structlog.get_logger()


class GroupOwner:
    """See the package's text."""

    def __init__(self, context: Context, groups: Groups) -> None:
        self._context = context
        self._copies = Copies(context)
        self._fan_out = FanOut(context, self._copies.take)
        self._sends = GroupSends(context, groups, self._fan_out)

    def __len__(self) -> int:
        return len(self._sends.logs)

    @property
    def waiting_bytes(self) -> int:
        """Of entries that some shard of members has not confirmed."""
        return self._fan_out.waiting_bytes

    def submit(self, reply: Reply, sender: DeviceAddress, send: GroupSend) -> None:
        """Take a send from a gateway, and answer it."""
        self._sends.submit(reply, sender, send)

    async def changed(self, group: GroupId) -> None:
        """See ports/groups.GroupChanges."""
        here: asyncio.Future[GroupLog | None] = asyncio.get_running_loop().create_future()

        def came(known: GroupLog | None) -> None:
            if not here.done():
                here.set_result(known)

        self._sends.logs.with_log(group, came, fresh=True)
        async with asyncio.timeout(limits.TELL_TIMEOUT):
            if await here is None:
                raise StoreUnavailable("the shard was given away")
            durable = asyncio.Event()
            self._context.writer.add(Write(done=durable.set))
            await durable.wait()

    async def deliver(self, copies: Sequence[GroupCopy]) -> tuple[list[NotOwner], list[ShardId]]:
        """What other owners fan out: durable, but for what is answered.

        That is: shards that are not ours, with their owners, and shards of ours that had no room or
        took too long, which are to be brought again. One that is slow holds up none of the others.
        """
        users: defaultdict[ShardId, set[UserId]] = defaultdict(set)
        for user in {user for copy in copies for user in copy.to}:
            users[self._context.shard(user)].add(user)
        refused = [shard for shard in users if not self._context.serves(shard)]
        calls = {
            asyncio.ensure_future(self._copies.take(_only(copies, users, shards))): shards
            for shards in self._apart(users.keys() - set(refused), users)
        }
        if calls:
            await asyncio.wait(calls, timeout=limits.GROUP_PATIENCE)
        later: list[ShardId] = []
        for call, shards in calls.items():
            if not _well(call):
                later += shards
        return [self._context.not_owner(shard) for shard in sorted(refused)], sorted(later)

    def _apart(
        self, shards: Set[ShardId], users: Mapping[ShardId, Set[UserId]]
    ) -> list[list[ShardId]]:
        """Shards whose members are in memory go together; each that has to be read by itself."""
        known = self._context.people.known
        here = [s for s in shards if all(known(user) is not None for user in users[s])]
        others = [[shard] for shard in shards if shard not in here]
        return [here, *others] if here else others

    def restore(self, device: DeviceId, entries: Sequence[Entry]) -> None:
        """What an inbox holds from an earlier life."""
        self._copies.restore(device, entries)

    # --- shards that come and go ----------------------------------------------------------------

    def taken(self, shards: Set[ShardId]) -> None:
        """They are ours: what their groups' members still wait for goes on."""
        self._context.spawn(self._sends.logs.recover(shards))

    def flush(self) -> None:
        """Write what waits to be trimmed."""
        self._fan_out.flush()

    def forget_shards(self, shards: Set[ShardId]) -> None:
        """They are given away."""
        self._sends.forget_shards(shards)
        self._copies.forget_shards(shards)


def _only(
    copies: Sequence[GroupCopy], users: Mapping[ShardId, Set[UserId]], shards: Sequence[ShardId]
) -> list[GroupCopy]:
    wanted = {user for shard in shards for user in users[shard]}
    return [copy.only(wanted) for copy in copies]


def _well(call: "asyncio.Future[None]") -> bool:
    """Whether it is durable. One that is not over is given up; what it has queued stays so."""
    if not call.done():
        call.cancel()
        return False
    error = call.exception()
    if error is not None and not isinstance(error, StoreUnavailable):
        log.error("copies of a group could not be taken", exc_info=error)
    return error is None
