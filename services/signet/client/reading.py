"""What the content of a message does to this device's history, and what the application hears.

Nothing that a peer writes is believed beyond what they may do: only the author edits or takes
back a message, only the reader says READ, only our own devices sync, and nobody reaches into
another conversation.
"""

from dataclasses import dataclass, field

from signet.client import retry
from signet.client.device_store import Tx
from signet.client.events import (
    Deleted,
    Edited,
    Event,
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
from signet.client.sealing import Self
from signet.client.store.messages import Line
from signet.client.store.outgoing import Row
from signet.core.ids import MessageId, UserId
from signet.v1.content_pb2 import Content, Text


@dataclass(slots=True)
class Outcome:
    """What a transaction asks to be done once it is durable, in order."""

    events: list[Event] = field(default_factory=list)
    queued: list[Row] = field(default_factory=list)
    refresh: set[UserId] = field(default_factory=set)  # whose bundles are to be fetched


@dataclass(frozen=True, slots=True)
class From:
    """Who wrote a content, and into which conversation."""

    author: UserId
    device: int
    peer: UserId


def apply(tx: Tx, me: Self, origin: From, content: Content, outcome: Outcome) -> None:
    """Do what one verified content says."""
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
        case "read_receipt":
            _read(tx, me, origin, content, outcome)
        case "typing":
            _typing(tx, origin, content, outcome)
        case "sync":
            _sync(tx, me, origin, content, outcome)
        case "retry_request":
            row = retry.send_again(tx, me, origin.author, origin.device, content.retry_request)
            outcome.queued += [row] if row else []
    for message_id in (content.original_id, *content.earlier_ids):
        tx.messages.drop_placeholder(MessageId(message_id), origin.author)


def put_text(tx: Tx, me: Self, origin: From, content: Content) -> Message:
    """Write a text, or an attachment that came alone, into the history."""
    alone = Text(attachments=[content.attachment] if content.HasField("attachment") else [])
    outgoing = origin.author == me.user
    return tx.messages.put(
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


def _text(tx: Tx, me: Self, origin: From, content: Content, outcome: Outcome) -> None:
    known = tx.messages.get(MessageId(content.original_id or content.message_id), origin.author)
    if known is not None and known.kind is not Kind.UNDECRYPTABLE:
        return  # sent again, or by another device of theirs, and shown before
    message = put_text(tx, me, origin, content)
    outcome.events.append(MessageReceived(message=message))


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
    """Outgoing messages to a peer came further."""
    changed = tx.messages.raise_status(ids, me.user, status, peer)
    if changed:
        outcome.events.append(ReceiptChanged(peer=peer, message_ids=tuple(changed), status=status))


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
    if content.sync.WhichOneof("body") == "read":
        for message_id in content.sync.read.message_ids:
            message = tx.messages.get(MessageId(message_id))
            if message is not None and not message.outgoing:
                now_ms = me.environment.now_ms()
                tx.messages.mark_read(message.peer, [message.id], now_ms, receipts=False)
        return
    sent = content.sync.sent
    there = From(me.user, origin.device, UserId(sent.to))
    if sent.content.WhichOneof("body") in ("text", "attachment"):
        put = put_text(tx, me, there, sent.content)
        tx.messages.raise_status([put.id], me.user, Status.SENT, there.peer)
        outcome.events.append(MessageSynced(message=tx.messages.get(put.id, me.user) or put))
    elif sent.content.WhichOneof("body") in ("reaction", "edit", "delete", "disappearing_timer"):
        apply(tx, me, there, sent.content, outcome)
