"""Taking a GroupSend: checked, numbered in the group's order, durable, answered, fanned out.

As router/sends.py does for a person, with the group in the recipient's place (G3, G4). What is
answered SENT has its number, its membership and those who get it in the group's log (G1 of
docs/durability.md); refusals are not remembered.
"""

from collections.abc import Callable, Sequence, Set

from signet.core import limits
from signet.core.errors import Code
from signet.core.groups import NO_MESSAGE, GroupCopy
from signet.core.ids import DeviceAddress, ShardId, UserId
from signet.core.link import Answer, GroupNow, GroupSend
from signet.core.order import Again, Conversations, Key
from signet.internal.v1.stored_groups import Logged, change_item, message_item, stored_entry
from signet.ports.groups import Groups, Step
from signet.ports.inbox import Entry
from signet.router.context import Context
from signet.router.groups.fan_out import FanOut
from signet.router.groups.logs import GroupLog, Logs
from signet.router.sends import Reply, refusal
from signet.router.writer import Write
from signet.telemetry import metrics

ACCEPTED = metrics.ITEMS_ACCEPTED.labels("group")


class GroupSends:
    """The sends to groups of this router's shards, and their changes."""

    def __init__(self, context: Context, groups: Groups, fan_out: FanOut) -> None:
        self._context, self._fan_out = context, fan_out
        self.logs = Logs(context, groups, self._restored, self._steps)
        self._conversations = Conversations(context.shard)
        self._under_way: dict[tuple[Key, bytes], list[Reply]] = {}
        self._waiting_bytes = 0  # of sends to groups that are not in memory yet

    def submit(self, reply: Reply, sender: DeviceAddress, send: GroupSend) -> None:
        """Take a send from a gateway, and answer it."""
        if self._context.writer.pending_bytes + self._waiting_bytes >= limits.MAX_UNWRITTEN:
            reply(refusal(send, Code.STORE_UNAVAILABLE, limits.STORE_RETRY_AFTER))
            return
        self._waiting_bytes += send.size

        def judge(group: GroupLog | None) -> None:
            self._waiting_bytes -= send.size
            self._judge(group, Key(sender, send.to), send, reply)

        self.logs.with_log(send.group, judge)

    def _judge(
        self,
        group: GroupLog | None,
        key: Key,
        send: GroupSend,
        reply: Reply,
        *,
        fresh: bool = False,
    ) -> None:
        """`fresh`: the group was just read again, and what differs is refused."""
        if group is None or not self._context.serves(group.shard):
            shard = self.logs.shard(send.group)
            self._context.tell(reply.link, [self._context.not_owner(shard, tickets=[reply.ticket])])
            return
        verdict = self._conversations.judge(key, send)
        if isinstance(verdict, Code):
            reply(refusal(send, verdict))
        elif isinstance(verdict, Again):
            self._again(verdict, key, send, reply)
        elif (wrong := self._wrong(group, key, send)) is None:
            self._admit(group, key, send, reply)
        elif fresh:
            now = _now(group) if wrong is Code.WRONG_GROUP else None
            reply(refusal(send, wrong, group=now))
        else:
            self.logs.with_log(
                send.group,
                lambda again: self._judge(again, key, send, reply, fresh=True),
                fresh=True,
            )

    def _again(self, verdict: Again, key: Key, send: GroupSend, reply: Reply) -> None:
        """It was taken before: answered the same, now or when its append is durable."""
        if verdict.answer is None:
            self._under_way.setdefault((key, send.message_id), []).append(reply)
        else:
            reply(Answer(send.message_id, send.ordinal, verdict.answer.accepted_ms))

    @staticmethod
    def _wrong(group: GroupLog, key: Key, send: GroupSend) -> Code | None:
        """G3."""
        if group.view is None or key.sender.device.user not in group.view.members:
            return Code.NOT_A_MEMBER
        if (send.membership, send.devices) != (group.view.membership, group.digest):
            return Code.WRONG_GROUP
        return None

    def _admit(self, group: GroupLog, key: Key, send: GroupSend, reply: Reply) -> None:
        if self._fan_out.is_full(group):
            reply(refusal(send, Code.GROUP_BUSY, limits.GROUP_RETRY_AFTER))
            return
        self._conversations.taken(key, send)
        self._under_way.setdefault((key, send.message_id), []).append(reply)
        assert group.view is not None
        now_ms, follows = self._context.now_ms(), group.inbox.last
        at = group.inbox.number(self._context.epochs[group.shard], send.size)
        copy = GroupCopy(
            send.group,
            at,
            now_ms,
            message_item(key.sender, send, at, follows, now_ms),
            group.view.members,
            key.sender,
            send.message_id if send.content else NO_MESSAGE,
            send.keys,
            send.urgent,
            send.quiet or not send.content,
        )

        def answer() -> None:
            answered = Answer(send.message_id, send.ordinal, now_ms)
            self._conversations.durable(key, answered)
            for waiting in self._under_way.pop((key, send.message_id), ()):
                waiting(answered)

        self._append(group, copy, stored_entry(copy, send), answer)

    def _append(
        self, group: GroupLog, copy: GroupCopy, body: bytes, answer: Callable[[], None]
    ) -> None:
        """Queue it. From here on its fate is the store's (J2)."""

        def durable() -> None:
            group.inbox.durable = copy.at
            ACCEPTED.inc()
            answer()
            self._fan_out.add(group, waiting)

        waiting = self._fan_out.expects(group, copy)
        entry = Entry(group.inbox.device, copy.at, copy.accepted_ms, body)
        self._context.writer.add(Write(entries=[(group.shard, entry)], done=durable))

    # --- changes ------------------------------------------------------------------------------

    def _steps(self, group: GroupLog, steps: Sequence[Step]) -> None:
        """Changes take effect as entries of the order (G2): what comes behind them obeys them."""
        for step in steps:
            now_ms, follows = self._context.now_ms(), group.inbox.last
            at = group.inbox.number(self._context.epochs[group.shard], len(step.record))
            item = change_item(group.id, step.record, at, follows, now_ms)
            copy = GroupCopy(group.id, at, now_ms, item, step.to, quiet=True)
            self._append(group, copy, stored_entry(copy, None), lambda: None)

    # --- an earlier life's -----------------------------------------------------------------------

    def _restored(self, group: GroupLog, logged: Sequence[Logged]) -> None:
        """What the log held when it was read: to be answered the same, and fanned out first."""
        for copy, origin in logged:
            self._fan_out.add(group, self._fan_out.expects(group, copy))
            if origin is not None:
                answer = Answer(origin.message_id, origin.ordinal, origin.accepted_ms)
                key = Key(origin.sender, UserId(group.id))
                self._conversations.restore(key, origin.ordinal, origin.digest, answer)

    def forget_shards(self, shards: Set[ShardId]) -> None:
        """They are given away: their next owner goes on."""
        for group in self.logs.forget_shards(shards):
            self._fan_out.forget(group)
        self._conversations.forget(shards)


def _now(group: GroupLog) -> GroupNow:
    assert group.view is not None
    return GroupNow(group.view.membership, group.devices)
