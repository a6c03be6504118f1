"""What the content of a message does to this device's history, and what the application hears.

Nothing that a peer writes is believed beyond what they may do: only the author edits or takes
back a message, only the reader says READ, only our own devices sync, and nobody reaches into
another conversation.
"""

from dataclasses import dataclass

from signet.client import blocks, own_devices, profiles, retry
from signet.client.device_store import Tx
from signet.client.events import (
    Deleted,
    Edited,
    GroupReceipts,
    Kind,
    Message,
    MessageReceived,
    MessageSynced,
    ReactionReceived,
    ReceiptChanged,
    Status,
    TimerChanged,
    TypingChanged,
)
from signet.client.groups.keys import take_distribution
from signet.client.outcome import Outcome
from signet.client.sealing import Self
from signet.client.store.group_lines import Named
from signet.client.store.messages import Due, Line
from signet.core.groups import GroupId
from signet.core.ids import START, MessageId, Position, UserId
from signet.core.limits import HOLD_ANSWERS
from signet.v1.content_pb2 import Content, SyncSent, Text


@dataclass(frozen=True, slots=True)
class From:
    """Who wrote a content, and into which conversation.

    In a group: where it stands in its order, and up to where its author had seen that.
    """

    author: UserId
    device: int
    peer: UserId
    at: Position = START
    seen: Position = START


def apply(tx: Tx, me: Self, origin: From, content: Content, outcome: Outcome) -> None:
    """Do what one verified content says; nothing, where it is of somebody who is blocked."""
    if origin.peer == origin.author and origin.author in blocks.blocked(tx):
        return
    profiles.learn(tx, me, origin.author, content, outcome)
    match content.WhichOneof("body"):
        case "text" | "attachment":
            _text(tx, me, origin, content, outcome)
        case "reaction":
            _reaction(tx, origin, content, outcome)
        case "edit":
            _edit(tx, origin, content, outcome)
        case "delete":
            _delete(tx, origin, content, outcome)
        case "disappearing_timer":
            _timer(tx, origin, content, outcome)
        case _:
            _of_clients(tx, me, origin, content, outcome)
    if content.original_id:
        for message_id in (content.original_id, *content.earlier_ids):
            tx.messages.drop_placeholder(MessageId(message_id), origin.author)
        show_held(tx, me, outcome)


def _of_clients(tx: Tx, me: Self, origin: From, content: Content, outcome: Outcome) -> None:
    """What clients tell each other besides what people write."""
    match content.WhichOneof("body"):
        case "read_receipt":
            _read(tx, me, origin, content, outcome)
        case "typing":
            _typing(tx, origin, content, outcome)
        case "sync":
            _sync(tx, me, origin, content, outcome)
        case "retry_request":
            asked = content.retry_request
            outcome.queued += retry.answer(tx, me, origin.author, origin.device, asked)
        case "key_distribution":
            _key(tx, origin, content, outcome)


def put_text(tx: Tx, me: Self, origin: From, content: Content) -> Message:
    """Write a text, or an attachment that came alone, into the history."""
    alone = Text(attachments=[content.attachment] if content.HasField("attachment") else [])
    outgoing = origin.author == me.user
    message = tx.messages.put(
        Line(
            id=MessageId(content.original_id or content.message_id),
            peer=origin.peer,
            author=origin.author,
            kind=Kind.TEXT,
            outgoing=outgoing,
            status=Status.PENDING if outgoing else Status.DELIVERED,
            clock_ms=content.clock_ms,
            received_ms=me.environment.now_ms(),
            body=content.text if content.HasField("text") else alone,
            expire_after=content.expire_after_seconds,
        )
    )
    return message if origin.at == START else _placed(tx, message, origin)


def _placed(tx: Tx, message: Message, origin: From) -> Message:
    """A message of a group, where it stands in its order."""
    concurrent = tx.group_lines.is_concurrent(
        GroupId(origin.peer), origin.author, origin.seen, origin.at
    )
    named = Named(message.id, message.author)
    tx.group_lines.place(named, origin.at, concurrent=concurrent)
    return tx.messages.get(message.id, message.author) or message


def _text(tx: Tx, me: Self, origin: From, content: Content, outcome: Outcome) -> None:
    known = tx.messages.get(MessageId(content.original_id or content.message_id), origin.author)
    if known is not None and known.kind is not Kind.UNDECRYPTABLE:
        return  # sent again, or by another device of theirs, and shown before
    message = put_text(tx, me, origin, content)
    if message.outgoing:  # another device of ours wrote to a group
        tx.messages.raise_status([message.id], me.user, Status.SENT, origin.peer)
        synced = tx.messages.get(message.id, me.user) or message
        outcome.events.append(MessageSynced(message=synced))
    elif not _hold(tx, me, origin, message, content, outcome):
        outcome.events.append(MessageReceived(message=message))


def _hold(
    tx: Tx, me: Self, origin: From, message: Message, content: Content, outcome: Outcome
) -> bool:
    """Show an answer after what it answers, where that was asked for again and is on its way."""
    unreadable = tx.group_lines.unreadable(GroupId(origin.peer), content.group.answers)
    if not unreadable:
        return False
    until = me.environment.now() + HOLD_ANSWERS
    tx.group_lines.hold(Named(message.id, message.author), unreadable, until)
    outcome.held = True
    return True


def show_held(tx: Tx, me: Self, outcome: Outcome) -> None:
    """Show what was held, where what it answers is here, or the time is over."""
    for named in tx.group_lines.release(me.environment.now()):
        message = tx.messages.get(named.id, named.author)
        if message is not None:
            outcome.events.append(MessageReceived(message=message))


def _key(tx: Tx, origin: From, content: Content, outcome: Outcome) -> None:
    """A sender key that came alone: it was asked for."""
    record = tx.peers.session(origin.author, origin.device)
    if record is not None and record.remote_identity is not None:
        take_distribution(
            tx,
            origin.author,
            origin.device,
            record.remote_identity,
            content.key_distribution,
            outcome,
        )


def _reaction(tx: Tx, origin: From, content: Content, outcome: Outcome) -> None:
    target = tx.messages.get(MessageId(content.reaction.message_id), peer=origin.peer)
    if target is None:
        return
    emoji = content.reaction.emoji
    tx.messages.react(target.id, origin.peer, origin.author, emoji)
    outcome.events.append(
        ReactionReceived(peer=origin.peer, author=origin.author, message_id=target.id, emoji=emoji)
    )


def _edit(tx: Tx, origin: From, content: Content, outcome: Outcome) -> None:
    message_id = MessageId(content.edit.message_id)
    message = tx.messages.edit(message_id, origin.author, origin.peer, content.edit.text)
    if message is not None:
        outcome.events.append(Edited(message=message))


def _delete(tx: Tx, origin: From, content: Content, outcome: Outcome) -> None:
    message_id = MessageId(content.delete.message_id)
    if tx.messages.take_back(message_id, origin.author, origin.peer):
        outcome.events.append(Deleted(peer=origin.peer, message_id=message_id))


def _read(tx: Tx, me: Self, origin: From, content: Content, outcome: Outcome) -> None:
    if not tx.settings.number("read_receipts", 1):  # reciprocal: who hides theirs sees none
        return
    ids = [MessageId(i) for i in content.read_receipt.message_ids]
    raise_status(tx, me, origin.author, ids, status=Status.READ, outcome=outcome)


def raise_status(
    tx: Tx, me: Self, peer: UserId, ids: list[MessageId], *, status: Status, outcome: Outcome
) -> None:
    """Outgoing messages to a peer, or to groups of theirs, came further."""
    changed = tx.messages.raise_status(ids, me.user, status, peer)
    if changed:
        outcome.events.append(ReceiptChanged(peer=peer, message_ids=tuple(changed), status=status))
    for message_id in ids:
        if tx.group_lines.note_receipt(message_id, peer, status):
            _count(tx, me, message_id, outcome)


def _count(tx: Tx, me: Self, message_id: MessageId, outcome: Outcome) -> None:
    """A message to a group has come as far as with the last of its members."""
    message = tx.messages.get(message_id, me.user)
    if message is None:
        return
    counts = tx.group_lines.counts(message_id)
    outcome.events.append(
        GroupReceipts(peer=message.peer, message_id=message_id, **counts._asdict())
    )
    everybody = {Status.DELIVERED: counts.delivered, Status.READ: counts.read}
    for status, count in everybody.items():
        if count == counts.recipients and tx.messages.raise_status(
            [message_id], me.user, status, message.peer
        ):
            outcome.events.append(
                ReceiptChanged(peer=message.peer, message_ids=(message_id,), status=status)
            )


def _timer(tx: Tx, origin: From, content: Content, outcome: Outcome) -> None:
    seconds = content.disappearing_timer.seconds
    tx.peers.set(origin.peer, timer=seconds)
    outcome.events.append(TimerChanged(peer=origin.peer, seconds=seconds))


def _typing(tx: Tx, origin: From, content: Content, outcome: Outcome) -> None:
    if tx.settings.number("typing", 1):  # reciprocal, as with receipts
        started = content.typing.started
        outcome.events.append(TypingChanged(peer=origin.author, started=started))


def _sync(tx: Tx, me: Self, origin: From, content: Content, outcome: Outcome) -> None:
    if origin.author != me.user:
        return
    match content.sync.WhichOneof("body"):
        case "sent":
            _sync_sent(tx, me, origin, content.sync.sent, outcome)
        case "read":
            peer = UserId(content.conversation)
            ids = [MessageId(message_id) for message_id in content.sync.read.message_ids]
            tx.messages.mark_read(peer, ids, me.environment.now_ms(), Due.NOBODY)
        case "people":
            own_devices.learn_people(tx, me, content.sync.people.people)
        case "blocked":
            outcome.events += blocks.learn(tx, content.sync.blocked)


def _sync_sent(tx: Tx, me: Self, origin: From, sent: SyncSent, outcome: Outcome) -> None:
    """Another device of ours wrote."""
    there = From(me.user, origin.device, UserId(sent.to))
    if sent.content.WhichOneof("body") in ("text", "attachment"):
        named = MessageId(sent.content.original_id or sent.content.message_id)
        known = tx.messages.get(named, me.user)
        if known is not None and known.kind is not Kind.UNDECRYPTABLE:
            return  # the copy was sent again, and shown before
        put = put_text(tx, me, there, sent.content)
        tx.messages.raise_status([put.id], me.user, Status.SENT, there.peer)
        outcome.events.append(MessageSynced(message=tx.messages.get(put.id, me.user) or put))
    elif sent.content.WhichOneof("body") in ("reaction", "edit", "delete", "disappearing_timer"):
        apply(tx, me, there, sent.content, outcome)
