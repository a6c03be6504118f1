"""Copies of groups' entries, taken into the inboxes of members in this owner's shards.

Of a group each member takes what comes in rising order, once: what is at or below the last that was
taken is answered as durable when it is. This memory goes with the process and with shards that are
given away; what an inbox still holds brings it back, and beyond it devices drop doubles (G5).
"""

from collections import OrderedDict
from collections.abc import Sequence, Set
from typing import NamedTuple

from signet.core import limits
from signet.core.checks import has_room
from signet.core.delivery import Receipt
from signet.core.grouped import Grouped
from signet.core.groups import GroupCopy, GroupId
from signet.core.ids import START, DeviceId, Position, ShardId, UserId
from signet.internal.v1.stored import read_place
from signet.internal.v1.stored_groups import Copies as Bodies
from signet.ports.inbox import Entry
from signet.router.context import Context
from signet.router.people import Inbox
from signet.router.taking import Then, taken
from signet.router.writer import Write
from signet.telemetry import metrics

ACCEPTED = metrics.ITEMS_ACCEPTED.labels("group_copy")
DROPPED = metrics.GROUP_COPIES_DROPPED


class _Key(NamedTuple):
    """Whose copies of which group."""

    user: UserId
    group: GroupId


class _Numbered(NamedTuple):
    """A copy that was given its place in an inbox."""

    inbox: Inbox
    position: Position
    body: bytes
    copy: GroupCopy


class Copies:
    """See the module's text."""

    def __init__(self, context: Context, most: int = limits.REMEMBERED_CONVERSATIONS) -> None:
        self._context = context
        self._last: OrderedDict[_Key, Position] = OrderedDict()
        self._by_shard: Grouped[_Key, ShardId] = Grouped(lambda key: context.shard(key.user))
        self._most = most

    async def take(self, copies: Sequence[GroupCopy]) -> None:
        """For users of our shards, each group's in their order: durable when it returns.

        Raises:
            StoreUnavailable: there is no room, or a shard was given away meanwhile.
        """
        users = {user for copy in copies for user in copy.to}
        await taken(self._context, users, lambda then: self._append(copies, then))

    def _append(self, copies: Sequence[GroupCopy], then: Then) -> None:
        numbered = [one for copy in copies for one in self._numbered(copy)]
        entries = [
            (
                self._context.shard(inbox.device.user),
                Entry(inbox.device, position, copy.accepted_ms, body),
            )
            for inbox, position, body, copy in numbered
        ]

        def done() -> None:
            self._durable(numbered)
            then()

        # Where all were taken before: behind those appends, which may be under way.
        self._context.writer.add(Write(entries, done=done))

    def _numbered(self, copy: GroupCopy) -> list[_Numbered]:
        bodies, numbered = Bodies(copy), []
        for user in copy.to:
            person = self._context.people.known(user)
            if person is None or person.user is None or not self._is_next(user, copy):
                continue
            epoch = self._context.epochs[person.shard]
            for device, registration in person.user.devices.items():
                inbox = person.inboxes[device]
                if has_room(inbox.items, inbox.bytes):
                    body = bodies.body(inbox.device, registration)
                    at = inbox.number(epoch, len(body))
                    numbered.append(_Numbered(inbox, at, body, copy))
                else:  # what follows it says that something is missing (G5)
                    DROPPED.inc()
        return numbered

    def _is_next(self, user: UserId, copy: GroupCopy) -> bool:
        key = _Key(user, copy.group)
        if copy.at <= self._last.get(key, START):
            return False
        self._saw(key, copy.at)
        return True

    def _saw(self, key: _Key, at: Position) -> None:
        self._last[key] = at
        self._last.move_to_end(key)
        self._by_shard.add(key)
        if len(self._last) > self._most:
            oldest, _ = self._last.popitem(last=False)
            self._by_shard.discard(oldest)

    def _durable(self, numbered: Sequence[_Numbered]) -> None:
        ACCEPTED.inc(len(numbered))
        for inbox, position, body, copy in numbered:
            inbox.durable = position
            self._context.pushed(inbox, position, body, _receipt(copy, inbox))
            if not copy.quiet and not _is_own(copy, inbox):  # M11
                self._context.hints.waits([inbox], urgent=copy.urgent)

    def restore(self, device: DeviceId, entries: Sequence[Entry]) -> None:
        """What an earlier life took, and the device has not acknowledged."""
        for entry in entries:
            place = read_place(entry.body)
            if place is not None:
                key = _Key(device.user, GroupId(place[0]))
                if place[1] > self._last.get(key, START):
                    self._saw(key, place[1])

    def forget_shards(self, shards: Set[ShardId]) -> None:
        """They are given away: their next owner remembers by itself."""
        for key in self._by_shard.take(shards):
            del self._last[key]


def _is_own(copy: GroupCopy, inbox: Inbox) -> bool:
    """Whether it is a copy for the sender's own devices: nobody is told of those (G7)."""
    return copy.sender is not None and copy.sender.device.user == inbox.device.user


def _receipt(copy: GroupCopy, inbox: Inbox) -> Receipt | None:
    if copy.sender is None or not copy.message_id or _is_own(copy, inbox):
        return None
    return Receipt(copy.sender, copy.message_id, copy.accepted_ms)
