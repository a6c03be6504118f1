"""What a device does with what arrives: one transaction for all that arrived together.

For each item: the inbox's rules (signet.core.inbox), then "was it seen?", then decryption on a
copy of the ratchet. Ratchet, used pre-key, plaintext, the id against doubles and the position are
one transaction (O2); only when it is durable is anything shown or acknowledged.

Each item is a part of that transaction. One that cannot be taken, for whatever reason but a store
that fails, becomes a placeholder and is acknowledged: nobody jams another's inbox.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from signet.client import content as contents
from signet.client import opening, reading, retry
from signet.client.content import Reading
from signet.client.device_store import Tx, is_of_the_store
from signet.client.event_codec import Confirm, keep
from signet.client.events import (
    DecryptionFailed,
    Event,
    Kept,
    Kind,
    MessagesExpired,
    PeerChanged,
    Status,
    UpdateNeeded,
)
from signet.client.groups import receiving
from signet.client.opening import KEEP_IDS, is_named
from signet.client.outcome import Outcome
from signet.client.reading import From
from signet.client.sealing import Self
from signet.core import inbox
from signet.core.ids import ID_BYTES, MessageId, Position, UserId
from signet.core.inbox import Ack, ReadFrom, Show
from signet.e2e import DuplicateMessage, E2eError
from signet.v1.content_pb2 import Content
from signet.v1.messaging_pb2 import Envelope, Expired, Item, ServerFrame

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Arrived:
    """An item as the inbox's rules see it."""

    position: Position
    follows: Position | None
    item: Item


@dataclass(slots=True)
class Taken(Outcome):
    """What to do once it is durable: `events`, then `ack`, then `read_from`."""

    ack: Position | None = None
    read_from: Position | None = None
    fleeting: list[Event] = field(default_factory=list)


def take(tx: Tx, me: Self, frames: Sequence[ServerFrame], confirm: Confirm) -> Taken:
    """Take the items of some frames, in their order. Frames of other kinds are ignored."""
    at = before = tx.settings.position()
    taken = Taken()
    for frame in frames:
        if frame.HasField("item"):
            arrived = _arrived(frame.item)
            at, effects = inbox.accept(at, arrived)
            for effect in effects:
                _perform(tx, me, effect, taken, confirm)
        elif frame.HasField("expired"):
            at = _expired(tx, at, frame.expired, taken, confirm)
        elif frame.HasField("fleeting"):
            work = partial(_envelope, tx, me, frame.fleeting.envelope, fleeting=True)
            _whole(tx, taken, confirm, work)
    if at != before:
        tx.settings.put_position(at)
    return taken


def _whole(tx: Tx, taken: Taken, confirm: Confirm, work: Callable[[Outcome], None]) -> bool:
    """Let `work` happen whole, or not at all: then False. Raises for a store that fails."""
    part = Outcome()
    try:
        with tx.part():
            work(part)
            part.events = [keep(tx, e, confirm) if isinstance(e, Kept) else e for e in part.events]
    except Exception as error:
        if is_of_the_store(error):
            raise
        log.error("something that arrived could not be taken", why=type(error).__name__)
        return False
    taken.add(part)
    return True


def _perform(
    tx: Tx, me: Self, effect: Show[Arrived] | Ack | ReadFrom, taken: Taken, confirm: Confirm
) -> None:
    match effect:
        case Show(arrived):
            if not _whole(tx, taken, confirm, partial(_show, tx, me, arrived.item)):
                _whole(tx, taken, confirm, partial(_show_that_it_failed, tx, me, arrived.item))
        case Ack(up_to):
            taken.ack = up_to
            taken.read_from = None
        case ReadFrom(after):
            taken.read_from = after


def _show(tx: Tx, me: Self, item: Item, taken: Outcome) -> None:
    match item.WhichOneof("body"):
        case "envelope":
            _envelope(tx, me, item.envelope, taken)
        case "delivered":
            ids = [MessageId(message_id) for message_id in item.delivered.message_ids]
            peer = UserId(item.delivered.by)
            reading.raise_status(tx, me, peer, ids, status=Status.DELIVERED, outcome=taken)
        case "peer_changed":
            peer = UserId(item.peer_changed.user)
            if len(peer) != ID_BYTES:
                return
            tx.peers.set(peer, stale=1)
            taken.refresh.add(peer)  # the identity key's change is believed when it is seen
            if not item.peer_changed.identity:
                taken.events.append(PeerChanged(peer=peer))
        case "group_message" | "group_changed":
            receiving.take(tx, me, item, taken)


def _show_that_it_failed(tx: Tx, me: Self, item: Item, taken: Outcome) -> None:
    """A placeholder for a message; what else there is has no place where one could be seen."""
    envelope = item.envelope
    if item.HasField("group_message"):
        receiving.show_that_it_failed(tx, me, item.group_message, taken)
    elif item.HasField("envelope") and is_named(envelope):
        sender, device = UserId(envelope.sender), envelope.sender_device
        until = me.environment.now() + KEEP_IDS
        tx.incoming.note_seen(sender, device, envelope.message_id, until)
        _unreadable(tx, me, envelope, taken, again=False)


def _envelope(
    tx: Tx, me: Self, envelope: Envelope, taken: Outcome, *, fleeting: bool = False
) -> None:
    """Decrypt and apply one message, unless it was taken before."""
    sender, device = UserId(envelope.sender), envelope.sender_device
    if not is_named(envelope) or tx.incoming.seen(sender, device, envelope.message_id):
        return
    now = me.environment.now()
    if not fleeting:
        tx.incoming.note_seen(sender, device, envelope.message_id, now + KEEP_IDS)
    try:
        got = opening.opened(tx, me, envelope)
    except DuplicateMessage:
        return
    except E2eError:
        if not fleeting:
            _unreadable(tx, me, envelope, taken, again=True)
        return
    opening.keep_session(tx, me, envelope, got, taken)
    content = contents.from_plaintext(got.plaintext, envelope.message_id)
    if isinstance(content, Content):
        peer = receiving.conversation_of(tx, sender, content)
        if peer is not None:
            reading.apply(tx, me, From(sender, device, peer), content, taken)
    elif content is Reading.TOO_NEW:
        message = opening.placeholder(tx, me, envelope, Kind.UPDATE_NEEDED)
        taken.events.append(UpdateNeeded(message=message))
    elif not fleeting:  # the session is whole: the same again would say the same
        _unreadable(tx, me, envelope, taken, again=False)


def _unreadable(tx: Tx, me: Self, envelope: Envelope, taken: Outcome, *, again: bool) -> None:
    message = opening.placeholder(tx, me, envelope, Kind.UNDECRYPTABLE)
    taken.events.append(DecryptionFailed(message=message))
    row = retry.ask_again(tx, me, envelope) if again else None
    taken.queued += [row] if row else []


def _expired(tx: Tx, at: Position, expired: Expired, taken: Taken, confirm: Confirm) -> Position:
    first, last = _position(getattr(expired, "from")), _position(expired.to)
    moved, effects = inbox.expire(at, first, last)
    for effect in effects:
        if isinstance(effect, Ack):
            same = first.epoch == last.epoch
            count = max(0, last.seq - first.seq + 1) if same else 0
            taken.events.append(keep(tx, MessagesExpired(count=count), confirm))
            taken.ack = effect.up_to
        else:
            taken.read_from = effect.after
    return moved


def _arrived(item: Item) -> Arrived:
    follows = _position(item.follows) if item.HasField("follows") else None
    return Arrived(_position(item.position), follows, item)


def _position(wire: object) -> Position:
    return Position(wire.epoch, wire.seq)  # type: ignore[attr-defined] # the generated message
