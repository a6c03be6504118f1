"""A member's device lacks a sender key, or a message: it asks the sender's device for both.

The request and the answer go through their 1:1 session, MAX_RETRIES times for a message at the
most. Who asks gets the key only as a member by the chain, and the message only if they were one
when it was sent.
"""

from contextlib import suppress

from signet.client import content as contents
from signet.client import sealing
from signet.client.device_store import Tx
from signet.client.groups.sealing import distribution_for
from signet.client.sealing import Self
from signet.client.store.outgoing import Row
from signet.core.groups import GroupId
from signet.core.ids import MessageId, UserId
from signet.core.limits import MAX_RETRIES, SENT_LOG_TTL
from signet.e2e import Ciphertext, E2eError, message_ratchet_key
from signet.v1.content_pb2 import Content, RetryRequest
from signet.v1.messaging_pb2 import GroupMessage


def ask(tx: Tx, me: Self, wire: GroupMessage, *, broken: Ciphertext | None) -> Row | None:
    """Ask for a message and its sender's key; None where it was asked for too often.

    `broken`: the key came with it, and its session did not open it.
    """
    sender, message_id = UserId(wire.sender), MessageId(wire.message_id)
    now = me.environment.now()
    if tx.incoming.count("asked", sender, wire.sender_device, message_id, now) > MAX_RETRIES:
        return None
    request = RetryRequest(message_id=message_id, distribution_id=wire.group)
    if broken is not None:
        sealing.give_up(tx, sender, wire.sender_device)
        with suppress(E2eError):
            request.ratchet_key = message_ratchet_key(broken)
    content = Content(retry_request=request)
    return sealing.queue(tx, me, sender, content, only_device=wire.sender_device)


def answer(tx: Tx, me: Self, asker: UserId, device: int, request: RetryRequest) -> list[Row]:
    """Our key, and the message; nothing for who is no member, or asks again and again."""
    group_id, now = GroupId(request.distribution_id), me.environment.now()
    if not _is_trusted(tx, me, group_id, asker):
        return []
    if tx.incoming.count("resent", asker, device, _id_of(request), now) > MAX_RETRIES:
        return []
    record = tx.peers.session(asker, device)
    if record is not None and record.current_ratchet_key == request.ratchet_key:
        sealing.give_up(tx, asker, device)
    told = (distribution_for(tx, me, group_id, asker), _again(tx, group_id, asker, request, now))
    return [sealing.queue(tx, me, asker, c, only_device=device) for c in told if c is not None]


def _id_of(request: RetryRequest) -> MessageId:
    return MessageId(request.message_id)


def _is_trusted(tx: Tx, me: Self, group_id: GroupId, asker: UserId) -> bool:
    """Whether the chain has them as a member, with the identity key that we know them by."""
    group = tx.groups.get(group_id)
    member = group.members.get(asker) if group is not None else None
    own = me.local.identity.public if asker == me.user else tx.peers.get(asker).identity
    return member is not None and member.identity_key == own


def _again(
    tx: Tx, group_id: GroupId, asker: UserId, request: RetryRequest, now: float
) -> Content | None:
    """The message once more, under an id of its own; None where it is too old, or not theirs."""
    logged = tx.outgoing.logged(_id_of(request), UserId(group_id))
    since = tx.groups.since(group_id, asker)
    if logged is None or since is None or since > logged.membership:
        return None
    if now - logged.at > SENT_LOG_TTL:
        return None
    again = contents.copy_of(logged.content)
    again.original_id = request.message_id
    return again
