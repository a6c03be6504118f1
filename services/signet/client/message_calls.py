"""The calls about messages: writing, changing and reading them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from signet.client import content as contents
from signet.client import own_devices, profiles, reading, sealing
from signet.client.calls import Calls, Waiter, find_message
from signet.client.device_store import Tx
from signet.client.errors import SendRefused, UnknownMessage, refusal
from signet.client.events import Message, SendFailed, Status
from signet.client.groups import sealing as group_sealing
from signet.client.groups.summary import name_of
from signet.client.reading import From
from signet.client.store.messages import Due
from signet.client.store.outgoing import Row
from signet.core.errors import Code
from signet.core.groups import GroupId
from signet.core.ids import MessageId, UserId
from signet.v1.content_pb2 import Content
from signet.v1.messaging_pb2 import ClientFrame

T = TypeVar("T")
_QUOTE = 80  # characters of a text that its reply repeats


@dataclass(frozen=True, slots=True)
class Conversation:
    """One line of an overview."""

    peer: UserId
    name: str  # by which the peer was found; '' if they were not
    unread: int
    last: Message


class MessageCalls(Calls):
    """Part of `Client`."""

    async def send(self, to: UserId, text: str, *, reply_to: MessageId | None = None) -> Message:
        """Write to somebody. Durable in the outbox when this returns; `wait_sent` waits for more.

        Raises:
            SignetError: CONTENT_TOO_LARGE.
            UnknownMessage: `reply_to` is not in this conversation.
        """

        def write(tx: Tx) -> tuple[Message, list[Row]]:
            answered = find_message(tx, reply_to, to) if reply_to else None
            content = contents.text(
                text,
                reply_to,
                answered.author if answered else None,
                answered.text[:_QUOTE] if answered else "",
            )
            content.expire_after_seconds = tx.peers.get(to).timer
            rows = self._queue(tx, to, content)
            origin = From(self.user_id, self._me.account.device, to)
            return reading.put_text(tx, self._me, origin, rows[0].content), rows

        message, rows = await self._store.run(write)
        self._engine.queue(rows)
        if message.expires_ms:
            self._engine.upkeep.expiry_changed()
        return message

    async def react(self, message_id: MessageId, emoji: str) -> None:
        """One reaction a person and message; '' takes it back. Raises UnknownMessage."""

        def write(tx: Tx) -> list[Row]:
            target = find_message(tx, message_id)
            tx.messages.react(message_id, target.peer, self.user_id, emoji)
            return self._queue(tx, target.peer, contents.reaction(message_id, emoji))

        self._engine.queue(await self._store.run(write))

    async def edit(self, message_id: MessageId, text: str) -> None:
        """Change one's own text. Raises UnknownMessage, SignetError (CONTENT_TOO_LARGE)."""

        def write(tx: Tx) -> list[Row]:
            content = contents.edit(message_id, text)
            own = tx.messages.get(message_id, self.user_id)
            if own is None or not tx.messages.edit(message_id, self.user_id, own.peer, text):
                raise UnknownMessage("not a text of one's own")
            return self._queue(tx, own.peer, content)

        self._engine.queue(await self._store.run(write))

    async def delete(self, message_id: MessageId) -> None:
        """Take back one's own message, here and there. Raises UnknownMessage."""

        def write(tx: Tx) -> list[Row]:
            own = tx.messages.get(message_id, self.user_id)
            if own is None or not tx.messages.take_back(message_id, self.user_id, own.peer):
                raise UnknownMessage("not a text of one's own")
            return self._queue(tx, own.peer, contents.delete(message_id))

        self._engine.queue(await self._store.run(write))

    async def set_disappearing_timer(self, peer: UserId, seconds: int) -> None:
        """Later messages of this conversation disappear so long after they were read; 0: off."""

        def write(tx: Tx) -> list[Row]:
            tx.peers.set(peer, timer=seconds)
            return self._queue(tx, peer, contents.timer(seconds))

        self._engine.queue(await self._store.run(write))

    async def typing(self, peer: UserId, started: bool = True) -> None:
        """Tell those online; nothing is stored. No effect before a first message."""

        def write(tx: Tx) -> ClientFrame | None:
            if not tx.settings.number("typing", 1):
                return None
            send = sealing.seal_fleeting(tx, self._me, peer, contents.typing(started))
            return ClientFrame(send=send) if send else None

        frame = await self._store.run(write)
        if frame is not None:
            self._engine.connection.send(frame)

    async def wait_sent(self, message_id: MessageId) -> None:
        """Wait until the server has it durably (P1). Raises SendRefused, UnknownMessage."""
        await self.wait_status(message_id, Status.SENT)

    async def wait_status(self, message_id: MessageId, status: Status) -> None:
        """Wait for a status or a higher one. Raises SendRefused, UnknownMessage."""
        loop = asyncio.get_running_loop()
        waiters = self._waiters.setdefault(message_id, set())
        while True:
            waiter: Waiter = loop.create_future()
            waiters.add(waiter)
            try:
                now = (await self.message(message_id)).status
                if now >= status:
                    return
                if now is Status.FAILED:
                    raise SendRefused(None)
                reached = await waiter
            finally:
                waiters.discard(waiter)
                if not waiters:
                    self._waiters.pop(message_id, None)
            if isinstance(reached, SendFailed):
                raise SendRefused(reached.code)
            if reached >= status:
                return
            waiters = self._waiters.setdefault(message_id, set())

    async def waiting(self, peer: UserId) -> int:
        """How many sends to a person, or a group, the server has not answered yet."""
        return len(await self._store.run(lambda tx: tx.outgoing.all_of(peer)))

    async def message(self, message_id: MessageId) -> Message:
        """Raises UnknownMessage."""
        return await self._look(lambda tx: find_message(tx, message_id))

    async def history(
        self, peer: UserId, limit: int = 100, before: MessageId | None = None
    ) -> list[Message]:
        """The latest messages with somebody (before one of them), oldest first."""
        return await self._look(lambda tx: tx.messages.page(peer, limit, before))

    async def unread(self, peer: UserId | None = None) -> list[Message]:
        """Of one person or of all, oldest first."""
        return await self._look(lambda tx: tx.messages.unread(peer))

    async def conversations(self) -> list[Conversation]:
        """Everybody one has written with, the latest first."""
        return await self._look(_conversations)

    async def mark_read(self, peer: UserId, ids: Sequence[MessageId] | None = None) -> None:
        """All (or these) messages of somebody were read; they are told, unless that is off."""

        def write(tx: Tx) -> list[MessageId]:
            due = Due.PEER if tx.settings.number("read_receipts", 1) else Due.NOBODY
            if own_devices.has_others(tx, self._me):
                due |= Due.OWN_DEVICES
            return tx.messages.mark_read(peer, ids, self._env.now_ms(), due)

        if await self._store.run(write):
            self._engine.upkeep.receipts_due()
            self._engine.upkeep.expiry_changed()

    async def _look(self, job: Callable[[Tx], T]) -> T:
        """Read the history; what has disappeared by now is gone first, also after a sleep."""

        def look(tx: Tx) -> T:
            tx.messages.expire(self._env.now_ms())
            return job(tx)

        return await self._store.run(look)

    def _queue(
        self, tx: Tx, to: UserId, content: Content, message_id: MessageId | None = None
    ) -> list[Row]:
        """A send, and a sync copy where there are other devices of ours (O5).

        To a group it is one send: our other devices are devices of a member, like others.
        """
        group = tx.groups.get(GroupId(to))
        if group is not None:
            if self.user_id not in group.members:
                raise refusal(Code.NOT_A_MEMBER)
            queued = group_sealing.queue(tx, self._me, group.group, content, message_id=message_id)
            return [queued]
        shown = profiles.attach(tx, content)
        rows = [sealing.queue(tx, self._me, to, shown, message_id=message_id)]
        if to != self.user_id:
            rows += own_devices.tell(tx, self._me, contents.sync_sent(to, rows[0].content))
        return rows

    def _wake(self, message_id: MessageId, what: Status | SendFailed) -> None:
        for waiter in self._waiters.get(message_id, set()):
            if not waiter.done():
                waiter.set_result(what)


def _conversations(tx: Tx) -> list[Conversation]:
    found = []
    for peer in tx.messages.peers():
        last = tx.messages.page(peer, 1, None)[0]
        unread = len(tx.messages.unread(peer))
        name = profiles.name_of(tx, peer) or name_of(tx, GroupId(peer))
        found.append(Conversation(peer, name, unread, last))
    return found
