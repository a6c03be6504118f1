"""Taking a Send: checked, numbered, appended, answered, pushed.

The order of the checks is the order of the codes that a sender sees. What is answered SENT was
durable before (P1); refusals are not remembered.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from signet.core import limits
from signet.core.checks import Strangers, device_mismatch, has_room
from signet.core.delivery import Receipt
from signet.core.errors import Code
from signet.core.ids import DeviceAddress, DeviceId, Position, ShardId, UserId
from signet.core.link import Answer, Answered, AnySend, GroupNow, Mismatch, Send, ToGateway
from signet.core.order import Again, Conversations, Key, Take
from signet.internal.v1.stored import fleeting_frame, read_place, read_stored, stored_message
from signet.ports.inbox import Connected, Entry, StoreUnavailable
from signet.router.context import Context
from signet.router.people import Inbox, Person
from signet.router.writer import Write
from signet.telemetry import metrics
from signet.v1.messaging_pb2 import CAPABILITY_FLEETING

ACCEPTED = metrics.ITEMS_ACCEPTED.labels("message")
LIMITED_PAIR = metrics.RATE_LIMITED.labels("send_pair")
LIMITED_STRANGERS = metrics.RATE_LIMITED.labels("send_strangers")


@dataclass(frozen=True, slots=True)
class Reply:
    """Who asked: a gateway's link, and the ticket of its Submit."""

    tell: Callable[[int, Sequence[ToGateway]], None]
    link: int
    ticket: int

    def __call__(self, answer: Answer) -> None:
        self.tell(self.link, [Answered(self.ticket, answer)])


class Sends:
    """The sends to the users of this router's shards."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._conversations = Conversations(context.shard)
        self._waiting_bytes = 0  # of sends to those who are not in memory yet
        self._strangers = Strangers()
        self._fleeting_strangers = Strangers()
        self._under_way: dict[tuple[Key, bytes], list[Reply]] = {}
        self._noted: set[tuple[UserId, UserId]] = set()
        self._asking: dict[Key, list[tuple[Send, Reply]]] = {}  # see _stranger

    def submit(self, reply: Reply, sender: DeviceAddress, send: Send) -> None:
        """Take a send from a gateway, and answer it."""
        if self._context.writer.pending_bytes + self._waiting_bytes >= limits.MAX_UNWRITTEN:
            reply(refusal(send, Code.STORE_UNAVAILABLE, limits.STORE_RETRY_AFTER))
            return
        size = send.size
        self._waiting_bytes += size

        def judge(person: Person) -> None:
            self._waiting_bytes -= size
            self._judge(person, sender, send, reply)

        self._context.people.with_person(send.to, judge)

    def _judge(self, person: Person, sender: DeviceAddress, send: Send, reply: Reply) -> None:
        if self._moved(person, reply):
            return
        if person.user is None:
            reply(refusal(send, Code.UNKNOWN_RECIPIENT))
            return
        if send.fleeting:
            self._fleeting(person, sender, send)
            reply(Answer(send.message_id, send.ordinal, self._context.now_ms()))
            return
        key = Key(sender, send.to)
        if asking := self._asking.get(key):
            if len(asking) < limits.MAX_UNANSWERED:
                asking.append((send, reply))
            else:
                reply(refusal(send, Code.TOO_MANY_UNANSWERED))
            return
        verdict = self._conversations.judge(key, send)
        match verdict:
            case Code():
                reply(refusal(send, verdict))
            case Again(answer=None):
                self._under_way.setdefault((key, send.message_id), []).append(reply)
            case Again(answer=answer):
                assert answer is not None
                reply(Answer(answer.message_id, send.ordinal, answer.accepted_ms))
            case Take():
                self._with_right_devices(person, key, send, reply)

    def _moved(self, person: Person, reply: Reply) -> bool:
        """The shard was given away while the send waited: its gateway brings it to the owner."""
        if self._context.serves(person.shard):
            return False
        moved = self._context.not_owner(person.shard, tickets=[reply.ticket])
        self._context.tell(reply.link, [moved])
        return True

    def _with_right_devices(self, person: Person, key: Key, send: Send, reply: Reply) -> None:
        """Our copy of the devices may be old: ask the directory before refusing (O5)."""
        if self._mismatch(person, key.sender, send) is None:
            self._admit(person, key, send, reply)
            return
        self._context.people.with_person(
            person.id, lambda fresh: self._with_fresh_devices(fresh, key, send, reply), fresh=True
        )

    def _with_fresh_devices(self, person: Person, key: Key, send: Send, reply: Reply) -> None:
        if self._moved(person, reply):
            return
        if person.user is None:
            reply(refusal(send, Code.UNKNOWN_RECIPIENT))
        elif wrong := self._mismatch(person, key.sender, send):
            reply(refusal(send, Code.WRONG_DEVICES, devices=wrong))
        elif isinstance(verdict := self._conversations.judge(key, send), Take):
            self._admit(person, key, send, reply)
        else:  # another try of it was decided meanwhile
            reply(refusal(send, verdict if isinstance(verdict, Code) else Code.OUT_OF_ORDER))

    def _mismatch(self, person: Person, sender: DeviceAddress, send: Send) -> Mismatch | None:
        assert person.user is not None
        devices = person.user.devices
        if sender.device.user == person.id:  # a sync copy for one's own other devices (O5)
            devices = {n: reg for n, reg in devices.items() if n != sender.device.device}
        return device_mismatch(devices, send.contents)

    def _admit(self, person: Person, key: Key, send: Send, reply: Reply) -> None:
        assert person.user is not None
        user = key.sender.device.user
        if wait := self._too_many(user, person.id):
            reply(refusal(send, Code.RATE_LIMITED, wait))
        elif not all(has_room(i.items, i.bytes) for i in self._inboxes(person, send)):
            reply(refusal(send, Code.INBOX_FULL, limits.INBOX_FULL_RETRY_AFTER))
        elif self._is_stranger(self._strangers, user, person.id) or self._is_crowd(user, person.id):
            self._asking[key] = [(send, reply)]
            self._context.spawn(self._stranger(key))
        else:
            self._append(person, key, send, reply, keep=user not in person.user.blocked)

    @staticmethod
    def _inboxes(person: Person, send: Send) -> list[Inbox]:
        return [person.inboxes[content.device] for content in send.contents]

    def _too_many(self, user: UserId, to: UserId) -> float:
        """In how many seconds this sender may write to the recipient again (M12)."""
        if user == to:
            return 0.0
        wait = self._context.recipients.hurried(user, to, self._context.clock())
        if wait:
            LIMITED_PAIR.inc()
        return wait

    def _is_crowd(self, user: UserId, to: UserId) -> bool:
        """Whether so many strangers write that the directory must be asked of this one (M12)."""
        if user == to or not self._context.recipients.crowded(to, self._context.clock()):
            return False
        return not self._is_acquainted(user, to)

    def _is_acquainted(self, user: UserId, to: UserId) -> bool:
        """Whether it is known here that the recipient has written to the sender."""
        if (to, user) in self._noted:
            self._strangers.answered(user, to)
        return self._strangers.is_answered(user, to)

    def _is_stranger(self, strangers: Strangers, user: UserId, to: UserId) -> bool:
        """Whether the directory must be asked before another one is taken (M10)."""
        if user == to or not strangers.full(user, to):
            return False
        if (to, user) not in self._noted:
            return True
        strangers.answered(user, to)
        return False

    async def _stranger(self, key: Key) -> None:
        """Over the limit: has the recipient ever written back? Then never asked again.

        What comes of the conversation meanwhile waits in order behind the question.
        """
        user = key.sender.device.user
        refused: tuple[Code, float] | None = None
        try:
            if await self._context.users.have_written([(key.to, user)]):
                self._strangers.answered(user, key.to)
            else:
                refused = self._why_not(user, key.to)
        except StoreUnavailable:
            refused = Code.STORE_UNAVAILABLE, limits.STORE_RETRY_AFTER
        finally:
            waiting = self._asking.pop(key)
        moved = not self._context.serves(self._context.shard(key.to))
        for send, reply in waiting:
            if not moved and refused and isinstance(self._conversations.judge(key, send), Take):
                reply(refusal(send, *refused))
            else:
                self._judge_again(key, send, reply)

    def _why_not(self, user: UserId, to: UserId) -> tuple[Code, float] | None:
        """What a stranger is told; None: there is room again."""
        if self._strangers.full(user, to):
            return Code.STRANGER_LIMIT, limits.STRANGER_RETRY_AFTER
        wait = self._context.recipients.crowded(to, self._context.clock())
        if not wait:
            return None
        LIMITED_STRANGERS.inc()
        return Code.RATE_LIMITED, wait

    def _judge_again(self, key: Key, send: Send, reply: Reply) -> None:
        """Whoever was in memory before the wait may have been forgotten and loaded again."""
        self._context.people.with_person(
            key.to, lambda person: self._judge(person, key.sender, send, reply)
        )

    def _append(self, person: Person, key: Key, send: Send, reply: Reply, *, keep: bool) -> None:
        """Number it and queue it. From here on its fate is the store's (J2)."""
        now_ms = self._context.now_ms()
        self._conversations.taken(key, send)
        self._under_way.setdefault((key, send.message_id), []).append(reply)
        shard = person.shard
        epoch = self._context.epochs[shard]
        numbered: list[tuple[Inbox, Position, bytes]] = []
        connected: list[tuple[ShardId, Connected]] = []
        self._accepted(key.sender.device.user, person.id, keep=keep)
        self._note(key)
        if not keep:
            # As an offline recipient looks (M10): something is written, the same as is there, or
            # the answer would come sooner than others do.
            for inbox in self._inboxes(person, send):
                note = Connected(inbox.device, inbox.counter, inbox.resumable)
                connected.append((shard, note))
        else:
            for content in send.contents:
                inbox = person.inboxes[content.device]
                body = stored_message(key.sender, send, content, now_ms)
                numbered.append((inbox, inbox.number(epoch, len(body)), body))
        self._context.writer.add(
            Write(
                entries=[
                    (shard, Entry(inbox.device, position, now_ms, body))
                    for inbox, position, body in numbered
                ],
                connected=connected,
                done=lambda: self._durable(person, key, send, now_ms, numbered),
            )
        )

    def _accepted(self, user: UserId, to: UserId, *, keep: bool) -> None:
        """Count a message. One of somebody blocked takes no other stranger's place."""
        recipients, now = self._context.recipients, self._context.clock()
        if user != to:
            recipients.written(user, to, now)
        if keep and user != to and not self._is_acquainted(user, to):
            recipients.by_stranger(to, now)
        self._strangers.accepted(user, to)

    def _durable(
        self,
        person: Person,
        key: Key,
        send: Send,
        now_ms: int,
        numbered: list[tuple[Inbox, Position, bytes]],
    ) -> None:
        """It is durable: SENT goes back, then it is delivered."""
        answer = Answer(send.message_id, send.ordinal, now_ms)
        self._conversations.durable(key, answer)
        for reply in self._under_way.pop((key, send.message_id), ()):
            reply(answer)
        receipt = Receipt(key.sender, send.message_id, now_ms)
        for inbox, position, body in numbered:
            inbox.durable = position
            self._context.pushed(inbox, position, body, receipt)
        ACCEPTED.inc(len(numbered))
        if not send.quiet and person.id != key.sender.device.user:  # M11
            self._context.hints.waits((inbox for inbox, *_ in numbered), urgent=send.urgent)

    def _note(self, key: Key) -> None:
        """Tell the directory, once, that somebody has written to somebody."""
        pair = (key.sender.device.user, key.to)
        if pair[0] == pair[1] or pair in self._noted:
            return
        if len(self._noted) >= limits.REMEMBERED_CONVERSATIONS:
            self._noted.clear()
        self._noted.add(pair)
        self._context.spawn(self._note_written(pair))

    async def _note_written(self, pair: tuple[UserId, UserId]) -> None:
        try:
            await self._context.users.note_written([pair])
        except StoreUnavailable:
            self._noted.discard(pair)  # with the next message

    def _fleeting(self, person: Person, sender: DeviceAddress, send: Send) -> None:
        """To those who are attached now (M9); somebody blocked is heard by nobody (M10)."""
        assert person.user is not None
        user = sender.device.user
        if user in person.user.blocked:
            return
        if self._is_stranger(self._fleeting_strangers, user, person.id):
            self._context.spawn(self._fleeting_stranger(person.id, sender, send))
            return
        self._fleeting_strangers.accepted(user, person.id)
        self._push_fleeting(person, sender, send)

    async def _fleeting_stranger(self, to: UserId, sender: DeviceAddress, send: Send) -> None:
        """As with messages: so many, until the recipient has written back."""
        back = (to, sender.device.user)
        try:
            written = back in await self._context.users.have_written([back])
        except StoreUnavailable:
            return
        person = self._context.people.known(to)
        if written and person is not None:
            self._fleeting_strangers.answered(sender.device.user, to)
            self._push_fleeting(person, sender, send)

    def _push_fleeting(self, person: Person, sender: DeviceAddress, send: Send) -> None:
        for content in send.contents:
            inbox = person.inboxes.get(content.device)
            session = inbox.session if inbox else None
            if session and CAPABILITY_FLEETING in session.capabilities:
                self._context.push(session, fleeting_frame(sender, send, content))

    def forget_shards(self, shards: Set[ShardId]) -> None:
        """They are given away: their next owner remembers by itself."""
        self._conversations.forget(shards)

    def restore(self, device: DeviceId, entries: Sequence[Entry]) -> None:
        """What an earlier life took and nobody has acknowledged (O2)."""
        for entry in entries:
            _, origin = read_stored(entry.body, entry.accepted_ms)
            if origin is not None and read_place(entry.body) is None:
                answer = Answer(origin.message_id, origin.ordinal, origin.accepted_ms)
                key = Key(origin.sender, device.user)
                self._conversations.restore(key, origin.ordinal, origin.digest, answer)


def refusal(
    send: AnySend,
    code: Code,
    retry_after_s: float = 0.0,
    devices: Mismatch | None = None,
    group: GroupNow | None = None,
) -> Answer:
    """A refusal of a send; the store knows nothing of it."""
    metrics.REFUSALS.labels(code.name).inc()
    return Answer(send.message_id, send.ordinal, 0, code, retry_after_s, devices, group)
