"""Phones that write to a group, in a cluster in virtual time; and the directory that they share.

A phone knows of the group what refusals and changes have told it. What it takes is kept as it came,
with doubles left out as an SDK does (G5).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from signet.core.errors import Code
from signet.core.groups import Devices, GroupId, devices_digest
from signet.core.ids import MessageId, Position, UserId
from signet.core.outbox import Completed, Effect, Failed, Outbox, Seal, Transmit
from signet.ports.inbox import StoreUnavailable
from signet.v1 import messaging_pb2 as pb
from tests.support.cluster_in_time import Cluster
from tests.support.phones import Phone

GROUP = GroupId(b"group".ljust(16, b"_"))
TO = UserId(GROUP)
TELL_AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """One item of the group: a message's id, or a change's record."""

    at: Position
    follows: Position | None
    what: bytes


@dataclass(eq=False)
class GroupPhone(Phone):
    """`took` are the group's items in the order in which they came, each once."""

    took: list[Taken] = field(default_factory=list)
    sent: set[MessageId] = field(default_factory=set)
    refused: dict[MessageId, Code] = field(default_factory=dict)
    delivered: set[tuple[bytes, bytes]] = field(default_factory=set)  # message, by whom
    membership: int = 1
    devices: Devices = field(default_factory=dict)
    _sealed: dict[int, pb.GroupSend] = field(default_factory=dict)
    _known: set[bytes] = field(default_factory=set)

    def write_to_group(self) -> None:
        now = self.cluster.loop.time()
        if TO not in self.outboxes:
            self.outboxes[TO] = Outbox()
            if self.welcome:
                self._do(TO, self.outboxes[TO].opened(now))
        ordinal = sum(peer == TO for peer, _ in self.written) + 1
        self.written[TO, ordinal] = MessageId(self.cluster.chance.randbytes(16))
        self.outboxes[TO].add(ordinal, now, sealed=False)
        self._pump(TO)

    @property
    def waits_for_the_group(self) -> bool:
        """Whether something to it is not answered."""
        return TO in self.outboxes and len(self.outboxes[TO]) > 0

    def _do(self, to: UserId, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Completed(ordinal) if to == TO:
                    self.sent.add(self.written[TO, ordinal])
                case Failed(ordinal, code) if to == TO and code is not None:
                    self.refused[self.written[TO, ordinal]] = code
                case Seal(ordinals) if to == TO:
                    self._seal(ordinals)
                case _:
                    super()._do(to, [effect])

    def _seal(self, ordinals: Sequence[int]) -> None:
        """For the group as it is known now; a retry carries these bytes (M3)."""
        for ordinal in ordinals:
            self._sealed[ordinal] = pb.GroupSend(
                message_id=self.written[TO, ordinal],
                group=GROUP,
                ordinal=ordinal,
                membership=self.membership,
                devices=devices_digest(self.devices),
                content=b"%d" % ordinal,
            )
            self.outboxes[TO].sealed(ordinal)
        self._pump(TO)

    def _transmit(self, to: UserId, transmit: Transmit) -> None:
        if to != TO:
            super()._transmit(to, transmit)
            return
        assert self.wire is not None
        request = self._next()
        self._requests[request] = (TO, transmit.ordinal)
        send = self._sealed[transmit.ordinal]
        send.base = transmit.base
        self.wire.send(pb.ClientFrame(request=request, group_send=send))

    def _answered(self, request: int, answer: pb.Answer) -> None:
        if answer.refused.HasField("group"):
            self.membership = answer.refused.group.membership
            self.devices = {
                UserId(member.user): {d.device_id: d.registration_id for d in member.devices}
                for member in answer.refused.group.members
            }
        super()._answered(request, answer)

    def _show(self, item: pb.Item) -> None:
        kind = item.WhichOneof("body")
        if kind == "group_message":
            message = item.group_message
            self._take_once(message.at, message, message.message_id)
        elif kind == "group_changed":
            self._take_once(item.group_changed.at, item.group_changed, item.group_changed.record)
        else:
            for message_id in item.delivered.message_ids:
                self.delivered.add((message_id, item.delivered.by))
            super()._show(item)

    def _take_once(
        self, at: pb.Position, body: pb.GroupMessage | pb.GroupChanged, what: bytes
    ) -> None:
        place = Position(at.epoch, at.seq)
        if what in self._known or (self.took and place <= self.took[-1].at):
            return  # G5
        self._known.add(what)
        follows = Position(body.follows.epoch, body.follows.seq)
        self.took.append(Taken(place, follows if body.HasField("follows") else None, what))


class GroupKeys:
    """What keys does of a change: stored first, then told until the order has it (G2)."""

    def __init__(self, cluster: Cluster, *members: UserId) -> None:
        self.cluster = cluster
        self._change(members)

    def change(self, *members: UserId) -> None:
        """They are the members from now on."""
        self._change(members)

    def _change(self, members: Sequence[UserId]) -> None:
        step = self.cluster.groups.change(GROUP, *members)
        self.cluster._spawn(self._tell(step.version))

    def rename(self) -> None:
        step = self.cluster.groups.rename(GROUP)
        self.cluster._spawn(self._tell(step.version))

    async def _tell(self, version: int) -> None:
        """At once, and again: as often as it takes."""
        while not await self._told():
            await asyncio.sleep(TELL_AGAIN)
        self.cluster.groups.told(GROUP, version)

    async def _told(self) -> bool:
        for life in list(self.cluster.routers.values()):
            await asyncio.sleep(0.002)
            if life.over or life.router.not_owner_of(TO) is not None:
                continue
            try:
                await asyncio.wait_for(life.router.group_changed(GROUP), 2.0)
            except (StoreUnavailable, TimeoutError):
                return False
            return self.cluster.chance.random() >= 0.1 * self.cluster.trouble  # the answer is lost
        return False

    @property
    def members(self) -> tuple[UserId, ...]:
        return self.cluster.groups.views_of[GROUP].members
