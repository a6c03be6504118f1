"""Opening what came for this device alone: by its session with the sending device.

A function that raises has changed nothing; what was opened is kept by `keep_session`, in the
transaction of what comes of it.
"""

from signet.client import sealing
from signet.client.device_store import Tx
from signet.client.events import IdentityChanged, Kind, Message, Status
from signet.client.outcome import Outcome
from signet.client.sealing import Self
from signet.client.store.messages import Line
from signet.core.ids import ID_BYTES, MessageId, UserId
from signet.core.limits import ITEM_TTL, MAX_DEVICE_ID, RETRY_LIMIT
from signet.e2e import Address, Ciphertext, Decrypted, InvalidMessage, decrypt
from signet.v1.content_pb2 import Text
from signet.v1.messaging_pb2 import Envelope

KEEP_IDS = ITEM_TTL + RETRY_LIMIT
"""Seconds for which a message's id is remembered against doubles (O2)."""


def is_named(envelope: Envelope) -> bool:
    """Whether it says who wrote which message; else nothing can be shown or asked for."""
    ids = (envelope.sender, envelope.message_id)
    known = 1 <= envelope.sender_device <= MAX_DEVICE_ID
    return known and all(len(each) == ID_BYTES for each in ids)


def opened(tx: Tx, me: Self, envelope: Envelope) -> Decrypted:
    """Raises E2eError."""
    sender = UserId(envelope.sender)
    got = decrypt(
        tx.peers.session(sender, envelope.sender_device),
        Ciphertext(envelope.type, envelope.content),
        local=me.local,
        remote=Address(sender, envelope.sender_device),
        pre_keys=tx.pre_keys,
        now=me.environment.now(),
        randomness=me.environment.randomness,
        floor=tx.peers.get(sender).version_floor,
    )
    if sender == me.user and got.identity_key != me.local.identity.public:
        raise InvalidMessage("of no device of this account, whatever the server says")
    return got


def keep_session(tx: Tx, me: Self, envelope: Envelope, got: Decrypted, taken: Outcome) -> None:
    """The session's new state; and whose identity key it is, where the message opened it."""
    sender = UserId(envelope.sender)
    tx.peers.put_session(sender, envelope.sender_device, got.record)
    if got.used_pre_key_id is None and got.used_kyber_pre_key_id is None and got.replay is None:
        return
    tx.pre_keys.use_up(got, me.environment.now())
    peer = tx.peers.get(sender)
    if peer.identity is None:  # our first word of them: their device set is tried as it looks
        tx.peers.set(sender, stale=0)
    if sealing.learn_identity(tx, peer, got.identity_key):
        taken.events.append(IdentityChanged(peer=sender))
    tx.peers.set(sender, floor=max(peer.floor, got.record.shown))


def placeholder(
    tx: Tx, me: Self, envelope: Envelope, kind: Kind, conversation: UserId | None = None
) -> Message:
    """A line for what cannot be read, in the sender's conversation or a group's."""
    now_ms = me.environment.now_ms()
    sender = UserId(envelope.sender)
    return tx.messages.put(
        Line(
            id=MessageId(envelope.message_id),
            peer=conversation or sender,
            author=sender,
            kind=kind,
            outgoing=False,
            status=Status.DELIVERED,
            clock_ms=now_ms,
            received_ms=now_ms,
            body=Text(),
        )
    )
